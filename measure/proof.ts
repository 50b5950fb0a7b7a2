/**
 * `npm run proof [-- FIGURE…]`: whether verify, plan and reports can be believed, measured on lab hosts. Prints what was
 * measured against what has to be reached, and fails where that is missed or could not be measured. Writes proof.json, and
 * proof.md, its tables.
 *
 *     --count N     number of cases of each figure
 *     --out FILE    instead of proof.json
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { sweep as removeHosts } from "../test/integration/support/sweep.ts";
import { figureTable } from "./faults/report.ts";
import { type Figures, figureNames, measure } from "./figures.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { count: { type: "string" }, out: { type: "string", default: "proof.json" } },
});
const folder = join(import.meta.dirname, "proof/figures");
const names = figureNames(folder);
const unknown = positionals.filter((name) => !names.includes(name));
if (unknown.length > 0) throw new Error(`no such figure: ${unknown.join(", ")} (${names.join(", ")})`);

process.env.REDKEEP_LAB_PID = String(process.pid);
removeHosts();
process.on("exit", () => removeHosts(process.pid));

const figures: Figures = {};
const problems: string[] = [];
for (const name of positionals.length > 0 ? positionals : names) {
  const problem = await measure(folder, name, values.count, figures);
  if (problem !== undefined) problems.push(problem);
  writeFileSync(values.out, `${JSON.stringify(figures, null, 1)}\n`);
}
const measured = Object.values(figures);
const text = [
  figureTable(measured),
  ...measured.flatMap(({ title, table }) => (table === undefined ? [] : [`${title}:\n\n${table}`])),
].join("\n\n");
writeFileSync(values.out.replace(/(\.json)?$/, ".md"), `${text}\n`);
console.log(`\n${text}\n`);
for (const [name, figure] of Object.entries(figures))
  for (const problem of figure.problems) console.log(`${name}: ${problem}`);
for (const problem of problems) console.log(problem);
const missed = measured.filter(({ ok }) => !ok).length;
console.log(`${measured.length - missed} figures reached, ${missed} missed, ${problems.length} not measured`);
process.exitCode = missed + problems.length > 0 ? 1 : 0;
