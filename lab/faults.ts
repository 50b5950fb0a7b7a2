/**
 * `npm run faults [-- --seeds N --only FAULT --at TEXT --limit N --hosts N --out FILE]`: a fault at every line of a
 * transaction's journal. Writes faults.json, prints a Markdown table, and fails where a host is neither old nor new, lost
 * something, or kept something.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import {
  FAULTS,
  type FaultCase,
  findBoundaries,
  fraction,
  needsAof,
  type Row,
  runCase,
} from "../test/faults/case.ts";
import { problemsOf, tableOf } from "../test/faults/report.ts";
import { sweep } from "../test/integration/support/sweep.ts";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "3" },
    only: { type: "string", multiple: true, default: [...FAULTS] },
    at: { type: "string", default: "" },
    limit: { type: "string", default: "Infinity" },
    hosts: { type: "string", default: "3" },
    out: { type: "string", default: "faults.json" },
  },
});
const faults = FAULTS.filter((fault) => values.only.includes(fault));
if (faults.length !== new Set(values.only).size) throw new Error(`--only takes ${FAULTS.join(", ")}`);

process.env.REDKEEP_LAB_PID = String(process.pid);
sweep();
process.on("exit", () => sweep(process.pid));

const cases: FaultCase[] = [];
const boundaries = new Map<boolean, string[]>();
for (const fault of faults) {
  const withAof = needsAof(fault);
  const lines = boundaries.get(withAof) ?? (await findBoundaries(withAof));
  boundaries.set(withAof, lines);
  for (const boundary of lines.filter((line) => line.includes(values.at))) {
    for (let seed = 1; seed <= Number(values.seeds); seed++) cases.push({ fault, boundary, seed });
  }
}
// In an order that is mixed, and always the same: a sweep that is cut short is a fair sample.
const order = ({ fault, boundary, seed }: FaultCase): number => fraction(`${seed} ${boundary} ${fault}`);
const queue = cases.toSorted((one, other) => order(one) - order(other)).slice(0, Number(values.limit));
console.log(`${queue.length} of ${cases.length} cases, on ${values.hosts} hosts at a time`);

const rows: Row[] = [];
let failed = 0;
function report(): void {
  console.log(`\n${tableOf(rows)}\n\n${rows.length} runs, ${failed} failed`);
}
for (const name of ["SIGINT", "SIGTERM"] as const) {
  process.once(name, () => {
    report();
    process.exit(1);
  });
}

async function work(): Promise<void> {
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const name = `${next.fault} at "${next.boundary}", seed ${next.seed}`;
    try {
      const row = await runCase(next);
      rows.push(row);
      const problems = problemsOf(row);
      if (problems.length > 0) failed++;
      console.log(
        `${name}: ${row.state} after ${row.secondsToRest} s${problems.map((problem) => `\n  ${problem}`).join("")}`,
      );
    } catch (error) {
      failed++;
      console.log(`${name}: not run: ${(error as Error).message}`);
    }
    writeFileSync(values.out, `${JSON.stringify(rows, null, 1)}\n`);
  }
}
await Promise.all(Array.from({ length: Number(values.hosts) }, work));
report();
process.exitCode = failed > 0 ? 1 : 0;
