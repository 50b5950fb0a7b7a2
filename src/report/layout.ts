import stringWidth from "string-width";
import type { Difference } from "../history/compare.ts";
import { guardLines, printable } from "../lib/printable.ts";
import { NO_BREAK } from "../lib/words.ts";
import type { HostRecord, RunRecord } from "../record/record.ts";
import { safeRecord } from "../record/safe-record.ts";
import { needsRenewal } from "../record/summary.ts";
import { shellWord } from "../shell/quote.ts";
import { type Paint, painter, toAscii } from "./colours.ts";

/** What the texts need beside the record. */
export interface TextContext {
  plays: readonly { name: string; taskCount: number }[];
  /** By host: such as `Redis 7.0.15` and `Debian 12`. Hosts that could not be asked are missing. */
  hostFacts: ReadonlyMap<string, { product: string; os: string }>;
  /** What `-i` named; undefined where the configuration does. */
  inventoryArgument?: string;
  playbookArgument?: string;
  /**
   * Further words of the command line that the next command needs to mean the same hosts, tasks and values: more
   * `-i`, `--limit`, `--tags`, `-e` and so on, without `--yes`, `--check` and the options of output.
   */
  /** The words that start redkeep again. */
  program?: readonly string[];
  otherArguments?: readonly string[];
  /** Where the record was written, for the last lines. */
  recordPath?: string;
  /** An encrypted state that has other secrets than before the run: whoever has a copy needs it. */
  stateToCommit?: string;
  /** `--fail-on-impact`: somebody who would notice is a reason to stop. */
  failOnImpact?: boolean;
  verbose: boolean;
  /** No terminal, as in a nightly job: only new findings are shown in full, and a run without any prints one line. */
  unattended?: boolean;
  /** What differs from the last run like this one, where its record was kept. */
  differences?: readonly Difference[];
  /** Show the whole of every difference. */
  diff: boolean;
  /** Columns. */
  width: number;
  colour: boolean;
  unicode: boolean;
}

/** The record and its context made safe to print, with the signs and colours that the terminal can show. */
export interface Page extends TextContext {
  record: RunRecord;
  hosts: readonly HostRecord[];
  paint: Paint;
  signs: Signs;
}

export function pageOf(record: RunRecord, context: TextContext): Page {
  const safe = safeRecord(record);
  return {
    ...context,
    plays: context.plays.map((play) => ({ ...play, name: printable(play.name) })),
    hostFacts: new Map(
      [...context.hostFacts].map(([host, { product, os }]) => [
        printable(host),
        { product: printable(product, 80), os: printable(os, 80) },
      ]),
    ),
    differences: (context.differences ?? []).map(safeDifference),
    width: Math.max(40, context.width),
    record: safe,
    hosts: safe.hosts,
    paint: painter(context.colour),
    signs: signsOf(context.unicode),
  };
}

function safeDifference(difference: Difference): Difference {
  const safe = <T>(text: T) => (typeof text === "string" ? printable(text) : text);
  const { host, what, before, after } = difference;
  return { ...difference, host: safe(host), what: safe(what), before: safe(before), after: safe(after) };
}

interface Signs {
  good: string;
  bad: string;
  warning: string;
  open: string;
  skipped: string;
  restart: string;
}

const SIGNS: Signs = { good: "✔", bad: "✖", warning: "!", open: "?", skipped: "-", restart: "↻ restart" };
const ASCII_SIGNS: Signs = { good: "*", bad: "X", warning: "!", open: "?", skipped: "-", restart: "restart" };

export function signsOf(unicode: boolean): Signs {
  return unicode ? SIGNS : ASCII_SIGNS;
}

/** The lines as text for stdout: no CI command at the beginning of a line, ASCII where the terminal has no more. */
export function finish(lines: readonly string[], page: Pick<Page, "unicode">): string {
  const text = guardLines(`${lines.map((line) => line.replaceAll(NO_BREAK, " ").trimEnd()).join("\n")}\n`);
  return page.unicode ? text : toAscii(text);
}

/** Columns that `text` takes: none for colours, two for wide letters. */
export function widthOf(text: string): number {
  return stringWidth(text);
}

export function pad(text: string, width: number): string {
  return text + " ".repeat(Math.max(0, width - widthOf(text)));
}

/**
 * `text` as lines of at most `width` columns, the first after `first` and the others after as many blanks. Its own
 * line breaks stay. A word longer than a line is not broken, so that it can be copied. Not by wrap-ansi: it normalises
 * the letters of names, and either drops a line's own indent or begins the next line with a blank.
 */
export function hanging(first: string, text: string, width: number): string[] {
  const indent = " ".repeat(widthOf(first));
  const lines = text
    .replaceAll("\t", "    ")
    .split("\n")
    .flatMap((line) => wrapped(line, width - indent.length));
  return lines.map((line, index) => (index === 0 ? first : indent) + line);
}

function wrapped(line: string, width: number): string[] {
  const lines: string[] = [];
  let current: string | undefined;
  for (const word of line.split(" ")) {
    if (current === undefined) current = word;
    else if (current.trim() === "" || widthOf(current) + 1 + widthOf(word) <= width) current += ` ${word}`;
    else {
      lines.push(current);
      current = word;
    }
  }
  return [...lines, current ?? ""];
}

/** A shell command that goes on from here: the same inventory, playbook and choice of hosts. */
export function nextCommand(page: Page, verb: string, extra: readonly string[] = []): string {
  const others = page.otherArguments ?? [];
  const kept = extra.length === 0 ? others : withoutChoiceOfHosts(others);
  const playbook = page.playbookArgument === undefined ? [] : [page.playbookArgument];
  const words = [
    ...(page.program ?? ["redkeep"]),
    verb,
    ...playbook,
    ...(page.inventoryArgument === undefined ? [] : ["-i", page.inventoryArgument]),
    // Both become root unasked.
    ...(verb === "rollback" || verb === "eject" ? kept.filter((word) => word !== "--become") : kept),
    ...extra,
  ];
  return words.map((word) => shellWord(printable(word))).join(" ");
}

function withoutChoiceOfHosts(words: readonly string[]): string[] {
  const kept: string[] = [];
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? "";
    if (/^(--limit|-l|--retry-failed|--shard)$/.test(word)) index++;
    else if (!/^(--limit|--retry-failed|--shard)=/.test(word)) kept.push(word);
  }
  return kept;
}

/** `--limit a,b` where the hosts are few enough to be typed, else nothing: the whole choice again. */
export function limitTo(hosts: readonly string[], all: readonly HostRecord[]): string[] {
  return hosts.length === all.length || hosts.length === 0 || hosts.length > 5
    ? []
    : ["--limit", hosts.join(",")];
}

/** The last lines: the answer, where the record lies, what to do next, and at the very end the exit code. */
export function lastLines(answer: string, next: readonly string[], page: Page): string[] {
  const record = page.recordPath === undefined ? [] : [`Record: ${printable(page.recordPath)}`];
  if (page.stateToCommit !== undefined)
    record.push(`State: ${printable(page.stateToCommit)} has new secrets: commit it.`);
  const lines = [...hanging("", answer, page.width), ...record, ...next];
  const last = lines.at(-1) ?? "";
  const exit = `exit ${page.record.exitCode}`;
  const gap = Math.min(8, page.width - widthOf(last) - exit.length);
  const painted = page.paint("bold", exit);
  return gap < 3 ? [...lines, painted] : [...lines.slice(0, -1), last + " ".repeat(gap) + painted];
}

/**
 * Whether the run is one that nobody has to read: no terminal, nothing changed, no check fails that held before, no user
 * can do more than before, and no waiver, no certificate and nothing that the playbook allows ends. What could not be told is
 * counted in the line that remains.
 */
export function isQuiet({ unattended, record, hosts, differences = [] }: Page): boolean {
  return (
    unattended === true &&
    record.exitCode === 0 &&
    hosts.every(({ status, impact }) => status === "unchanged" && impact.length === 0) &&
    hosts.every(({ checks }) => checks.every(({ outcome, since }) => outcome !== "fail" || since)) &&
    record.controller?.status !== "changed" &&
    !needsRenewal(record) &&
    !differences.some(({ direction }) => NEWS.includes(direction)) &&
    !hosts.some(({ allowed = [] }) => allowed.some(({ state }) => state === "ending")) &&
    !(record.waivers ?? []).some(({ state }) => state === "expired" || state === "ending")
  );
}

/** Differences that somebody should hear of; a control that is new and holds is none. */
const NEWS: readonly Difference["direction"][] = ["worse", "better", "gone"];

/** The answer and the exit code alone. */
export function oneLine(answer: string, page: Page): string {
  return finish([`${answer}        exit ${page.record.exitCode}`], page);
}

/** Non-empty blocks with a blank line between them. */
export function blocks(...all: readonly (readonly string[])[]): string[] {
  return all
    .filter((block) => block.length > 0)
    .flatMap((block, index) => (index === 0 ? block : ["", ...block]));
}
