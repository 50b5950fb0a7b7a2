import type { Secret } from "../lib/secret.ts";
import { HostError } from "./connection.ts";

/** What sudo said to a password; `untold` where the host could not be asked to the end. */
export type Verdict = "taken" | "refused" | "untold";

/**
 * Machines whose refusal is believed. One that was taken over can refuse any password: it must not keep the run from the
 * others. With each more, a mistyped one is one more failed login towards the three after which faillock closes an account.
 */
const BELIEVED = 2;

interface Asked {
  /** The host that is trying it, until it is known what came of that. */
  trying: Promise<unknown> | undefined;
  isTaken: boolean;
  /** Who refused, by machine: several servers on one are one witness. */
  refusedOn: Map<string, string>;
}

/**
 * The become passwords of a run. Hosts try one after the other until one has taken it, and after two that refused it no
 * other is shown it, so that a mistyped one is not a failed login of the account on each host, which a central directory
 * would lock it for.
 */
export class BecomePasswords {
  readonly #asked = new Map<string, Asked>();

  /**
   * Waits until it is known whether a sudo takes this password.
   * @param machine address and port, by which inventory hosts on one machine are the same
   * @returns how to tell what came of it here, for which the others wait; only the first word counts.
   * @throws HostError where the machine's sudo refused it already, or that of two others.
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
        `${host}: not tried: sudo on ${where} did not take the become password of ${user}`,
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
