import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { LONGEST } from "../vitest.config.ts";
import { read, repository } from "./support/pages.ts";
import { ROOMS } from "./support/rooms.ts";

const MAX_LINES = 400;

/** Lists of data: the longer they are, the more there is to look up in one place. */
const LISTS_OF_DATA = ["verify/catalogue.ts"];

const src = join(repository, "src");
const texts = new Map(
  readdirSync(src, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .map((file) => [file, readFileSync(join(src, file), "utf8")] as const),
);
const rooms = Object.keys(ROOMS);
const roomOf = (file: string): string => file.split("/")[0] ?? "";
const height = (file: string): number => (file.includes("/") ? rooms.indexOf(roomOf(file)) : rooms.length);

/** Which files of src each imports, for its types too. */
const imports = new Map(
  [...texts].map(([file, text]) => {
    const named = [...text.matchAll(/(?:\bfrom|\bimport\(?)\s*"(\.[^"]+)"/g)];
    return [file, [...new Set(named.map(([, path = ""]) => join(dirname(file), path)))]] as const;
  }),
);
const edges = [...imports].flatMap(([from, all]) => all.map((to) => ({ from, to })));
const reaching = edges.filter(({ from, to }) => height(to) > height(from));

/** The shortest way from one file to another along the imports, both included; undefined where there is none. */
function wayBetween(from: string, to: string): string[] | undefined {
  const before = new Map<string, string>();
  const open = [from];
  for (const file of open) {
    for (const next of imports.get(file) ?? []) {
      if (before.has(next)) continue;
      before.set(next, file);
      if (next === to) {
        const way = [to];
        for (let at = file; at !== from; at = before.get(at) ?? from) way.unshift(at);
        return [from, ...way];
      }
      open.push(next);
    }
  }
  return undefined;
}

describe("the source", () => {
  it("has each folder in the order of rooms", () => {
    const strange = [...new Set([...texts.keys()].filter((file) => file.includes("/")).map(roomOf))]
      .filter((room) => !rooms.includes(room))
      .map((room) => `src/${room} is no room: say in test/support/rooms.ts what it is and what it rests on`);
    expect(strange).toEqual([]);
  });

  it("has each folder on the map in CONTRIBUTING.md", () => {
    const missing = readdirSync(src, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && !read("CONTRIBUTING.md").includes(`\`src/${entry.name}/\``))
      .map(({ name }) => `src/${name} is not on the map in CONTRIBUTING.md: name it where its step is`);
    expect(missing).toEqual([]);
  });

  it("imports downwards alone", () => {
    const wrong = reaching.map(
      ({ from, to }) =>
        `src/${from} imports src/${to}, which reaches up: ${roomOf(to)} stands above ${roomOf(from)} (test/support/rooms.ts)`,
    );
    expect(wrong).toEqual([]);
  });

  it("has no circle of imports", () => {
    // A circle through several rooms reaches up somewhere, which is told above.
    const wrong = edges.flatMap(({ from, to }) => {
      if (roomOf(from) !== roomOf(to)) return [];
      const back = wayBetween(to, from);
      if (back === undefined) return [];
      return [
        `src/${from} imports src/${to}, which leads back to it (${[from, ...back].join(" -> ")}): imports make no circle`,
      ];
    });
    expect(wrong).toEqual([]);
  });

  it(`has no file above ${MAX_LINES} lines but for lists of data`, () => {
    const wrong = longFiles().map(
      ({ file, lines }) =>
        `src/${file} has ${lines} lines, more than ${MAX_LINES}: split it by what its parts mean`,
    );
    expect(wrong).toEqual([]);
  });

  it("has verbs alone in src/commands", () => {
    const wrong = besideVerbs().map(
      (name) => `src/commands/${name} is no verb: what serves one stands in a room below`,
    );
    expect(wrong).toEqual([]);
  });

  it("has lists of data that need their exception", () => {
    const short = LISTS_OF_DATA.filter((file) => linesOf(file) <= MAX_LINES).map(
      (file) => `src/${file} is short enough by now: take it off the list in test/structure.test.ts`,
    );
    expect(short).toEqual([]);
  });
});

it("vitest begins with test files that exist", () => {
  expect(LONGEST.filter((file) => !existsSync(join(repository, file)))).toEqual([]);
});

function linesOf(file: string): number {
  return (texts.get(file)?.match(/\n/g) ?? []).length;
}

function longFiles(): { file: string; lines: number }[] {
  return [...texts.keys()]
    .map((file) => ({ file, lines: linesOf(file) }))
    .filter(({ file, lines }) => lines > MAX_LINES && !LISTS_OF_DATA.includes(file));
}

/** Functions that a file of src/commands exports and that have not its name, as `FILE FUNCTION`; and files without one. */
function besideVerbs(): string[] {
  return [...texts].flatMap(([file, text]) => {
    if (roomOf(file) !== "commands") return [];
    const verb = basename(file, ".ts");
    const functions = [...text.matchAll(/^export (?:async )?function\*? (\w+)/gm)].map(
      ([, name = ""]) => name,
    );
    const others = functions.filter((name) => name !== verb).map((name) => `${basename(file)} ${name}`);
    return functions.includes(verb) ? others : [...others, `${basename(file)}, which exports no ${verb},`];
  });
}
