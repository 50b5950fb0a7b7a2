import { ALLOWANCES, type Allowance } from "./limits.ts";

/**
 * What one server has cost the controller in this run, over all connections to it: one that is cut off and logged in to again
 * begins where it stopped.
 */
export class Account {
  #cpuMs: number = ALLOWANCES.first.cpuMs;
  #bytes: number = ALLOWANCES.first.bytes;

  /** Something was asked of the server, so that it may send more. */
  allow({ cpuMs, bytes }: Allowance): void {
    this.#cpuMs += cpuMs;
    this.#bytes += bytes;
  }

  /**
   * Does what the server's bytes have to go through. What another account's bytes take inside it counts for that one alone:
   * all that comes through a jump host runs inside the jump host's own.
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

  /** What it has used up, in words; undefined while it may go on. */
  get overdrawn(): string | undefined {
    if (this.#bytes < 0) return "it sends more than it was asked for";
    if (this.#cpuMs < 0) return "what it sends takes too much of this machine's time";
    return undefined;
  }
}

const accounts = new Map<string, Account>();

/** The account of the sshd at this address and port, behind these jump hosts. */
export function accountOf(jumps: readonly string[], address: string, port: number): Account {
  const key = JSON.stringify([jumps, address, port]);
  const account = accounts.get(key) ?? new Account();
  accounts.set(key, account);
  return account;
}

/** What accounts inside the one that is charged just now have taken. */
let insideMs = 0;

/** Of this thread, and not the clock's: on a busy machine a server would pay for others. */
function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
