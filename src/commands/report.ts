import { resolve } from "node:path";
import { type MergedRuns, mergeRuns } from "../history/merge.ts";
import { InputError } from "../lib/errors.ts";
import { printText, recordToJson, writeText } from "../record/json.ts";
import { readRunRecord, refuseRecordAsTarget } from "../record/read-record.ts";
import { applyText } from "../report/apply-text.ts";
import { terminalOf } from "../report/colours.ts";
import { htmlReport } from "../report/html/page.ts";
import { junitReport } from "../report/junit.ts";
import type { TextContext } from "../report/layout.ts";
import { markdownReport } from "../report/markdown.ts";
import { missingShardsText } from "../report/overview.ts";
import { planText } from "../report/plan-text.ts";
import { prometheusReport } from "../report/prometheus.ts";
import { sarifReport } from "../report/sarif.ts";
import { verifyText } from "../report/verify-text.ts";
import type { Environment } from "../run/options.ts";

/** The formats of `redkeep report`, by the name of their option. */
export const FORMATS = ["html", "junit", "sarif", "markdown", "prometheus", "json"] as const;
export type Format = (typeof FORMATS)[number];

export interface ReportOptions {
  records: readonly string[];
  /** A file, or `-` for stdout. */
  outputs: Partial<Record<Format, string>>;
  verbose: boolean;
  /** End as the merged run has ended. */
  exitCode: boolean;
}

/** Merges run records and writes them in other shapes; reaches no host. */
export async function report(
  { records, outputs, verbose, exitCode }: ReportOptions,
  environment: Environment,
): Promise<number> {
  const { cwd, stdout, stderr } = environment;
  const asked = FORMATS.flatMap((format) => {
    const target = outputs[format];
    return target === undefined ? [] : [{ format, target }];
  });
  checkTargets(asked, records, cwd);
  const runs = [];
  for (const file of records) runs.push(await readRunRecord(file, cwd));
  const merged = mergeRuns(runs);
  const missing = missingShardsText(merged.record);
  if (missing !== "") stderr.write(`warning: ${missing}\n`);
  const code = exitCode ? merged.record.exitCode : 0;
  if (asked.length === 0) {
    await printText(recordText(merged, terminalContext(merged, environment, verbose)), stdout);
    return code;
  }
  for (const { format, target } of asked) {
    const text = fitting(format, () => render(format, merged, { cwd, recordFile: records.at(-1) ?? "" }));
    if (target === "-") await printText(text, stdout);
    // The record tells a fleet's weak places; the other shapes are made to be handed on, as the umask allows.
    else await writeText(text, resolve(cwd, target), format === "json" ? 0o600 : 0o666);
  }
  return code;
}

function checkTargets(
  asked: readonly { format: Format; target: string }[],
  records: readonly string[],
  cwd: string,
): void {
  for (const [index, { format, target }] of asked.entries()) {
    refuseRecordAsTarget(`--${format}`, target, records, cwd);
    const twin = asked.slice(0, index).find((other) => isSameTarget(other.target, target, cwd));
    if (twin !== undefined) {
      throw new InputError({
        key: `--${format}`,
        message: `would be written over what --${twin.format} writes: both name ${target}`,
      });
    }
  }
}

function isSameTarget(a: string, b: string, cwd: string): boolean {
  return a === "-" || b === "-" ? a === b : resolve(cwd, a) === resolve(cwd, b);
}

/** @throws InputError where the text would be longer than one can be. */
function fitting(format: Format, make: () => string): string {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof RangeError && error.message === "Invalid string length")) throw error;
    throw new InputError({
      key: `--${format}`,
      message: "would be longer than half a gigabyte: report fewer records at once",
    });
  }
}

function render(
  format: Format,
  merged: MergedRuns,
  { cwd, recordFile }: { cwd: string; recordFile: string },
): string {
  switch (format) {
    case "html":
      return htmlReport(merged);
    case "junit":
      return junitReport(merged.record);
    case "sarif":
      return sarifReport(merged.record, { cwd, recordFile });
    case "markdown":
      return markdownReport(merged);
    case "prometheus":
      return prometheusReport(merged);
    case "json":
      return recordToJson(merged.record);
  }
}

/** The text that the run itself has ended with. */
function recordText({ record }: MergedRuns, context: TextContext): string {
  switch (record.command) {
    case "plan":
      return planText(record, context);
    case "verify":
      return verifyText(record, context);
    case "apply":
    case "rollback":
    case "eject":
      return applyText(record, context);
  }
}

function terminalContext(
  { record }: MergedRuns,
  { stdout, env, program }: Environment,
  verbose: boolean,
): TextContext {
  const { colour, unicode, width } = terminalOf(stdout, env);
  const files = record.hosts.flatMap(({ place }) => place?.file ?? []);
  const [inventoryArgument = "INVENTORY", ...more] = new Set(files);
  return {
    plays: [],
    hostFacts: new Map(
      record.hosts.flatMap(({ host, server }) =>
        server === undefined
          ? []
          : [[host, { product: `${server.product} ${server.version}`, os: server.system }] as const],
      ),
    ),
    program,
    inventoryArgument,
    otherArguments: more.flatMap((file) => ["-i", file]),
    verbose,
    diff: false,
    width,
    colour,
    unicode,
  };
}
