import type { Curated } from "./curated.ts";
import { messageOf, type Sandbox } from "./sandbox.ts";

export interface Tally {
  cases: number;
  executed: number;
  uncaught: number;
  /** What went wrong, a line each. */
  problems: string[];
}

/** Runs curated inputs one after the other: each has to end as it should, with nothing executed on the way. */
export async function runCurated(sandbox: Sandbox, inputs: readonly Curated[]): Promise<Tally> {
  const tally: Tally = { cases: 0, executed: 0, uncaught: 0, problems: [] };
  for (const { name, run } of inputs) {
    tally.cases++;
    try {
      await run(sandbox);
    } catch (error) {
      tally.uncaught++;
      tally.problems.push(`${name}: ${messageOf(error)}`);
    }
    const harm = sandbox.harm();
    if (harm === undefined) continue;
    tally.executed++;
    tally.problems.push(`${name}: ${harm}`);
  }
  return tally;
}
