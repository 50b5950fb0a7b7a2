import { resolve } from "node:path";
import { lastingCopy } from "../lib/copy.ts";
import { InputError, type Problem } from "../lib/errors.ts";
import { type ConfigFile, type Directive, type FileLines, isComment, Reader } from "./config-reader.ts";
import { sameSetting, settingName } from "./setting.ts";
import { joinWords, splitWords } from "./words.ts";

/** Seconds and number of changes after which Redis writes a snapshot. */
export type SavePoint = readonly [seconds: number, changes: number];

const HEADER = "# Set by redkeep";

/**
 * The operator's redis.conf and the files that it includes, in the order in which Redis reads them.
 * `includes` holds the files that `include` lines may name, also those of included files; relative names and
 * patterns count from `directory`, the working directory of the server ("/" under systemd). What is wrong with the files
 * is in `problems`: Redis would not start with them. `saveResetsAfterInclude` as in the server's capabilities.
 */
export function parseConfig(
  main: ConfigFile,
  includes: readonly ConfigFile[] = [],
  directory = "/",
  saveResetsAfterInclude = false,
): ConfigDocument {
  const files = [main, ...includes].map(({ path, text }) => {
    const lines = splitLines(text);
    return { path: resolve(directory, path), original: lines, lines };
  });
  return new ConfigDocument(files, directory, saveResetsAfterInclude);
}

/** Immutable: each change returns a new document, or the same one if it already means what is wanted. */
export class ConfigDocument {
  /** Every active line, with included files in the place of their `include` line, as Redis reads them. */
  readonly directives: readonly Directive[];
  readonly problems: readonly Problem[];
  readonly #files: readonly FileLines[];
  readonly #directory: string;
  readonly #saveResets: boolean;
  readonly #byName: ReadonlyMap<string, Directive[]>;

  constructor(files: readonly FileLines[], directory: string, saveResetsAfterInclude: boolean) {
    this.#files = files;
    this.#directory = directory;
    this.#saveResets = saveResetsAfterInclude;
    const reader = new Reader(files, directory);
    reader.read(this.#main, []);
    this.directives = reader.directives;
    this.problems = reader.problems;
    this.#byName = Map.groupBy(this.directives, ({ name }) => settingName(name));
  }

  get #main(): FileLines {
    const [main] = this.#files;
    if (main === undefined) throw new Error("a configuration has a main file");
    return main;
  }

  /** Every line of this directive under any of its names, in reading order. */
  all(name: string): readonly Directive[] {
    return this.#byName.get(settingName(name)) ?? [];
  }

  /**
   * The value that counts: of the last line, since a later one overrides. Lines that add up give one value as
   * `CONFIG GET` does: the classes of `client-output-buffer-limit`, and the `save` points that remain after the
   * last `save ""`, or `[""]` when none does. Since Redis 7.0 a `save` line behind an `include` of its file also takes
   * away those before it. Undefined without a line.
   */
  get(name: string): readonly string[] | undefined {
    const lines = this.all(name);
    if (lines.length === 0) return undefined;
    if (name === "client-output-buffer-limit") return lines.flatMap(({ args }) => args);
    if (name !== "save") return lines.at(-1)?.args;
    const lastReset = lines.findLastIndex((line) => isSaveReset(line) || this.#isBehindInclude(line));
    const counting = lines.slice(lastReset < 0 ? 0 : lastReset).filter((line) => !isSaveReset(line));
    const points = counting.flatMap(({ args }) => args.flatMap((arg) => arg.split(" ")));
    return points.length === 0 ? [""] : points;
  }

  /**
   * Sets a directive that occurs once. The line that counts is replaced in its place; without one, the
   * new line follows the commented example of the stock file, or else goes to the end. Where an included file
   * overrides the main file, the line moves to the end, so that it wins; included files are never edited, as other
   * instances may share them. Earlier duplicates, which Redis ignores, stay as the operator left them.
   */
  set(name: string, args: readonly string[]): ConfigDocument {
    if (name === "save") return this.setSave(savePoints(args));
    const current = this.get(name);
    if (current !== undefined && sameSetting(name, current, args)) return this;
    const line = joinWords(name, args);
    const lines = this.all(name);
    const counts = lines.at(-1);
    if (counts === undefined) return this.#insert(name, [line]);
    if (counts.file === this.#main.path) return this.#replace(counts, line);
    const overridden = lines.findLast(({ file }) => file === this.#main.path);
    return (overridden === undefined ? this : this.#without([overridden])).#append([line]);
  }

  /**
   * Gives every setting of `text`, which is a piece of redis.conf as a template renders it, its value. Throws an
   * InputError when `text` cannot be read, naming it `source`.
   */
  merge(text: string, source: string): ConfigDocument {
    const wanted = parseConfig({ path: source, text });
    if (wanted.problems.length > 0) throw new InputError(wanted.problems);
    let result: ConfigDocument = this;
    for (const name of new Set(wanted.directives.map((directive) => directive.name))) {
      if (name !== "rename-command") result = result.set(name, wanted.get(name) ?? []);
      else for (const { args } of wanted.all(name)) result = result.setRename(args[0] ?? "", args[1] ?? "");
    }
    return result;
  }

  /** Makes these the only snapshot points; none switches snapshots off (`save ""`). */
  setSave(points: readonly SavePoint[]): ConfigDocument {
    const args = points.length === 0 ? [""] : points.flatMap((point) => point.map(String));
    const current = this.get("save");
    if (current !== undefined && sameSetting("save", current, args)) return this;
    const existing = this.all("save");
    const own = existing.filter(({ file }) => file === this.#main.path);
    const included = own.length < existing.length;
    // Write them all in one line where each `save` line replaces the one before; Redis 6.0 accepts only one point a line.
    const isOneLine = this.#saveResets && points.length > 0 && this.all("include").length > 0;
    const lines = isOneLine
      ? [joinWords("save", args)]
      : points.map((point) => joinWords("save", point.map(String)));
    // Points of an included file would add to ours.
    if (points.length === 0 || included) lines.unshift('save ""');
    const first = own[0];
    if (included || first === undefined) {
      const rest = this.#without(own);
      return included ? rest.#append(lines) : rest.#insert("save", lines);
    }
    return this.#without(own.slice(1)).#replaceWith(first, lines);
  }

  /**
   * Renames a command, or disables it (`to` is ""). Redis refuses a second line for one command, so an existing line is
   * changed in its place, and a command that keeps its own name loses its line.
   */
  setRename(command: string, to: string): ConfigDocument {
    const renames = this.all("rename-command");
    const [first, ...more] = renames.filter(({ args }) => isSameWord(args[0], command));
    const line = joinWords("rename-command", [command, to]);
    if (isSameWord(command, to)) return this.#without(first === undefined ? [] : [first, ...more]);
    if (first !== undefined) {
      const single = this.#without(more);
      return first.args[1] === to ? single : single.#replace(first, line);
    }
    const last = renames.findLast(({ file }) => file === this.#main.path);
    return last === undefined ? this.#insert("rename-command", [line]) : this.#insertAfter(last.line, [line]);
  }

  /** Removes every line of this directive for which `matches` is true, also in included files. */
  remove(name: string, matches: (directive: Directive) => boolean = () => true): ConfigDocument {
    return this.#without(this.all(name).filter(matches));
  }

  /** The main file first, then the included files, each as it is now. */
  files(): ConfigFile[] {
    return this.#files.map(({ path, lines }) => ({ path, text: lines.join("") }));
  }

  /** The files whose text is not what was parsed. */
  changedFiles(): ConfigFile[] {
    return this.#files
      .filter(({ lines, original }) => lines !== original && lines.join("") !== original.join(""))
      .map(({ path, lines }) => ({ path, text: lines.join("") }));
  }

  /** The same settings without comments and blank lines: for what is kept and not written. */
  withoutComments(): ConfigDocument {
    const files = this.#files.map(({ path, lines }) => {
      const active = lines.filter((line) => !isComment(line)).map((line) => lastingCopy(line));
      return { path, original: active, lines: active };
    });
    return new ConfigDocument(files, this.#directory, this.#saveResets);
  }

  #isBehindInclude({ file, line }: Directive): boolean {
    return this.#saveResets && this.all("include").some((other) => other.file === file && other.line < line);
  }

  #with(path: string, edit: (lines: string[]) => void): ConfigDocument {
    const files = this.#files.map((file) => {
      if (file.path !== path) return file;
      const lines = [...file.lines];
      edit(lines);
      return { ...file, lines };
    });
    return new ConfigDocument(files, this.#directory, this.#saveResets);
  }

  #replace(directive: Directive, line: string): ConfigDocument {
    return this.#replaceWith(directive, [line]);
  }

  #replaceWith({ file, line }: Directive, replacements: readonly string[]): ConfigDocument {
    return this.#with(file, (lines) => {
      const old = lines[line - 1] ?? "";
      const indent = /^[ \t]*/.exec(old)?.[0] ?? "";
      const end = lineEnd(old);
      const between = end === "" ? endOf(lines) : end;
      const last = replacements.length - 1;
      lines.splice(
        line - 1,
        1,
        ...replacements.map((text, index) => `${indent}${text}${index === last ? end : between}`),
      );
    });
  }

  #without(directives: readonly Directive[]): ConfigDocument {
    let result: ConfigDocument = this;
    for (const path of new Set(directives.map(({ file }) => file))) {
      const gone = new Set(directives.filter(({ file }) => file === path).map(({ line }) => line));
      result = result.#with(path, (lines) => {
        lines.splice(0, lines.length, ...lines.filter((_, index) => !gone.has(index + 1)));
      });
    }
    return result;
  }

  #insert(name: string, newLines: readonly string[]): ConfigDocument {
    const example = exampleLine(this.#main.lines, name);
    return example === undefined ? this.#append(newLines) : this.#insertAfter(example, newLines);
  }

  /** `after` counts from 1. */
  #insertAfter(after: number, newLines: readonly string[]): ConfigDocument {
    return this.#with(this.#main.path, (lines) => {
      const end = endOf(lines);
      const before = lines[after - 1] ?? "";
      if (lineEnd(before) === "") lines[after - 1] = before + end;
      lines.splice(after, 0, ...newLines.map((line) => line + end));
    });
  }

  #append(newLines: readonly string[]): ConfigDocument {
    return this.#with(this.#main.path, (lines) => {
      const end = endOf(lines);
      const last = lines.at(-1);
      if (last !== undefined && lineEnd(last) === "") lines[lines.length - 1] = last + end;
      const hasHeader = lines.some((line) => line.trimEnd() === HEADER);
      if (!hasHeader && last !== undefined && last.trim() !== "") lines.push(end);
      if (!hasHeader) lines.push(HEADER + end);
      lines.push(...newLines.map((line) => line + end));
    });
  }
}

/**
 * Where the stock file shows this directive as a comment (`# maxmemory <bytes>`): the line's number from 1. A
 * sentence that begins with the word is no example: an example has one value, that of a few directives two.
 */
function exampleLine(lines: readonly string[], name: string): number | undefined {
  const wanted = settingName(name);
  const most = TWO_VALUES.has(name) ? 2 : 1;
  const index = lines.findLastIndex((line) => {
    const [, first = "", values = ""] = /^[ \t]*#[ \t]?([a-z][a-z0-9-]*)[ \t](.*)/.exec(line) ?? [];
    if (first === "" || settingName(first) !== wanted) return false;
    const count = splitWords(values)?.length;
    return count !== undefined && count <= most;
  });
  return index === -1 ? undefined : index + 1;
}

const TWO_VALUES = new Set(["save", "rename-command"]);

/** The pairs of `save`, from single words or from the one string of `CONFIG GET`. */
function savePoints(args: readonly string[]): SavePoint[] {
  const numbers = args.flatMap((arg) => arg.split(" ").filter((word) => word !== "")).map(Number);
  if (numbers.length % 2 === 1 || !numbers.every(Number.isSafeInteger)) {
    const found = JSON.stringify(args.join(" "));
    throw new InputError({ key: "save", message: `should be pairs of seconds and changes, found ${found}` });
  }
  return Array.from({ length: numbers.length / 2 }, (_, i) => [numbers[2 * i] ?? 0, numbers[2 * i + 1] ?? 0]);
}

const isSaveReset = ({ args }: Directive): boolean => args.every((arg) => arg === "");

const isSameWord = (a: string | undefined, b: string): boolean => a?.toLowerCase() === b.toLowerCase();

/** Lines with their ends; joined they are the text again. Redis knows only \n, and takes the \r before it as a blank. */
const splitLines = (text: string): string[] => text.match(/[^\n]*\n|[^\n]+$/g) ?? [];

const lineEnd = (line: string): string => (line.endsWith("\r\n") ? "\r\n" : line.endsWith("\n") ? "\n" : "");

/** The line end of a file: that of its first line. */
const endOf = (lines: readonly string[]): string => lineEnd(lines[0] ?? "") || "\n";
