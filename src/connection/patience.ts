import { randomInt } from "node:crypto";
import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { HostError } from "./connection.ts";
import { gateOf, type LoginOutcome } from "./gate.ts";
import type { ResolvedConnection } from "./ssh-config.ts";

const MAX_TRIES = 3;

/** The server hung up, which it does when it has no room for another login: try again. */
export class Dropped extends HostError {
  constructor(message: string) {
    super(
      "unreachable",
      message,
      "Its sshd may limit logins (MaxStartups) or block this address: use fewer --forks.",
    );
  }
}

/** What we are waiting for, for the message if it does not come. */
export interface Progress {
  waitingFor: string;
}

/**
 * Logs in by `once`, and tries again where the server had no room, all within the target's timeout. Where many hosts wait
 * for the same server, the time before its turn does not count.
 * @param once ends with the reason of its signal when that is aborted
 * @throws HostError "unreachable", or the reason of `signal`
 */
export async function logInPatiently<S>(
  target: ResolvedConnection,
  once: (progress: Progress, signal: AbortSignal) => Promise<S>,
  signal?: AbortSignal,
): Promise<S> {
  const progress: Progress = { waitingFor: "" };
  const giveUp = new AbortController();
  const onAbort = () => giveUp.abort(signal?.reason);
  signal?.addEventListener("abort", onAbort, { once: true });
  const gate = gateOf(target);
  let leftMs = target.timeoutSeconds * 1000;
  const within = async <T>(work: () => Promise<T>): Promise<T> => {
    const begun = performance.now();
    const timer = setTimeout(() => {
      giveUp.abort(new HostError("unreachable", `${progress.waitingFor} within ${target.timeoutSeconds} s`));
    }, leftMs);
    try {
      return await work();
    } finally {
      clearTimeout(timer);
      leftMs -= performance.now() - begun;
    }
  };
  try {
    for (let tries = 1; ; tries++) {
      const leave = await gate.enter(giveUp.signal);
      let outcome: LoginOutcome = "failed";
      try {
        const session = await within(() => once(progress, giveUp.signal));
        outcome = "done";
        return session;
      } catch (error) {
        if (error instanceof Dropped) outcome = "dropped";
        if (!(error instanceof Dropped) || tries === MAX_TRIES) throw error;
      } finally {
        leave(outcome);
      }
      const pause = tries * randomInt(200, 800);
      await within(() => withSignal(sleep(pause, undefined, { ref: false }), giveUp.signal));
    }
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
}

/** `promise`, unless `signal` comes first. */
export function withSignal<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) return onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
