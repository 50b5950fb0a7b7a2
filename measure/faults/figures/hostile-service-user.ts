/** A Redis that was taken over races each operation of redkeep's: nobody becomes root by it, and no check is fooled. */
import type { Figure } from "../figure.ts";
import { type HostileCase, hostileCases, STAGES } from "../hostile-user/cases.ts";
import { MEASURES, type Measure, type Row, runHostile } from "../hostile-user/run.ts";
import { Site } from "../hostile-user/site.ts";

const RUNS = 320;
/** Lab hosts that are worked on beside each other. */
const AT_A_TIME = 2;

export const figure: Figure = {
  name: "hostile-service-user",
  title: "An attacker with the rights of user redis races plan, apply, rollback, recovery and verify",
  target: "at least 300 runs: 0 of each",
  async run({ count = RUNS, log }) {
    const cases = hostileCases(count);
    const share = Math.ceil(cases.length / AT_A_TIME);
    const shares = Array.from({ length: AT_A_TIME }, (_, index) =>
      cases.slice(index * share, (index + 1) * share),
    );
    let number = 0;
    const work = async (own: readonly HostileCase[]): Promise<Row[]> => {
      await using site = await Site.open();
      const rows: Row[] = [];
      for (const one of own) {
        const row = await runHostile(site, one);
        rows.push(row);
        log(`${++number} of ${cases.length} ${JSON.stringify(row)}`);
      }
      return rows;
    };
    const rows = (await Promise.all(shares.filter((own) => own.length > 0).map(work))).flat();
    const names = Object.keys(MEASURES) as Measure[];
    const problems = rows.flatMap((row) =>
      names.flatMap((name) =>
        row.found[name].map(
          (line) => `${row.stage}, ${row.attack}, seed ${row.seed}: ${MEASURES[name]}: ${line}`,
        ),
      ),
    );
    const counts = names.map(
      (name) => `${rows.filter(({ found }) => found[name].length > 0).length} with ${MEASURES[name]}`,
    );
    return {
      measured: `${rows.length} runs: ${counts.join(", ")}`,
      ok: rows.length >= count && problems.length === 0,
      problems,
      table: tableOf(rows),
      details: rows,
    };
  },
};

/** A line for each stage. */
function tableOf(rows: readonly Row[]): string {
  const names = Object.keys(MEASURES) as Measure[];
  const header = ["While", "Runs", ...names.map((name) => MEASURES[name])];
  const lines = STAGES.map((stage) => ({ stage, of: rows.filter((row) => row.stage === stage) })).filter(
    ({ of }) => of.length > 0,
  );
  return [
    header,
    ["---", ...header.slice(1).map(() => "---:")],
    ...lines.map(({ stage, of }) => [
      stage,
      `${of.length}`,
      ...names.map((name) => `${of.filter(({ found }) => found[name].length > 0).length}`),
    ]),
  ]
    .map((cells) => `| ${cells.join(" | ")} |`)
    .join("\n");
}
