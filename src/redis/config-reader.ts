import { resolve } from "node:path";
import { globMatcher } from "../inventory/glob.ts";
import type { Place, Problem } from "../lib/errors.ts";
import { splitWords } from "./words.ts";

export interface ConfigFile {
  path: string;
  text: string;
}

/** One active line of the configuration. `name` is lower case, `args` are without quotes, `line` counts from 1. */
export interface Directive {
  name: string;
  args: readonly string[];
  file: string;
  line: number;
}

export interface FileLines {
  path: string;
  /** The text as it was read. */
  original: readonly string[];
  /** With their line ends. */
  lines: readonly string[];
}

/** Comparing this many characters of a pattern and a path takes about as long as reading a line. */
const SIGNS_OF_A_LINE = 64;

/** Like glob(3), which Redis calls: a star matches no slash, and no dot at the start of a name. */
function globOf(pattern: string): (file: FileLines) => boolean {
  const parts = pattern
    .split("/")
    .map((text) => ({ matches: globMatcher(text), takesDot: text.startsWith(".") }));
  return ({ path }) => {
    const names = path.split("/");
    return (
      names.length === parts.length &&
      parts.every(({ matches, takesDot }, at) => {
        const name = names[at] ?? "";
        return (takesDot || !name.startsWith(".")) && matches(name);
      })
    );
  };
}

/** Reads the files as Redis does, into one list of directives. */
export class Reader {
  readonly directives: Directive[] = [];
  readonly problems: Problem[] = [];
  readonly #files: readonly FileLines[];
  readonly #directory: string;
  readonly #signsOfPaths: number;
  readonly #byPath: ReadonlyMap<string, readonly FileLines[]>;
  /**
   * How many lines may still be read. Files that include one another double the lines at each step, so we stop at twice the
   * lines of all files.
   */
  #left: number;

  constructor(files: readonly FileLines[], directory: string) {
    this.#files = files;
    this.#directory = directory;
    this.#signsOfPaths = files.reduce((sum, { path }) => sum + path.length, 0);
    this.#byPath = Map.groupBy(files, ({ path }) => path);
    this.#left = 1_000 + 2 * files.reduce((sum, { lines }) => sum + lines.length, 0);
  }

  /** False, with a problem, once the limit is reached. `cost` counts lines. */
  #canGoOn(cost: number, place: Place): boolean {
    if (this.#left < 0) return false;
    this.#left -= cost;
    if (this.#left < 0)
      this.problems.push({ place, key: "include", message: "files include one another again and again" });
    return this.#left >= 0;
  }

  read(file: FileLines, includedFrom: readonly string[]): void {
    for (const [index, text] of file.lines.entries()) {
      const place = { file: file.path, line: index + 1 };
      if (!this.#canGoOn(1, place)) return;
      if (isComment(text)) continue;
      if (text.includes("\0")) this.problems.push({ place, message: "this line holds a NUL byte" });
      const found = splitWords(text);
      if (found === undefined)
        this.problems.push({ place, message: "the quotes in this line are unbalanced" });
      const [name, ...args] = found ?? [];
      if (name === undefined) continue;
      const directive = { name: name.toLowerCase(), args, ...place };
      this.directives.push(directive);
      if (directive.name === "include") this.#include(directive, [...includedFrom, file.path]);
    }
  }

  #include({ args: [name = ""], file, line }: Directive, from: readonly string[]): void {
    const path = resolve(this.#directory, name);
    const place = { file, line };
    const isPattern = /[*?[]/.test(name);
    const cost = isPattern ? path.length * this.#signsOfPaths : 0;
    if (!this.#canGoOn(Math.ceil(cost / SIGNS_OF_A_LINE), place)) return;
    const matches = isPattern
      ? this.#files.filter(globOf(path)).sort((a, b) => (a.path < b.path ? -1 : 1))
      : (this.#byPath.get(path) ?? []);
    if (matches.length === 0 && !isPattern) {
      this.problems.push({ place, key: "include", message: `${path} is missing` });
    }
    for (const match of matches) {
      if (from.includes(match.path)) {
        this.problems.push({ place, key: "include", message: `${match.path} includes itself` });
      } else {
        this.read(match, from);
      }
    }
  }
}

/** Also a blank line. Redis' own blanks: JavaScript's trim() would also take away the byte order mark that stops Redis. */
export const isComment = (line: string): boolean => /^[ \t\r\n]*(?:#|$)/.test(line);
