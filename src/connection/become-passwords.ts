import type { Secret } from "../secret.ts";
import { HostError } from "./connection.ts";

/** What sudo said to a password; `untold` where the host could not be asked to the end. */
export type Verdict = "taken" | "refused" | "untold";

/**
 * The become passwords of a run. The first host that one is for tries it while the others wait, so that a mistyped one is
 * one failed login of the account and not one on each host, which a central directory would lock it for.
 */
export class BecomePasswords {
  readonly #verdicts = new Map<string, Promise<{ verdict: Verdict; host: string }>>();

  /**
   * Waits until it is known whether a sudo takes this password.
   * @returns how to tell what came of it here, for which the others wait; only the first word counts.
   * @throws HostError where another host's sudo did not take it.
   */
  async enter(host: string, user: string, password: Secret): Promise<(verdict: Verdict) => void> {
    const key = JSON.stringify([user, password.reveal()]);
    for (let other = this.#verdicts.get(key); other !== undefined; other = this.#verdicts.get(key)) {
      const { verdict, host: where } = await other;
      if (verdict === "taken") return () => {};
      if (verdict === "refused") {
        throw new HostError(
          "failed",
          `${host}: not tried: sudo on ${where} did not take the become password of ${user}`,
          "Check ansible_become_password, or run with -K.",
        );
      }
    }
    const { promise, resolve } = Promise.withResolvers<{ verdict: Verdict; host: string }>();
    this.#verdicts.set(key, promise);
    let isTold = false;
    return (verdict) => {
      if (isTold) return;
      isTold = true;
      if (verdict === "untold") this.#verdicts.delete(key);
      resolve({ verdict, host });
    };
  }
}
