import { execFile } from "node:child_process";
import { agentKeyTypes } from "./agent-keys.ts";
import { HostError } from "./connection.ts";
import { nameInKnownHosts } from "./host-key.ts";
import { beyondSsh2, nameOfType } from "./key-kind.ts";
import { isNamed } from "./known-hosts.ts";
import { tilde } from "./names.ts";
import { readIdentity } from "./private-key.ts";
import type { WantedTransport } from "./settings.ts";
import { allowsGssapi } from "./ssh-answers.ts";
import type { ResolvedConnection } from "./ssh-config.ts";

/** Which program speaks SSH with a host, and why that one. */
export interface Transport {
  name: "ssh2" | "openssh";
  /** One sentence without its end: why. */
  reason: string;
}

const FORCED = "redkeep_transport says so";

/**
 * Decides what carries the scripts: ssh2 where it can do what the host and its jump hosts need, else the system's ssh, for all of
 * them.
 * @throws HostError where ssh2 is asked for and would leave out what must not be left out
 */
export async function chooseTransport(
  target: ResolvedConnection,
  wanted: WantedTransport,
): Promise<Transport> {
  if (wanted === "openssh") return { name: "openssh", reason: FORCED };
  for (const hop of [target, ...target.jumps]) {
    const needed = hop.beyondSsh2.find(({ isNeeded }) => isNeeded);
    if (wanted === "ssh2" && needed === undefined) continue;
    const reason = needed?.what ?? (await firstReason(hop));
    if (reason === undefined) continue;
    if (wanted === "ssh2") {
      throw new HostError(
        "unreachable",
        `${reason}, which ssh2 cannot do, and redkeep_transport is ssh2`,
        `Set redkeep_transport to auto or openssh, or ${needed?.remedy ?? ""}.`,
      );
    }
    return { name: "openssh", reason: hop === target ? reason : `jump host ${hop.host}: ${reason}` };
  }
  return { name: "ssh2", reason: wanted === "ssh2" ? FORCED : "it can do all that the host needs" };
}

/** The first thing that a hop needs and ssh2 cannot do. */
async function firstReason(hop: ResolvedConnection): Promise<string | undefined> {
  const [name, port] = nameInKnownHosts(hop);
  if (isNamed(name, port, hop.knownHostsFiles) === "authority")
    return "known_hosts knows the host by a @cert-authority only";
  const [fromConfig] = hop.beyondSsh2;
  if (fromConfig !== undefined) return fromConfig.what;
  for (const { path } of hop.identityFiles) {
    const reason = beyondSsh2(path, tilde);
    if (reason !== undefined) return reason;
  }
  // Where a key was named that ssh2 can use, what else is at hand need not matter.
  if (
    hop.password !== undefined ||
    hop.identityFiles.some(({ path, isNamed }) => isNamed && isUsable(path, hop))
  )
    return undefined;
  const { identityAgent } = hop;
  if (identityAgent !== undefined) {
    if (unwilling.has(identityAgent)) return UNWILLING;
    const kinds = (await agentKeyTypes(identityAgent)).flatMap((type) => nameOfType(type) ?? []);
    if (kinds[0] !== undefined) return `a key of the agent ${kinds[0]}`;
  }
  const isAllowed = hop.otherOptions.some(
    ([keyword, value]) => keyword === "GSSAPIAuthentication" && /^yes$/i.test(value),
  );
  return (await hasTicket()) && (isAllowed || (await allowsGssapi(hop.asked)))
    ? "there is a Kerberos ticket"
    : undefined;
}

function isUsable(path: string, { privateKeyPassphrase }: ResolvedConnection): boolean {
  const { kind } = readIdentity(path, privateKeyPassphrase);
  return kind === "private";
}

/** Agents that refused to sign for ssh2: their keys may be restricted to hosts, which only OpenSSH can prove to them. */
const unwilling = new Set<string>();

const UNWILLING = "the agent refused to sign: its keys may be for certain hosts only";

/** For a host at which the agent did not sign for ssh2. */
export function afterUnwillingAgent(socket: string | undefined): Transport {
  if (socket !== undefined) unwilling.add(socket);
  return { name: "openssh", reason: UNWILLING };
}

let ticket: Promise<boolean> | undefined;

/** Whether Kerberos' cache has a ticket that has not expired; false where Kerberos is not installed. */
function hasTicket(): Promise<boolean> {
  ticket ??= new Promise((resolve) => {
    execFile("klist", ["-s"], { timeout: 5_000 }, (error) => resolve(error === null));
  });
  return ticket;
}
