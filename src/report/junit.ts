import { checkKeys } from "../history/check-keys.ts";
import { printable } from "../lib/printable.ts";
import type { CheckRecord, HostRecord, RunRecord } from "../record/record.ts";
import { hasFailed, isAllowed } from "../record/summary.ts";
import { skippedInWords, statusInWords } from "../record/words.ts";

/**
 * JUnit XML in the shape that Jenkins and GitLab read: a suite for each host, a case for each check. A host that could
 * not be asked, or that failed, is a case with an error; waived, allowed by the playbook and unchecked is skipped.
 */
export function junitReport(record: RunRecord): string {
  const suites = [
    ...(record.missingShards ?? []).map((shard) => missingSuite(shard, record.command)),
    ...record.hosts.map((host) => ({
      name: host.host,
      durationMs: host.durationMs,
      cases: casesOf(host, record.command),
    })),
  ];
  const all = suites.flatMap(({ cases }) => cases);
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites${attributes({ name: `redkeep ${record.command}`, ...counts(all), time: seconds(record.durationMs) })}>`,
    ...suites.flatMap(({ name, durationMs, cases }) => [
      `  <testsuite${attributes({
        name,
        ...counts(cases),
        skipped: cases.filter(({ result }) => result?.kind === "skipped").length,
        time: seconds(durationMs),
        timestamp: record.startedAt.slice(0, 19),
        hostname: name,
      })}>`,
      ...cases.map(caseText),
      "  </testsuite>",
    ]),
    "</testsuites>",
    "",
  ].join("\n");
}

/** Its hosts were perhaps never looked at: that is an error, not an absence. */
function missingSuite(shard: number, command: RunRecord["command"]) {
  const name = `shard ${shard}`;
  const result = { kind: "error", type: "missing", message: "there is no record of this shard" } as const;
  return { name, durationMs: 0, cases: [{ host: name, name: `redkeep ${command}`, result }] };
}

interface Case {
  host: string;
  name: string;
  result:
    | { kind: "failure" | "error" | "skipped"; message: string; type?: string; text?: string }
    | undefined;
}

function casesOf(host: HostRecord, command: RunRecord["command"]): Case[] {
  const keys = checkKeys(host.checks);
  const checks = host.checks.map((check, index) => ({
    host: host.host,
    // The title is for people; what follows it keeps two cases of one control apart.
    name: `${check.control} ${check.title} (${(keys[index] ?? "").slice(check.control.length + 1)})`,
    result: resultOf(check),
  }));
  return [...hostCase(host, command), ...checks];
}

/** Present where the host itself is the news: unreachable, failed, refused. */
function hostCase({ host, status, error }: HostRecord, command: RunRecord["command"]): Case[] {
  if (error === null && !hasFailed(status) && status !== "not-started") return [];
  const name = `redkeep ${command}`;
  if (status === "not-started" && error === null)
    return [{ host, name, result: { kind: "skipped", message: statusInWords(status) } }];
  const text =
    error === null
      ? ""
      : [
          `Where: ${error.where}`,
          `Found: ${error.found}`,
          `State: ${error.state}`,
          `Do:    ${error.remedy}`,
        ].join("\n");
  const message = `${statusInWords(status)}${error === null ? "" : `: ${error.found.split("\n")[0]}`}`;
  return [{ host, name, result: { kind: "error", type: status, message, text } }];
}

function resultOf(check: CheckRecord): Case["result"] {
  const { outcome, expected, observed, source, severity, waiver } = check;
  if (outcome === "pass") return undefined;
  if (waiver !== undefined) {
    return {
      kind: "skipped",
      message: `waived until ${waiver.expires} by ${waiver.owner}: ${waiver.reason}; found ${observed}`,
    };
  }
  if (isAllowed(check)) {
    const { allowed } = check;
    const message = `${allowed?.reason}: ${allowed?.parameter}; found ${observed}, demanded ${expected}`;
    return { kind: "skipped", message };
  }
  if (outcome === "skip") return { kind: "skipped", message: `${skippedInWords(check)}: ${observed}` };
  if (outcome === "unknown") return { kind: "skipped", message: `not checked: ${observed}` };
  const text = `Expected: ${expected}\nObserved: ${observed}\nSource:   ${source}`;
  return { kind: "failure", type: severity, message: `${observed}; wanted ${expected}`, text };
}

function caseText({ host, name, result }: Case): string {
  const open = `    <testcase${attributes({ name, classname: host })}`;
  if (result === undefined) return `${open}/>`;
  const { kind, message, type, text } = result;
  const body = `<${kind}${attributes({ message: printable(message, 1_000), ...(type === undefined ? {} : { type }) })}`;
  return `${open}>${text === undefined ? `${body}/>` : `${body}>${xml(text)}</${kind}>`}</testcase>`;
}

function counts(cases: readonly Case[]): { tests: number; failures: number; errors: number } {
  const count = (kind: string) => cases.filter(({ result }) => result?.kind === kind).length;
  return { tests: cases.length, failures: count("failure"), errors: count("error") };
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(3);
}

function attributes(values: Record<string, string | number>): string {
  return Object.entries(values)
    .map(([name, value]) => ` ${name}="${xml(String(value))}"`)
    .join("");
}

/** Everything that XML 1.0 does not allow becomes U+FFFD: one such character makes the whole file unreadable. */
function xml(text: string): string {
  return text
    .replace(/[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/gu, "\u{fffd}")
    .replace(/[&<>"']/g, (character) => `&#${character.codePointAt(0)};`);
}
