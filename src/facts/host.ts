import { shellProgram } from "../shell/program.ts";
import { type Fact, splitOnce } from "./fact.ts";
import { groupName, socketOwner, type UnitOwner, unitOwner } from "./groups.ts";

export interface Listener {
  protocol: "tcp" | "udp";
  /** An IP address without brackets; `*` is every address of both families. */
  address: string;
  port: number;
  /** The systemd unit, a service or a socket, whose control group holds the socket, where `ss` tells. */
  unit: string | undefined;
  /** The control group itself, as `groupName` says it, where there is one. */
  group?: string | undefined;
}

export interface HostFact {
  /** `Debian GNU/Linux`, `12`, `Debian GNU/Linux 12 (bookworm)`. */
  os: { name: string; version: string; prettyName: string };
  hostname: string;
  machineId: string;
  bootId: string;
  /** Seconds since 1970 by the host's own clock. */
  epoch: number;
  uptimeSeconds: number;
  memoryBytes: number;
  uid: number;
  /** Which of the programs that redkeep may need are there. */
  tools: ReadonlySet<string>;
  addresses: readonly { interface: string; address: string; prefix: number }[];
  listeners: readonly Listener[];
  /** Below this port only root, or who has CAP_NET_BIND_SERVICE, may listen. */
  firstUnprivilegedPort: number;
  selinux: "enforcing" | "permissive" | "off";
  /** The ports on which sshd is configured to listen, as `sshd -T` says; none where it cannot be asked. */
  sshPorts: readonly number[];
  /** The live SSH session's own ends, as the host sees them: behind NAT these are not the controller's. */
  sshPeer: { address: string; port: number; localAddress: string; localPort: number } | undefined;
}

/** `1` where SELinux denies, `0` where it only logs; without SELinux there is no such file. */
const SELINUX = "/sys/fs/selinux/enforce";
/** Settings of the kernel. */
const KERNEL_FILES = [
  "/proc/sys/net/ipv4/ip_unprivileged_port_start",
  "/proc/sys/vm/overcommit_memory",
  "/sys/kernel/mm/transparent_hugepage/enabled",
  "/proc/sys/net/core/somaxconn",
  "/proc/sys/crypto/fips_enabled",
  "/proc/sys/kernel/core_pattern",
  SELINUX,
];
/** Where other file systems are mounted, which may be on a single file: the fifth word of a line. */
export const MOUNTS = "/proc/self/mountinfo";

/** The machine under Redis: what it is, what it has, and how we reached it. */
export const hostFact: Fact<HostFact> = {
  // sudo drops SSH_CONNECTION, so it is read from the processes above us: root may read their environment.
  script: () => shellProgram("probe/host.sh", { KERNEL_FILES: [...KERNEL_FILES, MOUNTS].join(" ") }),
  parse: ({ seen: sections }) => {
    const os = new Map(sections.lines("os").map((line) => splitOnce(line, "=")));
    const [hostname = "", machineId = "", bootId = "", epoch = "", uptime = "", uid = ""] = (
      sections.text("machine") ?? ""
    ).split("\n");
    const own = unitOwner(sections);
    const [peerAddress, peerPort, localAddress, localPort] = (sections.text("peer") ?? "").trim().split(" ");
    return {
      os: {
        name: unquote(os.get("NAME")),
        version: unquote(os.get("VERSION_ID")),
        prettyName: unquote(os.get("PRETTY_NAME")),
      },
      hostname,
      machineId,
      bootId,
      epoch: Number(epoch),
      uptimeSeconds: Number(uptime),
      memoryBytes: Number(/(\d{1,15}) kB/.exec(sections.text("memory") ?? "")?.[1] ?? 0) * 1024,
      uid: Number(uid),
      tools: new Set(sections.lines("tools")),
      addresses: sections.lines("addresses").flatMap(parseAddress),
      listeners: sections.lines("listeners").flatMap((line) => parseListener(line, own)),
      firstUnprivilegedPort: Number(
        sections.fileLines("/proc/sys/net/ipv4/ip_unprivileged_port_start")[0] ?? 1024,
      ),
      selinux: selinuxOf(sections.fileLines(SELINUX)[0]),
      sshPorts: sections.lines("sshd").flatMap((line) => {
        const port = /^port (\d+)$/.exec(line)?.[1];
        return port === undefined ? [] : [Number(port)];
      }),
      sshPeer:
        peerAddress && localAddress
          ? { address: peerAddress, port: Number(peerPort), localAddress, localPort: Number(localPort) }
          : undefined,
    };
  },
};

function selinuxOf(enforce: string | undefined): HostFact["selinux"] {
  if (enforce === undefined) return "off";
  return enforce === "0" ? "permissive" : "enforcing";
}

/** `2: eth0    inet 10.0.0.5/24 brd …` */
function parseAddress(line: string): HostFact["addresses"][number][] {
  const found = /^\d+: (\S+)\s+inet6? ([0-9a-fA-F.:]+)\/(\d+)/.exec(line);
  return found?.[1] && found[2] ? [{ interface: found[1], address: found[2], prefix: Number(found[3]) }] : [];
}

/** `tcp LISTEN 0 511 127.0.0.1:6379 0.0.0.0:* uid:101 ino:1 sk:2 cgroup:/system.slice/redis-server.service <->` */
function parseListener(line: string, own: UnitOwner | undefined): Listener[] {
  const [protocol, , , , local = ""] = line.trim().split(/\s+/);
  if (protocol !== "tcp" && protocol !== "udp") return [];
  const at = local.lastIndexOf(":");
  const port = Number(local.slice(at + 1));
  if (at < 0 || !Number.isInteger(port)) return [];
  const address = local
    .slice(0, at)
    .replace(/^\[|\]$/g, "")
    .replace(/%.*$/, "");
  const owner = socketOwner(line);
  const group = owner && groupName(owner.group);
  const isOwn = owner !== undefined && owner.group === own?.group;
  const named = group !== undefined && /^[^/]+\.(?:service|socket)$/.test(group) ? group : undefined;
  const unit = isOwn ? (owner.uid === own?.uid ? own.unit : undefined) : named;
  return [{ protocol, address: address.replace(/\]$/, ""), port, unit, group }];
}

function unquote(text = ""): string {
  return text.replace(/^"(.*)"$/, "$1");
}
