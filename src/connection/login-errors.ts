import type { LoginNotes } from "./authentication.ts";
import { HostError } from "./connection.ts";
import { endpoint, tilde } from "./names.ts";
import { Dropped } from "./patience.ts";
import type { ResolvedConnection } from "./ssh-config.ts";

/*
 * Why there is no login, in the same words whichever program speaks SSH. Text from the server must be one line already.
 */

/** No login, and the agent refused to sign: its keys may be restricted to hosts, which ssh2 cannot prove to it. */
export class AgentUnwilling extends HostError {}

type Cause = Error | undefined;

const unreachable = (message: string, cause: Cause, remedy = "") =>
  new HostError("unreachable", message, remedy, { cause });

export const gaveUp = (target: ResolvedConnection, reason: string, cause?: Cause) =>
  unreachable(`gave up on ${endpoint(target)}: ${reason}`, cause);

export const refusedConnection = (target: ResolvedConnection, cause?: Cause) =>
  unreachable(`connection refused by ${endpoint(target)}`, cause);

export const noAddress = ({ address }: ResolvedConnection, cause?: Cause) =>
  unreachable(`the name ${address} has no address`, cause, "Set ansible_host.");

export const noRoute = (target: ResolvedConnection, cause?: Cause) =>
  unreachable(`no route to ${endpoint(target)}`, cause);

export const noAnswer = (target: ResolvedConnection, cause?: Cause) =>
  unreachable(`no answer from ${endpoint(target)}`, cause);

/**
 * The connection ended before the login.
 * @param greeting the first line that the server sent; empty where it sent none
 * @param said what the end was reported with
 */
export function endedEarly(
  target: ResolvedConnection,
  { greeting, isKeyChecked, said }: { greeting: string; isKeyChecked: boolean; said: string },
  cause?: Cause,
): HostError {
  const where = endpoint(target);
  if (greeting === "") return new Dropped(`${where} closed the connection before the login`);
  if (!greeting.startsWith("SSH-")) {
    // OpenSSH 9.8 and newer says why it hangs up. Every further try would prolong a block by PerSourcePenalties.
    if (/MaxStartups/i.test(greeting))
      return new Dropped(`${where} has no room for another login: ${greeting}`);
    return unreachable(`${where} does not speak SSH: ${greeting}`, cause);
  }
  return isKeyChecked
    ? unreachable(`the login of ${target.user} at ${where} failed: ${said}`, cause)
    : unreachable(`no key exchange with ${where}: ${said}`, cause);
}

/** @param hasLimit the server ended the login after too many attempts */
export function refusedLogin(
  target: ResolvedConnection,
  { tried, problems, isAgentUnwilling = false }: LoginNotes,
  hasLimit: boolean,
  cause?: Cause,
): HostError {
  const ways =
    tried.length > 0 ? `it refused ${tried.map(tilde).join(", ")}` : "there is nothing to log in with";
  const limit = hasLimit ? " (too many attempts; IdentitiesOnly=yes offers fewer keys)" : "";
  const message = [
    `no login as ${target.user} at ${endpoint(target)}: ${ways}${limit}`,
    ...problems.map(tilde),
  ];
  const remedy =
    tried.length > 0 || problems.length > 0
      ? ""
      : "Set ansible_ssh_private_key_file or ansible_password, or start an agent.";
  return new (isAgentUnwilling ? AgentUnwilling : HostError)("unreachable", message.join("; "), remedy, {
    cause,
  });
}
