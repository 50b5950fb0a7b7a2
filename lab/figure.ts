/** `node lab/figure.ts NAME [--count N]`: measures one figure of `npm run faults`. */
import { parseArgs } from "node:util";
import type { Figure } from "../test/faults/figure.ts";
import { sweep } from "../test/integration/support/sweep.ts";

const { values, positionals } = parseArgs({ allowPositionals: true, options: { count: { type: "string" } } });
process.env.REDKEEP_LAB_PID = String(process.pid);
sweep();
process.on("exit", () => sweep(process.pid));
const { figure } = (await import(`../test/faults/figures/${positionals[0]}.ts`)) as { figure: Figure };
const measured = await figure.run({
  ...(values.count === undefined ? {} : { count: Number(values.count) }),
  log: (line) => console.log(line),
});
console.log(`${figure.title}: ${measured.measured} (${figure.target})${measured.ok ? "" : ", missed"}`);
for (const problem of measured.problems) console.log(`  ${problem}`);
process.exitCode = measured.ok ? 0 : 1;
