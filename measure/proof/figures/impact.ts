import type { Figure } from "../../faults/figure.ts";
import { clientsBeside, type Row, STORIES, UsedHost } from "../impact.ts";

export const figure: Figure = {
  name: "impact",
  title: "Who will notice: the clients that a plan says will be denied are those that are denied after it",
  target: "at least 40 combinations of client behaviour and plan, predicted = denied in all",
  async run({ count = STORIES.length, log }) {
    const rows: Row[] = [];
    await using beside = clientsBeside();
    for (const story of STORIES.slice(0, count)) {
      await using used = await UsedHost.start(beside);
      for (const step of story) {
        const { rows: seen } = await used.run(step);
        rows.push(...seen);
        log(
          `${step.title}: ${seen.filter(({ predicted, denied }) => predicted === denied).length} of ${seen.length}`,
        );
      }
    }
    const wrong = rows.filter(({ predicted, denied }) => predicted !== denied);
    const denied = rows.filter((row) => row.denied).length;
    return {
      measured: `${rows.length} combinations, ${denied} denied, ${rows.length - wrong.length} as predicted`,
      ok: wrong.length === 0 && rows.length >= 40,
      problems: wrong.map(
        ({ step, name, habit, predicted, met }) =>
          `${step}: ${name} (${habit}): ${predicted ? "predicted as denied" : "not predicted"}, met ${met}`,
      ),
      table: tableOf(rows),
      details: rows,
    };
  },
};

function tableOf(rows: readonly Row[]): string {
  const lines = [...Map.groupBy(rows, ({ step }) => step)].map(([step, all]) => {
    const number = (test: (row: Row) => boolean) => all.filter(test).length;
    return `| ${step} | ${all.length} | ${number(({ predicted }) => predicted)} | ${number(({ denied }) => denied)} | ${number(({ predicted, denied }) => predicted === denied)} |`;
  });
  return ["| Plan | Clients | Predicted | Denied | As predicted |", "|---|---|---|---|---|", ...lines].join(
    "\n",
  );
}
