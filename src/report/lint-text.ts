import { guardLines, printable } from "../lib/printable.ts";
import { NO_BREAK, plural } from "../lib/words.ts";
import type { Finding } from "../lint/finding.ts";
import { SEVERITIES, type Severity } from "../record/statuses.ts";
import { painter, type Terminal, toAscii } from "./colours.ts";

/** What a run of lint has found. */
export interface LintResult {
  /** redkeep's own. */
  version: string;
  files: readonly string[];
  findings: readonly Finding[];
  exitCode: number;
}

const COLOURS = {
  critical: "red",
  high: "red",
  medium: "yellow",
  low: "dim",
  info: "dim",
} as const satisfies Record<Severity, string>;

/** One line for each finding, `file:line:column severity control message (what to do)`, and their count. */
export function lintText(
  { files, findings, exitCode }: LintResult,
  { colour, unicode }: Pick<Terminal, "colour" | "unicode">,
): string {
  const paint = painter(colour);
  const lines = findings.map(({ file, line, column, severity, control, message, remedy }) =>
    [
      `${printable(file)}:${line}:${column}`,
      paint(COLOURS[severity], severity),
      control,
      printable(`${message} (${remedy})`),
    ].join(" "),
  );
  const counts = SEVERITIES.flatMap((severity) => {
    const count = findings.filter((finding) => finding.severity === severity).length;
    return count > 0 ? [`${count} ${severity}`] : [];
  });
  const answer =
    findings.length === 0 ? "no findings" : `${plural(findings.length, "finding")} (${counts.join(", ")})`;
  const last = `${plural(files.length, "file")}: ${answer}.        exit ${exitCode}`;
  const text = guardLines(`${[...lines, last].join("\n")}\n`.replaceAll(NO_BREAK, " "));
  return unicode ? text : toAscii(text);
}

/** The same for machines, as "redkeep.lint/1". */
export function lintJson({ version, files, findings, exitCode }: LintResult): string {
  const safe = findings.map((finding) => ({
    ...finding,
    file: printable(finding.file),
    message: printable(finding.message),
    remedy: printable(finding.remedy),
  }));
  const record = {
    schema: "redkeep.lint/1",
    version,
    exitCode,
    files: files.map((file) => printable(file)),
    findings: safe,
  };
  return `${JSON.stringify(record, null, 2)}\n`;
}
