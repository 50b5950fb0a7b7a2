import { createHash } from "node:crypto";
import { printable } from "../lib/printable.ts";
import { LINT_CONTROLS } from "../lint/finding.ts";
import type { LintResult } from "./lint-text.ts";
import { LEVEL, sarifRule, uriOf } from "./sarif.ts";

/** The findings as SARIF 2.1.0: a rule for each control, a result for each finding, at its line. */
export function lintSarif({ version, findings, exitCode }: LintResult, cwd: string): string {
  const ids = [...new Set(findings.map(({ control }) => control))].sort();
  const seen = new Map<string, number>();
  const results = findings.map(({ file, line, column, severity, control, message, remedy }) => {
    const text = printable(`${message} (${remedy})`);
    // Without the line, so that a finding stays the same when lines above it come and go.
    const key = JSON.stringify([file, control, message]);
    const count = (seen.get(key) ?? 0) + 1;
    seen.set(key, count);
    const fingerprint = createHash("sha256").update(`${key}${count}`).digest("hex").slice(0, 32);
    return {
      ruleId: control,
      ruleIndex: ids.indexOf(control),
      level: LEVEL[severity],
      message: { text },
      locations: [
        {
          physicalLocation: {
            artifactLocation: { uri: uriOf(file, cwd) },
            region: { startLine: line, startColumn: column },
          },
        },
      ],
      partialFingerprints: { "redkeepFileFinding/v1": fingerprint },
      properties: { severity },
    };
  });
  const log = {
    $schema: "https://json.schemastore.org/sarif-2.1.0.json",
    version: "2.1.0",
    runs: [
      {
        tool: {
          driver: {
            name: "redkeep",
            semanticVersion: version,
            version,
            rules: ids.map((control) => sarifRule({ control, ...LINT_CONTROLS[control] })),
          },
        },
        automationDetails: { id: "redkeep/lint/" },
        invocations: [{ executionSuccessful: true, exitCode }],
        columnKind: "utf16CodeUnits",
        results,
      },
    ],
  };
  return `${JSON.stringify(log)}\n`;
}
