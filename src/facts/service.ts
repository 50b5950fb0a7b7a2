import { shellProgram } from "../shell/program.ts";
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
  /** The chosen unit; empty where there is none, or several and none was named. */
  unit: Seen;
  binary: Seen;
  /** The client program that belongs to the server, `redis-cli` or `valkey-cli`; empty where there is none. */
  client: Seen;
  configPath: Seen;
  /**
   * The version that the server's binary prints. After an upgrade without a restart, the running server is older. Empty where
   * others than root could have written the binary: then it was not run.
   */
  binaryVersion: string;
  /** The server's program and Redis clients that others than root can write or replace. */
  loosePrograms: readonly string[];
  /** The arguments after the configuration file on the command line: they win over the file. */
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
        /** Whether the kernel runs the very file that the unit names, as far as root can see. */
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
  script: ({ unit }) => shellProgram("probe/service.sh", { UNIT: unitName(unit), PROPERTIES }),
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
function unitName(unit: string): string {
  if (!/^[A-Za-z0-9@:._\\-]*$/.test(unit)) throw new Error(`not a unit name: ${JSON.stringify(unit)}`);
  return unit;
}
