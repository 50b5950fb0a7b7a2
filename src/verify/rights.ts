import type { HostFacts } from "../facts/probe.ts";
import type { Check } from "./controls.ts";

/**
 * What a check is worth where redkeep is not root on the host: only those stay whose source any user can read whole.
 * All others are unknown, for a file that cannot be read must never pass for one that is not there.
 *
 * @param checks as they would be if everything had been read.
 */
export function withoutRights(checks: readonly Check[], facts: HostFacts): Check[] {
  return checks.map((check) => {
    if (check.outcome === "unknown" && check.blockedBy !== undefined) return check;
    const isTold = check.outcome === "fail" ? showsFailure(check, facts) : isWhole(check, facts);
    if (isTold) return check;
    const { allowed, skipped, ...rest } = check;
    return {
      ...rest,
      outcome: "unknown",
      observed: `${check.source} needs root, and redkeep is uid ${facts.host.uid}`,
      blockedBy: "rights",
    };
  });
}

/** Sources that say the same to every user. */
const OPEN_TO_ALL = new Set([
  "ACL LIST",
  "ACL LIST against ACL CAT",
  "ACL DRYRUN",
  "CLIENT LIST",
  "CLIENT LIST, ACL LIST",
  "INFO persistence",
  "INFO replication",
  "stat -f, INFO memory",
  "PING to Sentinel without a login",
  "SENTINEL MASTER, SENTINEL CKQUORUM",
  "openssl s_client -tls1_1",
  "the controller's secrets",
  "dpkg",
  "docker ps",
  "/proc/sys, /sys/kernel/mm",
  "/proc/sys, CONFIG GET maxmemory",
  "/proc/sys/crypto/fips_enabled",
  "/proc/swaps",
]);

function isWhole({ source }: Check, facts: HostFacts): boolean {
  // The running value is only half of it: what the file brings at the next start counts as well.
  if (source.startsWith("CONFIG GET")) return facts.configFiles.unreadable.size === 0;
  if (source.includes("/proc/PID/") || source.startsWith("systemctl show")) return isProcessSeen(facts);
  if (source === "ss -Hltn" || source.startsWith("PING without a login")) return areListenersTold(facts);
  return OPEN_TO_ALL.has(source);
}

/** What was seen to be bad is bad, even where the rest could not be seen. */
function showsFailure(check: Check, facts: HostFacts): boolean {
  const { control, source } = check;
  const { redis, configFiles } = facts;
  if (isWhole(check, facts) || source === "passwd, id, sudoers") return true;
  // Which socket is wanted, the file says.
  if (/^CONFIG GET (?!unixsocket)[a-z-]+$/.test(source)) return redis.config !== undefined;
  // A cluster's own files have to stay its own: that it is none, the server or the file says.
  if (control === "RK-SYS-03") return redis.user !== undefined || configFiles.unreadable.size === 0;
  return control === "RK-SYS-04" || control === "RK-SYS-11";
}

/** Where /proc hides the processes of others, a service that runs looks like one that does not. */
function isProcessSeen({ service }: HostFacts): boolean {
  return service.process !== undefined || Number(service.properties.get("MainPID") ?? 0) === 0;
}

function areListenersTold({ host, service }: HostFacts): boolean {
  return host.listeners.some(({ unit }) => unit === service.unit);
}
