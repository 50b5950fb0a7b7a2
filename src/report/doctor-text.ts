import { printable } from "../lib/printable.ts";
import { plural } from "../lib/words.ts";
import { painter, type Terminal } from "./colours.ts";
import { finish, hanging, pad, signsOf } from "./layout.ts";

/** One thing that redkeep needs or could use, here or on a host. */
export interface Finding {
  /** `lacking` stands in the way; a `note` only matters to some. */
  verdict: "good" | "note" | "lacking";
  what: string;
  found: string;
  /** What to do, as a sentence; "" where there is nothing to do. */
  remedy: string;
}

export interface Examined {
  /** `This machine`, or the name of a host. */
  title: string;
  findings: readonly Finding[];
}

export const good = (what: string, found: string): Finding => ({ verdict: "good", what, found, remedy: "" });
export const note = (what: string, found: string, remedy: string): Finding => ({
  verdict: "note",
  what,
  found,
  remedy,
});
export const lacking = (what: string, found: string, remedy: string): Finding => ({
  verdict: "lacking",
  what,
  found,
  remedy,
});

const WIDTH = 13;

export function doctorText(examined: readonly Examined[], { colour, unicode, width }: Terminal): string {
  const paint = painter(colour);
  const signs = signsOf(unicode);
  const sign = { good: signs.good, note: signs.warning, lacking: signs.bad } as const;
  const lines = examined.flatMap(({ title, findings }) => [
    paint("bold", printable(title)),
    ...findings.flatMap(({ verdict, what, found, remedy }) => [
      ...hanging(`  ${sign[verdict]} ${pad(what, WIDTH)} `, printable(found, 1_000), width),
      ...(remedy === "" ? [] : hanging(" ".repeat(WIDTH + 5), printable(remedy, 1_000), width)),
    ]),
    "",
  ]);
  const count = examined
    .flatMap(({ findings }) => findings)
    .filter(({ verdict }) => verdict === "lacking").length;
  const end =
    count === 0
      ? "Nothing stands in the way. Nothing was changed."
      : `${plural(count, "thing")} in the way. Nothing was changed.`;
  return finish([...lines, end], { unicode });
}
