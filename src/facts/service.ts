import type { Fact } from "./fact.ts";

export interface ServiceFact {
  /** False where the host was started by something else than systemd, whatever is installed there. */
  hasSystemd: boolean;
  /** Redis and Valkey units on the host, without Sentinel's. */
  units: readonly string[];
  /** Sentinel's units that are active here. */
  sentinels: readonly string[];
  /** The chosen unit; empty where there is none or where several leave the choice open. */
  unit: string;
  binary: string;
  /** The client program that belongs to the server, `redis-cli` or `valkey-cli`; empty where there is none. */
  client: string;
  configPath: string;
  /** What the server's binary says of its version: the running one is older after an upgrade without a restart. */
  binaryVersion: string;
  /** What follows the configuration file on the command line: stronger than the file. */
  arguments: readonly string[];
  properties: ReadonlyMap<string, string>;
  /** What the unit's drop-ins set, in the order in which systemd reads them: the last word counts. */
  dropIns: readonly { path: string; property: string; value: string }[];
  /** Of the main process, from /proc; absent where the service does not run. */
  process:
    | {
        pid: number;
        uid: number;
        umask: number;
        noNewPrivileges: boolean;
        openFiles: number;
        /** Bytes that a core dump may have; infinite for no bound, undefined where the host does not say. */
        coreBytes: number | undefined;
        /** The kernel may back its memory with huge pages. */
        hugePages: boolean;
      }
    | undefined;
  /** The service user's line in passwd, and its groups. */
  account: { name: string; uid: number; home: string; shell: string; groups: readonly string[] } | undefined;
  /** Lines of sudoers that begin with the service user's name. */
  sudoRules: readonly string[];
  /** Every Redis and Valkey server that runs on the host, with the unit (or other control group) it belongs to. */
  servers: readonly { pid: number; group: string }[];
  /** Product users that exist, for a unit that runs as root. */
  productUsers: readonly string[];
}

/** Properties of the unit that redkeep reads: identity, state, limits and sandbox. */
const IDENTITY =
  "Id FragmentPath DropInPaths ActiveState SubState MainPID InvocationID NeedDaemonReload NRestarts ExecMainStartTimestampMonotonic " +
  "ActiveEnterTimestampMonotonic Wants After TimeoutStartUSec TimeoutStopUSec Type";

/** Passed on to the scratch server, so that it meets the same walls as the service. Measured: `show`'s text is taken back. */
export const SANDBOX_PROPERTIES = [
  "User",
  "Group",
  "SupplementaryGroups",
  "UMask",
  "LimitNOFILE",
  "PrivateTmp",
  "PrivateDevices",
  "PrivateUsers",
  "ProtectHome",
  "ProtectSystem",
  "ProtectKernelTunables",
  "ProtectKernelModules",
  "ProtectKernelLogs",
  "ProtectControlGroups",
  "ProtectHostname",
  "ProtectClock",
  "NoNewPrivileges",
  "RestrictRealtime",
  "RestrictSUIDSGID",
  "RestrictNamespaces",
  "RestrictAddressFamilies",
  "LockPersonality",
  "MemoryDenyWriteExecute",
  "CapabilityBoundingSet",
  "AmbientCapabilities",
  "SystemCallFilter",
  "SystemCallArchitectures",
  "ReadWritePaths",
  "ReadOnlyPaths",
  "InaccessiblePaths",
  "ExecPaths",
  "NoExecPaths",
] as const;

/** The Redis unit and the process behind it. */
export const serviceFact: Fact<ServiceFact> = {
  script: ({ unit }) => `
UNIT=${shellWord(unit)}
units=$(systemctl list-units --all --plain --no-legend --full --type=service 'redis*' 'valkey*' 2>/dev/null | cut -d' ' -f1)
section systemd; if [ -d /run/systemd/system ]; then echo yes; else echo no; fi
section units; echo "$units"
section sentinels; for u in $units; do case $u in *sentinel*) if systemctl -q is-active "$u"; then echo "$u"; fi;; esac; done
if [ -z "$UNIT" ]; then
  for u in $units; do case $u in *sentinel*) ;; *) if [ -z "$UNIT" ]; then UNIT=$u; else UNIT=; break; fi;; esac; done
fi
case $UNIT in ''|*.service) ;; *) UNIT=$UNIT.service;; esac
BIN= CONF= CLI= PID=0 RUNUSER=
if [ -n "$UNIT" ]; then
  section unit; echo "$UNIT"
  SHOWN="
$(systemctl show "$UNIT" -p ${[...IDENTITY.split(" "), "RuntimeDirectory", "LimitCORE", "ExecStart", ...SANDBOX_PROPERTIES].join(",")})"
  shown() { VALUE=; case $SHOWN in *"
$1="*) VALUE=\${SHOWN#*"
$1="}; VALUE=\${VALUE%%"
"*};; esac; }
  section properties; printf '%s\\n' "$SHOWN"
  section drop-ins; shown DropInPaths; if [ -n "$VALUE" ]; then grep -sHE '^[[:space:]]*[A-Za-z]+[[:space:]]*=' $VALUE; fi
  shown ExecStart; argv=\${VALUE#*argv\\[\\]=}; argv=\${argv%% ;*}
  section argv; echo "$argv"
  set -f; set -- $argv; set +f; BIN=\${1:-}; CONF=\${2:-}
  shown MainPID; PID=\${VALUE:-0}; shown User; RUNUSER=$VALUE
  case $BIN in *valkey*) if has valkey-cli; then CLI=valkey-cli; fi;; esac
  if [ -z "$CLI" ]; then if has redis-cli; then CLI=redis-cli; elif has valkey-cli; then CLI=valkey-cli; fi; fi
  section client; echo "$CLI"
  section binary-version; VERSION=$("$BIN" --version); echo "$VERSION"
  section process; if [ "$PID" -gt 0 ]; then cat "/proc/$PID/status" "/proc/$PID/limits"; fi
  section account; if [ -n "$RUNUSER" ]; then getent passwd "$RUNUSER"; id -nG "$RUNUSER"; fi
  section sudo-rules
  case $RUNUSER in ''|*[!A-Za-z0-9_.-]*) ;; *) grep -hsE "^[[:space:]]*$RUNUSER[[:space:]]+[A-Za-z]" /etc/sudoers /etc/sudoers.d/*;; esac
fi
section servers
for p in $(grep -lsxE 'redis-server|valkey-server' /proc/[0-9]*/comm); do
  p=\${p%/comm}; group=$(sed -n 's/^0:://p' "$p/cgroup" 2>/dev/null)
  # Without the second version of control groups systemd has a tree of its own.
  if [ -z "$group" ]; then group=$(sed -n 's/^[0-9]*:name=systemd://p' "$p/cgroup" 2>/dev/null); fi
  echo "\${p#/proc/} $group"
done
section product-users; for u in redis valkey; do if getent passwd $u >/dev/null; then echo $u; fi; done
`,
  parse: (sections) => {
    const properties = new Map(
      sections.lines("properties").map((line) => {
        const at = line.indexOf("=");
        return [line.slice(0, at), line.slice(at + 1)] as const;
      }),
    );
    const [binary = "", configPath = "", ...rest] = (sections.text("argv") ?? "").trim().split(/\s+/);
    const status = sections.text("process") ?? "";
    const [account = "", groups = ""] = (sections.text("account") ?? "").split("\n");
    const [name = "", , uid = "", , , home = "", shell = ""] = account.split(":");
    const pid = Number(/^Pid:\s*(\d+)/m.exec(status)?.[1] ?? 0);
    return {
      hasSystemd: sections.text("systemd")?.trim() !== "no",
      units: sections.lines("units").filter((unit) => !unit.includes("sentinel")),
      sentinels: sections.lines("sentinels"),
      unit: (sections.text("unit") ?? "").trim(),
      binary,
      client: (sections.text("client") ?? "").trim(),
      configPath: configPath.startsWith("/") ? configPath : "",
      binaryVersion: (sections.text("binary-version") ?? "").trim(),
      arguments: rest,
      properties,
      dropIns: sections.lines("drop-ins").flatMap((line) => {
        const [, path, property, value] = /^([^:]+):\s*([A-Za-z]+)\s*=\s*(.*)$/.exec(line) ?? [];
        return path === undefined || property === undefined || value === undefined
          ? []
          : [{ path, property, value }];
      }),
      process:
        pid === 0
          ? undefined
          : {
              pid,
              uid: Number(/^Uid:\s*(\d+)/m.exec(status)?.[1] ?? -1),
              umask: Number.parseInt(/^Umask:\s*([0-7]+)/m.exec(status)?.[1] ?? "0", 8),
              noNewPrivileges: /^NoNewPrivs:\s*1/m.test(status),
              coreBytes: coreBytes(status),
              hugePages: /^THP_enabled:\s*1/m.test(status),
              openFiles: Number(/^Max open files\s+(\d+)/m.exec(status)?.[1] ?? 0),
            },
      account:
        name === ""
          ? undefined
          : { name, uid: Number(uid), home, shell, groups: groups.split(" ").filter(Boolean) },
      productUsers: sections.lines("product-users"),
      sudoRules: sections.lines("sudo-rules"),
      servers: sections.lines("servers").map((line) => {
        const [pid, group = ""] = line.split(" ");
        return { pid: Number(pid), group: group.slice(group.lastIndexOf("/") + 1) };
      }),
    };
  },
};

function coreBytes(status: string): number | undefined {
  const soft = /^Max core file size\s+(\d+|unlimited)/m.exec(status)?.[1];
  return soft === undefined ? undefined : soft === "unlimited" ? Number.POSITIVE_INFINITY : Number(soft);
}

/** Unit names have no quotes; whatever else the inventory said is refused before the probe is built. */
function shellWord(word: string): string {
  if (!/^[A-Za-z0-9@:._\\-]*$/.test(word)) throw new Error(`not a unit name: ${JSON.stringify(word)}`);
  return `'${word}'`;
}
