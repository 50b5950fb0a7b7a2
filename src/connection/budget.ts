import { type Cost, MAX_COSTS } from "./limits.ts";
import { onePerSshd } from "./per-sshd.ts";

/**
 * What one server may still cost the controller in this run, over all connections to it: logging in again does not fill
 * it up.
 */
export class Budget {
  #cpuMs: number = MAX_COSTS.first.cpuMs;
  #bytes: number = MAX_COSTS.first.bytes;

  /** Call it for each request to the server: the answer may cost this much. */
  allow({ cpuMs, bytes }: Cost): void {
    this.#cpuMs += cpuMs;
    this.#bytes += bytes;
  }

  /**
   * Runs `work` on the server's bytes and charges its CPU time. Work for another budget inside it is charged to that
   * budget alone: what comes through a jump host runs inside the jump host's own work.
   */
  charge(bytes: number, work: () => void): void {
    this.#bytes -= bytes;
    const others = insideMs;
    insideMs = 0;
    const begun = cpuMs();
    try {
      work();
    } finally {
      const whole = cpuMs() - begun;
      this.#cpuMs -= whole - insideMs;
      insideMs = others + whole;
    }
  }

  /** Which limit the server has exceeded, in words; undefined while it may go on. */
  get exceeded(): string | undefined {
    if (this.#bytes < 0) return "it sends more than it was asked for";
    if (this.#cpuMs < 0) return "what it sends takes too much of this machine's time";
    return undefined;
  }
}

/** The budget of the sshd that a connection goes to. */
export const budgetOf = onePerSshd(() => new Budget());

/** CPU time already charged to the budgets inside the one that is being charged. */
let insideMs = 0;

/** CPU time of this thread, not wall-clock time: on a busy machine a server would be charged for others. */
function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
