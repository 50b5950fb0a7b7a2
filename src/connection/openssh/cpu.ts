import { readFileSync } from "node:fs";

/** What Linux counts CPU time in, for /proc, on every machine. */
const TICKS_PER_SECOND = 100;

/** Seconds of CPU time that a process has taken; undefined where it has ended, or the system does not tell (macOS). */
export function cpuSeconds(pid: number): number | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The program's name, in brackets, may hold anything. Behind it stand the state, and as the 12th and 13th words user's and system's time.
    const words = text.slice(text.lastIndexOf(")") + 2).split(" ");
    const ticks = Number(words[11]) + Number(words[12]);
    return Number.isFinite(ticks) ? ticks / TICKS_PER_SECOND : undefined;
  } catch {
    // The process has ended, or there is no /proc.
    return undefined;
  }
}
