/**
 * `npm run faults [-- PART…]`: what redkeep does under faults, measured. The parts are `sweep`, a fault at every line of a
 * transaction's journal, and the figures of measure/faults/figures, by name; without a name, all of them. Prints what was
 * measured against what has to be reached, and fails where that is missed or could not be measured.
 *
 * Writes faults.json after each step, and faults.md, its tables, at the end. `--resume FILE` goes on with a faults.json:
 * what is in it is not measured again, save a figure that is named.
 *
 *     --count N                                 number of cases of each figure
 *     --seeds N --only FAULT --at TEXT --limit N   the sweep's cases
 *     --hosts N                                 hosts at a time in the sweep
 *     --out FILE                                instead of faults.json
 */
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { sweep as removeHosts } from "../test/integration/support/sweep.ts";
import { FAULTS, type Row } from "./faults/case.ts";
import { planSweep, runSweep } from "./faults/kill-sweep.ts";
import { figuresOf, figureTable, type Line, problemsOf, tableOf } from "./faults/report.ts";
import { type Figures, figureNames, measure } from "./figures.ts";

interface Results {
  /** How many cases the sweep has. */
  planned: number;
  isWhole: boolean;
  sweep: Row[];
  figures: Figures;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seeds: { type: "string", default: "3" },
    only: { type: "string", multiple: true },
    at: { type: "string" },
    limit: { type: "string" },
    hosts: { type: "string", default: "4" },
    count: { type: "string" },
    out: { type: "string", default: "faults.json" },
    resume: { type: "string" },
  },
});
const faults = FAULTS.filter((fault) => values.only?.includes(fault) ?? true);
if (values.only !== undefined && faults.length !== new Set(values.only).size) {
  throw new Error(`--only takes ${FAULTS.join(", ")}`);
}
const folder = join(import.meta.dirname, "faults/figures");
const parts = ["sweep", ...figureNames(folder)];
const unknown = positionals.filter((name) => !parts.includes(name));
if (unknown.length > 0) throw new Error(`no such part: ${unknown.join(", ")} (${parts.join(", ")})`);
const isAsked = (part: string): boolean => positionals.length === 0 || positionals.includes(part);

const results: Results = { planned: 0, isWhole: true, sweep: [], figures: {} };
if (values.resume !== undefined) Object.assign(results, JSON.parse(readFileSync(values.resume, "utf8")));
const notMeasured: string[] = [];

process.env.REDKEEP_LAB_PID = String(process.pid);
removeHosts();
process.on("exit", () => removeHosts(process.pid));
for (const name of ["SIGINT", "SIGTERM"] as const) {
  process.once(name, () => {
    report();
    process.exit(1);
  });
}

const log = (line: string): void => console.log(line);

/** Whole at any moment. */
function save(): void {
  writeFileSync(`${values.out}.new`, `${JSON.stringify(results, null, 1)}\n`);
  renameSync(`${values.out}.new`, values.out);
}

/** Prints the tables, writes them as Markdown too, and says whether everything was reached. */
function report(): boolean {
  const lines: Line[] = [
    ...(results.planned > 0 ? figuresOf(results.sweep, results.planned, results.isWhole) : []),
    ...Object.values(results.figures),
  ];
  const tables = [
    figureTable(lines),
    ...(results.sweep.length > 0 ? [tableOf(results.sweep)] : []),
    ...Object.values(results.figures).flatMap(({ title, table }) =>
      table === undefined ? [] : [`${title}:\n\n${table}`],
    ),
  ];
  writeFileSync(values.out.replace(/(\.json)?$/, ".md"), `${tables.join("\n\n")}\n`);
  console.log(`\n${tables.join("\n\n")}\n`);
  const problems = [
    ...results.sweep.flatMap((row) =>
      problemsOf(row).map((problem) => `${row.fault} at "${row.boundary}", seed ${row.seed}: ${problem}`),
    ),
    ...Object.entries(results.figures).flatMap(([name, figure]) =>
      figure.problems.map((problem) => `${name}: ${problem}`),
    ),
    ...notMeasured,
  ];
  for (const problem of problems) console.log(problem);
  const missed = lines.filter(({ ok }) => !ok).length;
  console.log(
    `${lines.length - missed} figures reached, ${missed} missed, ${notMeasured.length} not measured`,
  );
  return missed === 0 && notMeasured.length === 0;
}

if (isAsked("sweep")) {
  const options = {
    faults,
    at: values.at ?? "",
    seeds: Number(values.seeds),
    limit: Number(values.limit ?? "Infinity"),
    hosts: Number(values.hosts),
    log,
  };
  const cases = await planSweep(options);
  results.planned = cases.length;
  results.isWhole = [values.only, values.at, values.limit].every((value) => value === undefined);
  await runSweep(cases, results.sweep, options, save);
}
for (const name of parts.slice(1).filter(isAsked)) {
  if (name in results.figures && !positionals.includes(name)) continue;
  const problem = await measure(folder, name, values.count, results.figures);
  if (problem !== undefined) notMeasured.push(problem);
  save();
}
process.exitCode = report() ? 0 : 1;
