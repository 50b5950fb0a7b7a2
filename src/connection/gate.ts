import { onePerSshd } from "./per-sshd.ts";

/** sshd's default (MaxStartups) drops nobody while fewer than ten logins are under way; other people's logins count too. */
const FIRST_LIMIT = 8;
const HIGHEST_LIMIT = 100;

/** How a login ended: done; the server hung up for lack of room; or it failed for another reason. */
export type LoginOutcome = "done" | "dropped" | "failed";

/**
 * Limits how many logins are under way at one sshd. It begins with a few, and allows one more once a login got in that began as
 * the last of so many: only that one shows that the server takes them. When a server hangs up, we know how many are too many:
 * we go on with half of them and never try that many again.
 */
export class Gate {
  #limit = FIRST_LIMIT;
  #ceiling = HIGHEST_LIMIT;
  #inside = 0;
  readonly #waiting: ((place: number) => void)[] = [];

  /**
   * Waits for room.
   * @returns a function to call once with the outcome.
   * @throws the reason of `signal`
   */
  async enter(signal: AbortSignal): Promise<(outcome: LoginOutcome) => void> {
    signal.throwIfAborted();
    let place: number;
    if (this.#inside >= this.#limit) {
      const { promise, resolve, reject } = Promise.withResolvers<number>();
      const onAbort = () => {
        const at = this.#waiting.indexOf(resolve);
        if (at >= 0) this.#waiting.splice(at, 1);
        reject(signal.reason);
      };
      this.#waiting.push(resolve);
      signal.addEventListener("abort", onAbort, { once: true });
      place = await promise.finally(() => signal.removeEventListener("abort", onAbort));
    } else place = ++this.#inside;
    return (outcome) => this.#leave(outcome, place);
  }

  /** @param place how many were under way when this login began, with itself */
  #leave(outcome: LoginOutcome, place: number): void {
    if (outcome === "done" && place >= this.#limit) this.#limit = Math.min(this.#limit + 1, this.#ceiling);
    if (outcome === "dropped") {
      this.#ceiling = Math.max(1, Math.min(this.#ceiling, this.#inside - 1));
      this.#limit = Math.max(1, Math.min(this.#ceiling, Math.floor(this.#limit / 2)));
    }
    this.#inside--;
    while (this.#inside < this.#limit) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      // Count its place before it wakes.
      next(++this.#inside);
    }
  }
}

/** The gate of the sshd that a connection goes to. */
export const gateOf = onePerSshd(() => new Gate());
