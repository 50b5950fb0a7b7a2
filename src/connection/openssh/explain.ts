import { HostError } from "../connection.ts";
import { nameInKnownHosts, refusal, refusedHostKey, textOf } from "../host-key.ts";
import { checkHostKey } from "../known-hosts.ts";
import {
  endedEarly,
  gaveUp,
  noAddress,
  noAnswer,
  noRoute,
  refusedConnection,
  refusedLogin,
} from "../login-errors.ts";
import { endpoint, tilde } from "../names.ts";
import { oneLine } from "../one-line.ts";
import { readIdentity } from "../private-key.ts";
import type { ResolvedConnection } from "../ssh-config.ts";
import type { SshLog } from "./log.ts";
import type { Exit } from "./master.ts";

/**
 * Why `ssh` ended before it was logged in, in the same words as ssh2's errors.
 * @param jumpRefusal why the jump host did not connect to the host, where that is known
 */
export function explain(
  target: ResolvedConnection,
  log: SshLog,
  exit: Exit,
  jumpRefusal: string | undefined,
): HostError {
  const says = (pattern: RegExp) => log.said.some((line) => pattern.test(line));
  if (exit.code === 127 && log.greeting === "" && says(/ssh: not found/)) {
    return new HostError("unreachable", "there is no ssh on this machine", "Install OpenSSH's client.");
  }
  if (says(/^Host key verification failed/)) return refusedKey(target, log);
  if (log.greeting === "") {
    if (target.jumps.length > 0 && says(/^Stdio forwarding request failed/i)) {
      const via = target.jumps.at(-1)?.host;
      const said = jumpRefusal || "it does not say why";
      return new HostError("unreachable", `jump host ${via} cannot reach ${endpoint(target)}: ${said}`);
    }
    if (says(/Could not resolve hostname/)) return noAddress(target);
    if (says(/: Connection refused$/)) return refusedConnection(target);
    if (says(/: (?:No route to host|Network is unreachable)$/)) return noRoute(target);
    if (says(/: (?:Connection|Operation) timed out$/)) return noAnswer(target);
  }
  if (says(REFUSED_LOGIN) || (exit.name === "SIGTERM" && log.hasRefused)) {
    return refusedLogin(target, { tried: log.tried, problems: problems(target, log) }, says(/Too many/i));
  }
  const breach = log.said.find((line) => BREACH.test(line));
  if (breach !== undefined && log.isKeyChecked) return gaveUp(target, breachOf(breach));
  const { greeting, isKeyChecked } = log;
  if (target.proxyCommand !== undefined && greeting === "") {
    return new HostError(
      "unreachable",
      `the ProxyCommand for ${target.host} did not lead to ${endpoint(target)}: ${log.lastWords || `exit ${exit.code ?? exit.name}`}`,
    );
  }
  return endedEarly(target, {
    greeting,
    isKeyChecked,
    said: log.lastWords || `ssh ended (exit ${exit.code ?? exit.name})`,
  });
}

/** Why `ssh` ended after the login, where the server is to blame; undefined where the link was lost. */
export function explainEnd(target: ResolvedConnection, log: SshLog, { name }: Exit): string | undefined {
  if (name === "SIGXCPU" || name === "SIGKILL")
    return `gave up on ${endpoint(target)}: what it sends takes too much of this machine's time`;
  if (log.said.some((line) => /^Host key verification failed/.test(line)))
    return `gave up on ${endpoint(target)}: it shows another host key in a new key exchange`;
  const breach = log.said.findLast((line) => !LINK_LOST.test(line));
  return breach && `gave up on ${endpoint(target)}: ${breachOf(breach)}`;
}

/** What ssh says where the server took none of what it offered. */
const REFUSED_LOGIN =
  /: Permission denied \(|Too many authentication failures|No more authentication methods/;

/** What ssh says where the connection ended, but nobody broke the protocol. */
const LINK_LOST =
  /Connection (?:to .* )?(?:closed|reset|timed out)|Broken pipe|not responding|^Received disconnect|^Disconnected from|^Stdio forwarding/i;

/** What ssh says before the login where it ends the connection because of what the server sent. */
const BREACH = /bad message|protocol error|[Cc]orrupted|[Bb]ad packet|invalid format|incomplete message/;

const breachOf = (line: string) => `it breaks the SSH protocol: ${oneLine(line)}`;

function refusedKey(target: ResolvedConnection, log: SshLog): HostError {
  const [name, port] = nameInKnownHosts(target);
  const { hostKey } = log;
  const certificate = log.said.find((line) => /^(?:Certificate invalid|.*host certificate)/i.test(line));
  if (certificate !== undefined)
    return refusal(target, `has a certificate that does not count: ${oneLine(certificate)}`);
  const revokedBy = log.said
    .map((line) => /revoked by file (.*)$/.exec(line)?.[1])
    .find((file) => file !== undefined);
  if (revokedBy !== undefined && hostKey)
    return refusal(target, `is revoked by ${tilde(oneLine(revokedBy))}: ${textOf(hostKey)}`);
  const verdict = hostKey && checkHostKey(name, port, hostKey, target.knownHostsFiles);
  if (hostKey === undefined || verdict === undefined || verdict.outcome === "ok")
    return refusal(target, `was not accepted by ssh: ${log.lastWords}`);
  return refusedHostKey(
    target,
    hostKey,
    verdict,
    (authority) => `, and no certificate came with it that the @cert-authority in ${authority} has signed`,
  );
}

/** Why ssh could not offer keys. It says so of some keys, and nothing of others. */
function problems(target: ResolvedConnection, log: SshLog): string[] {
  const unread = log.said.flatMap((line) => {
    const [, path = "", reason = ""] = /^Load key "(.*)": (.*)$/.exec(line) ?? [];
    return path === ""
      ? []
      : [{ path, problem: `${oneLine(path)} cannot be read as a private key (${oneLine(reason)})` }];
  });
  const own = target.identityFiles.flatMap(({ path, isNamed }) => {
    const identity = readIdentity(path, target.privateKeyPassphrase);
    const isTold =
      identity.kind === "missing"
        ? isNamed
        : identity.kind === "unusable" && /is encrypted/.test(identity.problem);
    return isTold && "problem" in identity ? [{ path, problem: identity.problem }] : [];
  });
  const told = new Set(own.map(({ path }) => path));
  return [...own, ...unread.filter(({ path }) => !told.has(path))].map(({ problem }) => problem);
}
