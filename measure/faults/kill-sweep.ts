/** Runs the cases of the kill sweep: each fault at each line of a transaction's journal, with several seeds. */
import { type Fault, type FaultCase, findBoundaries, fraction, isCut, type Row, runCase } from "./case.ts";
import { problemsOf } from "./report.ts";

export interface SweepOptions {
  faults: readonly Fault[];
  /** Only at lines that contain this. */
  at: string;
  /** Cases of a fault at a line. Those of `cut-off` take longest, and to the host they are a killed controller: one each. */
  seeds: number;
  /** How many cases at most. */
  limit: number;
  /** Hosts at a time. */
  hosts: number;
  log: (line: string) => void;
}

/** All cases, in an order that is mixed and always the same: a sweep that is cut short is a fair sample. */
export async function planSweep({ faults, at, seeds, limit, log }: SweepOptions): Promise<FaultCase[]> {
  const boundaries = new Map<boolean, string[]>();
  const cases: FaultCase[] = [];
  for (const fault of faults) {
    const withAof = isCut(fault);
    const lines = boundaries.get(withAof) ?? (await findBoundaries(withAof));
    if (!boundaries.has(withAof))
      log(`${lines.length} lines in the journal of a run${withAof ? " with AOF" : ""}`);
    boundaries.set(withAof, lines);
    for (const boundary of lines.filter((line) => line.includes(at))) {
      for (let seed = 1; seed <= (fault === "cut-off" ? 1 : seeds); seed++)
        cases.push({ fault, boundary, seed });
    }
  }
  const order = ({ fault, boundary, seed }: FaultCase): number => fraction(`${seed} ${boundary} ${fault}`);
  return cases.toSorted((one, other) => order(one) - order(other)).slice(0, limit);
}

/**
 * Runs the cases that have no row yet. A case that cannot be run leaves none.
 * @param rows gets a row for each; `save` is called after it.
 */
export async function runSweep(
  cases: readonly FaultCase[],
  rows: Row[],
  { hosts, log }: Pick<SweepOptions, "hosts" | "log">,
  save: () => void,
): Promise<void> {
  const name = ({ fault, boundary, seed }: FaultCase): string => `${fault} at "${boundary}", seed ${seed}`;
  const done = new Set(rows.map(name));
  const queue = cases.filter((one) => !done.has(name(one)));
  const count = queue.length;
  log(`${count} of ${cases.length} cases to run, on ${hosts} hosts at a time`);
  const start = performance.now();
  let ended = 0;
  const progress = (): string => {
    const minutes = (performance.now() - start) / 60_000;
    const left = (minutes / ++ended) * (count - ended);
    return `${ended} of ${count}, ${minutes.toFixed(0)} min, about ${left.toFixed(0)} min left`;
  };
  const work = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      try {
        const row = await runCase(next);
        rows.push(row);
        const problems = problemsOf(row).map((problem) => `\n  ${problem}`);
        log(`[${progress()}] ${name(next)}: ${row.state} after ${row.secondsToRest} s${problems.join("")}`);
      } catch (error) {
        log(`[${progress()}] ${name(next)}: not run: ${(error as Error).message}`);
      }
      save();
    }
  };
  await Promise.all(Array.from({ length: hosts }, work));
}
