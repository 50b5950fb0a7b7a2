import type { Secret } from "../lib/secret.ts";
import { HostError } from "./connection.ts";

/** How sudo answered a password; `untold` where no answer arrived. */
export type Verdict = "taken" | "refused" | "untold";

/**
 * How many machines must refuse a password before we believe it is wrong. One compromised machine can refuse any password,
 * and must not block the others. A higher number brings a mistyped password closer to the three failed logins after which
 * faillock locks an account.
 */
const BELIEVED = 2;

interface Asked {
  /** The host that is trying it now, until its sudo has answered. */
  trying: Promise<unknown> | undefined;
  isTaken: boolean;
  /** Which host was refused, by machine: several Redis servers on one machine count once. */
  refusedOn: Map<string, string>;
}

/**
 * The become passwords of a run. Hosts try a password one after the other until a sudo accepts it. After two refusals no
 * other host gets it: a mistyped password would otherwise be one failed login per host, for which a central directory locks
 * the account.
 */
export class BecomePasswords {
  readonly #asked = new Map<string, Asked>();

  /**
   * Waits until it is known whether a sudo accepts this password.
   * @param machine address and port, which identify the machine that several inventory hosts may share
   * @returns a function that reports how sudo answered here, for which the others wait; only its first call counts.
   * @throws HostError where this machine's sudo already refused the password, or two other machines did.
   */
  async enter(
    { host, user, machine }: { host: string; user: string; machine: string },
    password: Secret,
  ): Promise<(verdict: Verdict) => void> {
    const key = JSON.stringify([user, password.reveal()]);
    const asked = this.#asked.get(key) ?? { trying: undefined, isTaken: false, refusedOn: new Map() };
    this.#asked.set(key, asked);
    while (!asked.isTaken && asked.trying !== undefined) await asked.trying;
    const { refusedOn } = asked;
    if (refusedOn.has(machine) || (!asked.isTaken && refusedOn.size >= BELIEVED)) {
      const where = refusedOn.get(machine) ?? [...refusedOn.values()].join(" and ");
      throw new HostError(
        "failed",
        `${host}: not tried: sudo on ${where} did not accept the become password of ${user}`,
        "Check ansible_become_password, or run with -K.",
      );
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    if (!asked.isTaken) asked.trying = promise;
    let isTold = false;
    return (verdict) => {
      if (isTold) return;
      isTold = true;
      if (verdict === "taken") asked.isTaken = true;
      if (verdict === "refused") refusedOn.set(machine, host);
      if (asked.trying === promise) asked.trying = undefined;
      resolve();
    };
  }
}
