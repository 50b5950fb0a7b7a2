import { groupBy, mergeTexts, sentenceShapeOf } from "../history/alike.ts";
import type { Difference, Direction, RunComparison } from "../history/compare.ts";
import { printable } from "../lib/printable.ts";
import { grouped, hostList } from "../lib/words.ts";
import { blocks, finish, hanging, type Page } from "./layout.ts";

/** Kinds of difference in one block that are told, unless -v is given. */
const TOLD = 20;

/** What the differences of each direction stand under. */
export const TITLES: Record<Direction, string> = {
  worse: "Worse",
  better: "Better",
  new: "New",
  gone: "Gone",
  other: "Otherwise different",
};

/** What `diff` says on stdout: what got worse first, the counts last. */
export function diffText(
  comparison: RunComparison,
  exitCode: number,
  page: Pick<Page, "paint" | "signs" | "width" | "unicode" | "verbose">,
): string {
  const { before, after, counts, differences } = comparison;
  const run = ({ command, startedAt }: RunComparison["before"]) => `${command} of ${printable(startedAt)}`;
  const heading = hanging("", `From the ${run(before)} to the ${run(after)}`, page.width);
  const total = differences.length;
  const parts = (["worse", "better", "new", "gone"] as const).map(
    (direction) => `${grouped(counts[direction])} ${direction}`,
  );
  const answer =
    total === 0
      ? "Nothing differs."
      : `${parts.join(", ")}${counts.other > 0 ? `, ${grouped(counts.other)} otherwise different` : ""}.`;
  return finish(
    blocks(
      heading.map((line) => page.paint("bold", line)),
      ...(["worse", "better", "new", "gone", "other"] as const).map((direction) =>
        differencesText(differences, direction, page),
      ),
      [`${answer}        ${page.paint("bold", `exit ${exitCode}`)}`],
    ),
    page,
  );
}

/** The differences of one direction under their title, hosts with like ones once. */
export function differencesText(
  differences: readonly Difference[],
  direction: Direction,
  page: Pick<Page, "paint" | "signs" | "width" | "verbose">,
): string[] {
  const sign = {
    worse: page.paint("red", page.signs.bad),
    better: page.paint("green", page.signs.good),
    new: "+",
    gone: "-",
    other: "~",
  };
  const ours = differences.filter((difference) => difference.direction === direction);
  const kinds = groupBy(ours, kindOf);
  const told = page.verbose ? kinds : kinds.slice(0, TOLD);
  const rest = kinds.length - told.length;
  return ours.length === 0
    ? []
    : [
        page.paint("bold", `${TITLES[direction]} (${grouped(ours.length)})`),
        ...told.flatMap((kind) => hanging(`${sign[direction]} `, sentence(kind), page.width)),
        ...(rest > 0 ? [`  ${grouped(rest)} more (-v shows them)`] : []),
      ];
}

function kindOf({ host, about, what, severity, before, after }: Difference): string {
  const shape = (text: string | null) => (text === null ? null : sentenceShapeOf(text, host));
  return JSON.stringify([about, what, severity, shape(before), shape(after)]);
}

/** `RK-NET-02 protected mode is on (high): redis-01, redis-02: holds → fails: no`. */
function sentence(kind: readonly Difference[]): string {
  const [first] = kind;
  if (first === undefined) return "";
  const { what, severity, about } = first;
  const hosts = about === "waiver" ? "" : `${hostList(kind.map(({ host }) => host))}: `;
  const value = (of: "before" | "after") => mergeTexts(kind.flatMap((difference) => difference[of] ?? []));
  const values = [value("before"), value("after")].filter((text) => text !== "").join(" → ");
  const grave = severity === null ? "" : ` (${severity})`;
  const title = about === "host" ? "" : `${what}${grave}: `;
  return `${title}${hosts}${values}`;
}
