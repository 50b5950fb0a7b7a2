import { type Fact, splitOnce } from "./fact.ts";
import { groupName, userIn } from "./groups.ts";
import { type Seen, seen } from "./origin.ts";

export interface ServiceFact {
  /** False where the host was started by something else than systemd, whatever is installed there. */
  hasSystemd: boolean;
  /** Redis and Valkey units on the host, without Sentinel's. */
  units: readonly string[];
  /** Sentinel's units that are active here. */
  sentinels: readonly string[];
  /** The chosen unit; empty where there is none or where several leave the choice open. */
  unit: Seen;
  binary: Seen;
  /** The client program that belongs to the server, `redis-cli` or `valkey-cli`; empty where there is none. */
  client: Seen;
  configPath: Seen;
  /**
   * What the server's binary says of its version: the running one is older after an upgrade without a restart. Empty where
   * others than root could have written it: then it was not run.
   */
  binaryVersion: string;
  /** The server's program and clients of Redis that others than root can write, or put others in their place. */
  loosePrograms: readonly string[];
  /** What follows the configuration file on the command line: stronger than the file. */
  arguments: readonly string[];
  properties: ReadonlyMap<string, Seen>;
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
        /** The kernel says that it runs the very file that the unit names, as far as root may look. */
        isProgram: boolean;
      }
    | undefined;
  /** The service user's line in passwd, and its groups. */
  account: { name: string; uid: number; home: string; shell: string; groups: readonly Seen[] } | undefined;
  /** Lines of sudoers that begin with the service user's name. */
  sudoRules: readonly string[];
  /** Every Redis and Valkey server that runs on the host, with its control group as `groupName` says it. */
  servers: readonly { pid: number; group: string }[];
  /** Product users that exist, for a unit that runs as root. */
  productUsers: readonly Seen[];
}

/** Properties of the unit that redkeep reads: identity, state, limits and sandbox. */
const IDENTITY =
  "Id Names ControlGroup LoadState FragmentPath DropInPaths ActiveState SubState MainPID InvocationID NeedDaemonReload NRestarts ExecMainStartTimestampMonotonic " +
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

const PROPERTIES = [
  ...IDENTITY.split(" "),
  "RuntimeDirectory",
  "LimitCORE",
  "ExecStart",
  ...SANDBOX_PROPERTIES,
].join(",");

/** The Redis unit and the process behind it. */
export const serviceFact: Fact<ServiceFact> = {
  script: ({ unit }) => `
UNIT=${shellWord(unit)}
case $UNIT in ''|*.service) ;; *) UNIT=$UNIT.service;; esac
# All units at once, stopped ones too, a block of properties for each: the one that is named, other firewalls, all that may be
# Redis. A pattern finds what is loaded, and loads nothing.
ALL_SHOWN="$(systemctl show --all \${UNIT:+"$UNIT"} 'firewall[d].service' 'nftable[s].service' 'netfilter-persisten[t].service' 'redis*.service' 'valkey*.service' -p ${PROPERTIES})"
# Every block has the same lines, so it begins with a line that begins as the first of all does. Lines are looked at one by
# one: cutting a long text in two takes the shell a time that grows with the square of its length.
FIRST=\${ALL_SHOWN%%=*}
# Puts into SHOWN what is said of a unit, whichever of its names it is called by.
show_unit() {
  SHOWN= found= IFS=$NL; set -f
  for line in $ALL_SHOWN "$FIRST="; do
    case $line in
      "$FIRST="*) if [ -n "$found" ]; then break; fi; SHOWN=;;
      Names=*) case " \${line#*=} " in *" $1 "*) found=yes;; esac;;
    esac
    SHOWN=$SHOWN$line$NL
  done
  unset IFS; set +f
}
shown() {
  VALUE= IFS=$NL; set -f
  for line in $SHOWN; do case $line in "$1="*) VALUE=\${line#*=};; esac; done
  unset IFS; set +f
}
section systemd; if [ -d /run/systemd/system ]; then echo yes; else echo no; fi
units=$NL ACTIVE= id= names= state= load= IFS=$NL; set -f
for line in $ALL_SHOWN "$FIRST="; do
  case $line in
    "$FIRST="*)
      case $state in active|reloading|refreshing) ACTIVE="$ACTIVE $names";; esac
      # A named unit is shown twice, and also where there is none of that name.
      case $load$id$units in not-found*) ;; *"$NL$id$NL"*) ;; loadedredis*|loadedvalkey*) units=$units$id$NL;; esac;;
    Id=*) id=\${line#*=};; Names=*) names=\${line#*=};; ActiveState=*) state=\${line#*=};; LoadState=*) load=\${line#*=};;
  esac
done
unset IFS; set +f
is_active() { case "$ACTIVE " in *" $1 "*) ;; *) return 1;; esac; }
section units; printf '%s\\n' "$units"
sentinels= several= named=$UNIT
for u in $units; do
  case $u in
    *sentinel*) if is_active "$u"; then sentinels="$sentinels $u"; fi;;
    *) if [ -z "$named" ]; then if [ -z "$UNIT$several" ]; then UNIT=$u; else UNIT= several=yes; fi; fi;;
  esac
done
# A client is one of two programs, where nobody but root can have put another: on the system's path, in /usr/local, or beside
# the server.
find_client() {
  local folder
  for folder in /usr/bin /bin /usr/local/bin "\${BIN%/*}"; do
    if [ -n "$CLI" ] || [ ! -x "$folder/$1" ]; then continue; fi
    case $folder in [!/]*|*[!A-Za-z0-9._/-]*) continue;; esac
    if is_roots "$folder/$1"; then
      case $folder in /usr/bin|/bin) CLI=$1;; *) CLI=$folder/$1;; esac
    else LOOSE="$LOOSE$folder/$1$NL"; fi
  done
}
section sentinels; printf '%s\\n' $sentinels
BIN= CONF= CLI= PID=0 RUNUSER= RUNGROUP= BIN_IS_ROOTS= LOOSE= GROUP= OWNER=
if [ -n "$UNIT" ]; then
  section unit; printf '%s\\n' "$UNIT"
  show_unit "$UNIT"
  section properties; printf '%s' "$SHOWN"
  shown ControlGroup; GROUP=$VALUE; shown DropInPaths; LINES_OF="$LINES_OF $VALUE"
  shown ExecStart; argv=\${VALUE#*argv\\[\\]=}; argv=\${argv%% ;*}
  section argv; printf '%s\\n' "$argv"
  set -f; set -- $argv; set +f; BIN=\${1:-}; CONF=\${2:-}
  shown MainPID; PID=\${VALUE:-0}; shown User; RUNUSER=$VALUE; shown Group; RUNGROUP=$VALUE
  judge "$BIN" /usr/bin/redis-cli "$CONF"
  case $BIN in *valkey*) find_client valkey-cli; find_client redis-cli;; *) find_client redis-cli; find_client valkey-cli;; esac
  if [ -n "$BIN" ]; then if is_roots "$BIN"; then BIN_IS_ROOTS=yes; else LOOSE="$LOOSE$BIN$NL"; fi; fi
  section client; printf '%s\\n' "$CLI"; section programs; printf '%s' "$LOOSE"
  if [ "$PID" -gt 0 ]; then LINES_OF="$LINES_OF /proc/$PID/status /proc/$PID/limits"; fi
  section groups; if [ -n "$RUNUSER" ]; then id -nG "$RUNUSER"; fi
fi
section lines; grep -saH . $LINES_OF
section accounts; ACCOUNTS=$(getent passwd $RUNUSER redis valkey); printf '%s\\n' "$ACCOUNTS"
# What gives a program the service user's rights.
if [ -n "$RUNUSER" ]; then
  while IFS=: read -r name x uid gid x; do
    case $RUNUSER in "$name"|"$uid") OWNER=$uid; if [ "$ME" = 0 ] && [ "$uid" != 0 ]; then
      SERVICE_UID=$uid; DROP="setpriv --reuid=$uid --regid=\${RUNGROUP:-$gid} --init-groups"
    fi; break;; esac
  done <<END
$ACCOUNTS
END
fi
# Who makes the service's sockets: its process says it best, where it can be looked at.
field Uid: "/proc/$PID/status"; OWNER=\${VALUE:-$OWNER}
# Puts into VALUE the control group of a process. Without their second version systemd has a tree of its own.
group_of() {
  VALUE=
  { while read -r line; do
    case $line in 0::?*) VALUE=\${line#0::}; break;; *:name=systemd:*) VALUE=\${line#*:name=systemd:};; esac
  done <"/proc/$1/cgroup"; } 2>/dev/null
}
# The servers that run, and what sudo lets the service's user do: one search for both.
case $RUNUSER in
  ''|*[!A-Za-z0-9_.-]*) found=$(grep -sHxE 'redis-server|valkey-server' /proc/[0-9]*/comm);;
  *) found=$(grep -sHE "^(redis-server|valkey-server)$|^[[:space:]]*$RUNUSER[[:space:]]+[A-Za-z]" /proc/[0-9]*/comm /etc/sudoers /etc/sudoers.d/*);;
esac
section servers; rules= IFS=$NL; set -f
for match in $found; do
  case $match in
    /proc/*/comm:redis-server|/proc/*/comm:valkey-server) p=\${match%/comm:*};;
    /proc/*) continue;; *) rules=$rules\${match#*:}$NL; continue;;
  esac
  group_of "\${p#/proc/}"; printf '%s\\n' "\${p#/proc/} $VALUE"
done
unset IFS; set +f
section sudo-rules; printf %s "$rules"
`,
  parse: ({ seen: sections }) => {
    const properties = new Map(
      sections.lines("properties").map((line) => {
        const at = line.indexOf("=");
        return [line.slice(0, at), seen(line.slice(at + 1))] as const;
      }),
    );
    const [binary = "", configPath = "", ...rest] = sections.word("argv").trim().split(/\s+/);
    const pid = Number(properties.get("MainPID") ?? 0);
    const status = [`/proc/${pid}/status`, `/proc/${pid}/limits`]
      .map((path) => sections.fileLines(path).join("\n"))
      .join("\n");
    const accounts = sections.lines("accounts").map((line) => line.split(":"));
    const user = properties.get("User") ?? "";
    const version = (sections.text("binary-version") ?? "").trim();
    const [name = "", , uid = "", , , home = "", shell = ""] =
      accounts.find(([name, , uid]) => name === user || uid === user) ?? [];
    return {
      hasSystemd: sections.text("systemd")?.trim() !== "no",
      units: sections.lines("units").filter((unit) => !unit.includes("sentinel")),
      sentinels: sections.lines("sentinels"),
      unit: sections.word("unit"),
      binary: seen(binary),
      client: sections.word("client"),
      configPath: seen(configPath.startsWith("/") ? configPath : ""),
      binaryVersion: version,
      loosePrograms: sections.lines("programs"),
      arguments: rest,
      properties,
      dropIns: [...new Set((properties.get("DropInPaths") ?? "").split(" "))].flatMap((path) =>
        sections.fileLines(path).flatMap((line) => {
          const [, property, value] = /^\s*([A-Za-z]+)\s*=\s*(.*)$/.exec(line) ?? [];
          return property === undefined || value === undefined ? [] : [{ path, property, value }];
        }),
      ),
      process:
        status.trim() === ""
          ? undefined
          : {
              pid,
              uid: userIn(status) ?? -1,
              umask: Number.parseInt(/^Umask:\s*([0-7]+)/m.exec(status)?.[1] ?? "0", 8),
              noNewPrivileges: /^NoNewPrivs:\s*1/m.test(status),
              coreBytes: coreBytes(status),
              hugePages: /^THP_enabled:\s*1/m.test(status),
              isProgram: sections.text("same-program") !== undefined,
              openFiles: Number(/^Max open files\s+(\d+)/m.exec(status)?.[1] ?? 0),
            },
      account:
        name === ""
          ? undefined
          : {
              name,
              uid: Number(uid),
              home,
              shell,
              groups: (sections.text("groups") ?? "").trim().split(" ").filter(Boolean).map(seen),
            },
      productUsers: ["redis", "valkey"]
        .filter((product) => accounts.some(([name]) => name === product))
        .map(seen),
      sudoRules: sections.lines("sudo-rules"),
      servers: sections.lines("servers").map((line) => {
        const [pid, group] = splitOnce(line, " ");
        return { pid: Number(pid), group: groupName(group) };
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
