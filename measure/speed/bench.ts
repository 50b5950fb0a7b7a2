/**
 * `npm run bench [-- OPTIONS]`: redkeep against other ways to do the same job on lab hosts, interleaved in one run. Prints how
 * long each took and what was aimed at, and fails where a figure is not reached or a tool did not reach the same end.
 *
 *     --tools LIST      of ssh,redkeep,script,pyinfra,mitogen,ansible-tuned,ansible (default: all that can be had)
 *     --hosts LIST      1,5,20
 *     --phases LIST     first,nothing,check,verify
 *     --rtt LIST        milliseconds of round-trip time added for one host: 20,100; 0 for none
 *     --rounds N        3; the slow tools too
 *     --repeat N        3: how often a quick tool does what follows on hardened hosts, in each round
 *     --figures LIST    modules of measure/speed/figures; none for none (default: all)
 *     --out FILE        bench.json: what was measured, written after each block. Beside it the tables, as .md
 *     --picture FILE    an SVG of it
 *     --page FILE       puts the tables between the marks of this page: docs/figures.md
 *     --resume          go on with FILE: what is in it is not measured again
 *     --report          measure nothing more, show what is in FILE
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { sweep as removeHosts } from "../../test/integration/support/sweep.ts";
import { figureNames, measure as measureFigure } from "../figures.ts";
import { runBlock } from "./block.ts";
import { METHOD, machine, sweepGroups } from "./measure.ts";
import { picture } from "./picture.ts";
import { markdown, pagePart, targetsText, withPart } from "./report.ts";
import type { Results } from "./results.ts";
import { PHASES, type Phase, TOOLS } from "./tools.ts";

const { values } = parseArgs({
  options: {
    tools: { type: "string" },
    hosts: { type: "string", default: "1,5,20" },
    phases: { type: "string", default: "first,nothing,check,verify" },
    rtt: { type: "string", default: "20,100" },
    rounds: { type: "string", default: "3" },
    repeat: { type: "string", default: "3" },
    figures: { type: "string" },
    out: { type: "string", default: "bench.json" },
    picture: { type: "string" },
    page: { type: "string" },
    resume: { type: "boolean", default: false },
    report: { type: "boolean", default: false },
  },
});

/** The items of a list, each of which has to be known. */
function listed<T extends string>(option: string, text: string, known: readonly T[]): T[] {
  const items = text.split(",").filter((item) => item !== "");
  const unknown = items.filter((item) => !(known as readonly string[]).includes(item));
  if (unknown.length > 0) throw new Error(`--${option}: no such ${unknown.join(", ")} (${known.join(", ")})`);
  return items as T[];
}

function numbers(option: string, text: string, least: number): number[] {
  return text.split(",").map((item) => {
    const number = Number(item);
    if (!Number.isInteger(number) || number < least)
      throw new Error(`--${option}: should be a number from ${least}, found "${item}"`);
    return number;
  });
}

const names = TOOLS.map(({ name }) => name);
const asked = listed("tools", values.tools ?? names.join(","), names);
const phases = listed<Phase>("phases", values.phases, PHASES);
const hosts = numbers("hosts", values.hosts, 1);
const rtts = numbers("rtt", values.rtt, 0).filter((rtt) => rtt > 0);
const [rounds = 3] = numbers("rounds", values.rounds, 1);
const [repeat = 3] = numbers("repeat", values.repeat, 1);
const figureFolder = join(import.meta.dirname, "figures");
const known = figureNames(figureFolder);
const figures = values.figures === "none" ? [] : listed("figures", values.figures ?? known.join(","), known);

// Found out before anything is measured.
if (values.page !== undefined) withPart(readFileSync(values.page, "utf8"), "");

const results: Results = { machine: machine(), method: METHOD, missing: {}, blocks: [], figures: {} };
if (values.resume || values.report) Object.assign(results, JSON.parse(readFileSync(values.out, "utf8")));
else if (existsSync(values.out)) renameSync(values.out, `${values.out}.old`);

process.env.REDKEEP_LAB_PID = String(process.pid);
removeHosts();
sweepGroups();
process.on("exit", () => removeHosts(process.pid));
for (const name of ["SIGINT", "SIGTERM"] as const) {
  process.once(name, () => {
    report();
    process.exit(1);
  });
}

/** Whole at any moment. */
function save(): void {
  writeFileSync(`${values.out}.new`, `${JSON.stringify(results, null, 1)}\n`);
  renameSync(`${values.out}.new`, values.out);
}

/** Prints the tables, writes them and the picture, and says whether all was reached. */
function report(): boolean {
  const text = markdown(results);
  writeFileSync(values.out.replace(/(\.json)?$/, ".md"), `${text}\n`);
  if (values.picture !== undefined) writeFileSync(values.picture, picture(results));
  if (values.page !== undefined)
    writeFileSync(values.page, withPart(readFileSync(values.page, "utf8"), pagePart(results)));
  console.log(`\n${text}\n`);
  const { missed, unmeasured } = targetsText(results);
  const astray = results.blocks.filter(({ differences }) => differences.length > 0).length;
  console.log(
    `${missed} figures missed, ${unmeasured} not measured${astray === 0 ? "" : `; ${astray} blocks did not reach the same end`}`,
  );
  return missed + unmeasured + astray === 0;
}

const problems: string[] = [];
if (!values.report) {
  results.missing = {};
  const tools = TOOLS.filter(({ name }) => asked.includes(name)).filter((tool) => {
    const reason = tool.missing();
    if (reason !== undefined) results.missing[tool.name] = reason;
    return reason === undefined;
  });
  for (const [tool, reason] of Object.entries(results.missing)) console.log(`${tool} is left out: ${reason}`);
  const cells = [
    ...hosts.map((count) => ({ hosts: count, rtt: 0 })),
    ...rtts.map((rtt) => ({ hosts: 1, rtt })),
  ];
  for (let round = 1; round <= rounds; round++) {
    for (const cell of cells) {
      // Bare ssh is measured beside each of the others.
      for (const tool of tools.filter(({ name }) => name !== "ssh")) {
        const isDone = results.blocks.some(
          (block) =>
            block.tool === tool.name &&
            block.hosts === cell.hosts &&
            block.rtt === cell.rtt &&
            block.round === round,
        );
        if (isDone) continue;
        console.log(`round ${round}, ${cell.hosts} hosts, ${cell.rtt} ms: ${tool.name}`);
        try {
          const log = (line: string): void => console.log(line);
          results.blocks.push(await runBlock({ tool, ...cell, round, phases, repeat, log }));
        } catch (error) {
          // Hosts that do not boot, say: the other blocks can be measured all the same.
          problems.push(`${tool.name}, ${cell.hosts} hosts, round ${round}: ${(error as Error).message}`);
        }
        save();
      }
    }
  }
  for (const name of figures) {
    const problem =
      name in results.figures
        ? undefined
        : await measureFigure(figureFolder, name, undefined, results.figures);
    if (problem !== undefined) problems.push(problem);
    save();
  }
}
for (const problem of problems) console.log(problem);
process.exitCode = report() && problems.length === 0 ? 0 : 1;
