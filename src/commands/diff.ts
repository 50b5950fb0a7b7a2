import { resolve } from "node:path";
import { compareRuns, hasWorsened } from "../history/compare.ts";
import { printText, writeText } from "../record/json.ts";
import { readRunRecord, refuseRecordAsTarget } from "../record/read-record.ts";
import { painter, terminalOf } from "../report/colours.ts";
import { diffText } from "../report/diff-text.ts";
import { signsOf } from "../report/layout.ts";
import type { Environment } from "../run/options.ts";

export interface DiffOptions {
  before: string;
  after: string;
  /** A file, or `-` for stdout. */
  json: string | undefined;
  verbose: boolean;
}

/** Compares two run records; reaches no host. Exit code 6 where something got worse. */
export async function diff(
  { before, after, json, verbose }: DiffOptions,
  { cwd, stdout, stderr, env }: Environment,
): Promise<number> {
  if (json !== undefined) refuseRecordAsTarget("--json", json, [before, after], cwd);
  const comparison = compareRuns(await readRunRecord(before, cwd), await readRunRecord(after, cwd));
  const exitCode = hasWorsened(comparison) ? 6 : 0;
  const stream = json === "-" ? stderr : stdout;
  const { colour, unicode, width } = terminalOf(stream, env);
  const page = { paint: painter(colour), signs: signsOf(unicode), width, unicode, verbose };
  await printText(diffText(comparison, exitCode, page), stream);
  const text = `${JSON.stringify(comparison, null, 2)}\n`;
  if (json === "-") await printText(text, stdout);
  else if (json !== undefined) await writeText(text, resolve(cwd, json), 0o600);
  return exitCode;
}
