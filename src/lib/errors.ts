import { types } from "node:util";

/** Where in a user's file something stands. Lines and columns count from 1. */
export interface Place {
  file: string;
  line?: number | undefined;
  column?: number | undefined;
  /** It stands in a vault: a message about it shows no value. */
  fromVault?: true | undefined;
}

/** One problem in the user's input: where, under which key, what was expected and what was found. */
export interface Problem {
  place?: Place | undefined;
  key?: string | undefined;
  message: string;
}

/** Problems that a message names: more of them tell no more, and every one of them could be a line of a broken file. */
const MOST_TOLD = 20;

/** The user's input is wrong. Nothing was touched; the command ends with exit code 1. */
export class InputError extends Error {
  override readonly name = "InputError";
  readonly problems: readonly Problem[];
  /** What this means for the hosts, as a sentence. */
  readonly state: string;

  constructor(problems: Problem | readonly Problem[], state = "No host was touched.") {
    const given: readonly Problem[] = "message" in problems ? [problems] : problems;
    const list = given.map((problem) =>
      problem.place?.fromVault === true ? { ...problem, message: withoutValues(problem.message) } : problem,
    );
    const told = list.slice(0, MOST_TOLD).map(formatProblem);
    if (list.length > told.length) told.push(`and ${list.length - told.length} more`);
    super(told.join("\n"));
    this.problems = list;
    this.state = state;
  }
}

/** A question was left without an answer, or a program was ended, by Ctrl-C, Ctrl-D or a signal. Nothing had begun: exit code 130. */
export class Cancelled extends Error {
  override readonly name = "Cancelled";
}

/** `file:line:column  key: message`, leaving out what is not known. */
export function formatProblem({ place, key, message }: Problem): string {
  const where =
    place && [place.file, place.line, place.column].filter((part) => part !== undefined).join(":");
  const what = key === undefined || key === "" ? message : `${key}: ${message}`;
  return where === undefined ? what : `${where}  ${what}`;
}

/** A message with `••••` for what it quotes and for what it found: that stands in a vault. */
function withoutValues(message: string): string {
  return (
    message
      .replace(/"(?:[^"\\]|\\.)*"?/g, '"••••"')
      // A password that begins with * or ! is an alias or a tag to YAML, one of digits a number.
      .replace(/(\balias \*|\btag !|^the number )[^\s;]+/g, "$1••••")
      .replace(/(\bfound (?:the (?:number|boolean) )?)(?:-?[\d.]|true\b|false\b|[[{]).*$/s, "$1••••")
  );
}

/** Pairs of characters that this process may yet compare for hints: with thousands of slips among thousands of names it would never end. */
const MOST_EFFORT = 20_000_000;
let effort = MOST_EFFORT;

/** For the tests of several files in one process. */
export function restoreHints(): void {
  effort = MOST_EFFORT;
}

/** `, did you mean "x"?` for the candidate nearest to `word`, or nothing when none is near. */
export function didYouMean(word: string, candidates: Iterable<string>): string {
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - word.length) >= bestDistance) continue;
    effort -= candidate.length * word.length;
    if (effort < 0) return "";
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best === undefined ? "" : ` Did you mean "${best}"?`;
}

/** Damerau-Levenshtein distance in its restricted form: two letters changed round count once. */
function editDistance(a: string, b: string): number {
  if (a.length > 80 || b.length > 80) return Number.POSITIVE_INFINITY;
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let best = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, (beforeLast[j - 2] ?? 0) + 1);
      }
      row.push(best);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
}

/** What was thrown, as an error: of a type that says nothing, a program may throw anything. */
export function errorOf(thrown: unknown): Error {
  return types.isNativeError(thrown) ? thrown : new Error(String(thrown));
}

/** What the system says was wrong, such as `ENOENT`; undefined where it was not the system. */
export function codeOf(thrown: unknown): string | undefined {
  return types.isNativeError(thrown) && "code" in thrown && typeof thrown.code === "string"
    ? thrown.code
    : undefined;
}
