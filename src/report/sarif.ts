import { createHash } from "node:crypto";
import { isAbsolute, relative, sep } from "node:path";
import { gzipSync } from "node:zlib";
import { checkKeys } from "../history/check-keys.ts";
import { printable } from "../lib/printable.ts";
import { grouped } from "../lib/words.ts";
import type { CheckRecord, HostRecord, RunRecord } from "../record/record.ts";
import { SEVERITIES } from "../record/statuses.ts";
import { hasFailed, isAllowed } from "../record/summary.ts";
import { statusInWords } from "../record/words.ts";
import { controlOf } from "../verify/controls.ts";
import { referenceText } from "./controls-text.ts";

/** What code scanning takes: more results, or a larger file, and it refuses the whole upload. */
const MAX_RESULTS = 25_000;
const SHOWN_RESULTS = 5_000;
const MAX_GZIPPED = 10 * 1024 * 1024;
const MAX_MESSAGE = 1_000;

/** Code scanning reads above 9.0 as critical, from 7.0 as high, from 4.0 as medium, above 0 as low. */
const SECURITY_SEVERITY = { critical: "9.5", high: "8.0", medium: "5.5", low: "2.0", info: "0.1" } as const;
export const LEVEL = {
  critical: "error",
  high: "error",
  medium: "warning",
  low: "note",
  info: "note",
} as const;

/**
 * SARIF 2.1.0: a rule for each control, a result for each check that fails, is waived or is allowed by the playbook, at the line of the inventory
 * that names the host. Beyond the limits of code scanning the least severe results are left out, and the file says so.
 *
 * @param cwd what relative places count from; a place inside of it is written relative to it
 * @param recordFile stands in for the place of a host that no inventory file names
 */
export function sarifReport(
  record: RunRecord,
  { cwd, recordFile }: { cwd: string; recordFile: string },
): string {
  const findings = findingsOf(record);
  let count = Math.min(findings.length, MAX_RESULTS);
  for (;;) {
    const text = sarifText(record, findings.slice(0, count), findings.length, (host) =>
      uriOf(host.place?.file ?? recordFile, cwd),
    );
    // No text grows when it is packed.
    if (text.length < MAX_GZIPPED || gzipSync(text).length <= MAX_GZIPPED) return text;
    count = Math.floor(count * 0.8);
  }
}

interface Finding {
  host: HostRecord;
  check: CheckRecord;
  key: string;
}

/** The gravest first; of one severity, the failing ones before the others. */
function findingsOf({ hosts }: RunRecord): Finding[] {
  const all = hosts.flatMap((host) => {
    const keys = checkKeys(host.checks);
    return host.checks.map((check, index) => ({ host, check, key: keys[index] ?? "" }));
  });
  const rank = ({ check }: Finding) =>
    SEVERITIES.indexOf(check.severity) * 2 + (check.outcome === "fail" ? 0 : 1);
  return all
    .filter(({ check }) => check.outcome === "fail" || check.waiver !== undefined || isAllowed(check))
    .sort((a, b) => rank(a) - rank(b));
}

function sarifText(
  record: RunRecord,
  findings: readonly Finding[],
  total: number,
  uri: (host: HostRecord) => string,
): string {
  const rules = rulesOf(record);
  const ruleIndex = new Map(rules.map(({ id }, index) => [id, index]));
  const isComplete = record.hosts.every(({ status }) => !hasFailed(status));
  const log = {
    $schema: "https://json.schemastore.org/sarif-2.1.0.json",
    version: "2.1.0",
    runs: [
      {
        tool: {
          driver: { name: "redkeep", semanticVersion: record.version, version: record.version, rules },
        },
        automationDetails: { id: `redkeep/${record.command}/` },
        invocations: [
          {
            executionSuccessful: isComplete,
            exitCode: record.exitCode,
            startTimeUtc: record.startedAt,
            endTimeUtc: new Date(Date.parse(record.startedAt) + record.durationMs).toISOString(),
            toolExecutionNotifications: notifications(record, findings.length, total),
          },
        ],
        columnKind: "utf16CodeUnits",
        results: findings.map((finding) => resultOf(finding, ruleIndex, uri)),
      },
    ],
  };
  return `${JSON.stringify(log)}\n`;
}

function rulesOf({ hosts }: RunRecord) {
  const controls = new Map<string, CheckRecord>();
  for (const check of hosts.flatMap(({ checks }) => checks)) {
    if (!controls.has(check.control)) controls.set(check.control, check);
  }
  return [...controls.values()].toSorted((a, b) => (a.control < b.control ? -1 : 1)).map(sarifRule);
}

/** The rule of a control. */
export function sarifRule({ control, title, severity }: Pick<CheckRecord, "control" | "title" | "severity">) {
  const known = controlOf(control);
  const text = printable(title, MAX_MESSAGE);
  const remedy =
    known === undefined
      ? ""
      : known.fixedBy === null
        ? (known.note ?? "")
        : `The task "${known.fixedBy}" sets it: redkeep plan shows what would change.`;
  return {
    id: control,
    name: control,
    shortDescription: { text },
    fullDescription: { text: known?.why ?? text },
    help: {
      text: [known?.why ?? text, remedy, ...(known?.references ?? []).map(referenceText)]
        .filter(Boolean)
        .join("\n"),
    },
    defaultConfiguration: { level: LEVEL[severity] },
    properties: {
      "security-severity": SECURITY_SEVERITY[severity],
      precision: "very-high",
      tags: ["security", ...(known?.tags ?? [])],
    },
  };
}

function resultOf(
  { host, check, key }: Finding,
  ruleIndex: ReadonlyMap<string, number>,
  uri: (host: HostRecord) => string,
) {
  const { control, title, severity, expected, observed, source } = check;
  const accepted = acceptedBecause(check);
  const message = `${host.host}: ${title}: ${observed}; wanted ${expected} (${source})`;
  return {
    ruleId: control,
    ruleIndex: ruleIndex.get(control) ?? -1,
    level: LEVEL[severity],
    message: { text: printable(message, MAX_MESSAGE) },
    locations: [
      {
        physicalLocation: {
          artifactLocation: { uri: uri(host) },
          region: { startLine: host.place?.line ?? 1 },
        },
        logicalLocations: [
          { name: host.host, fullyQualifiedName: `${host.host}/${control}`, kind: "resource" },
        ],
      },
    ],
    partialFingerprints: { "redkeepHostControl/v1": fingerprint(host.host, key) },
    properties: { host: host.host, severity },
    ...(accepted === undefined
      ? {}
      : {
          suppressions: [
            {
              kind: "external",
              status: "accepted",
              justification: printable(accepted, MAX_MESSAGE),
            },
          ],
        }),
  };
}

/** Who accepted it, where it is no failure. */
function acceptedBecause(check: CheckRecord): string | undefined {
  const { waiver, allowed } = check;
  if (waiver !== undefined) return `waived until ${waiver.expires} by ${waiver.owner}: ${waiver.reason}`;
  return isAllowed(check) ? `${allowed?.reason}: ${allowed?.parameter}` : undefined;
}

/** The same for a host and a control in every run, whatever was observed and wherever the inventory names the host. */
function fingerprint(host: string, key: string): string {
  return createHash("sha256")
    .update(JSON.stringify([host, key]))
    .digest("hex")
    .slice(0, 32);
}

/** A relative URI where the file lies below `cwd`, so that it is found in the repository. */
export function uriOf(file: string, cwd: string): string {
  const path = isAbsolute(file) ? relative(cwd, file) : file;
  const parts = (path.startsWith("..") ? file : path)
    .split(sep)
    .filter((part) => part !== "" && part !== ".");
  const uri = parts.map(encodeURIComponent).join("/");
  return path.startsWith("..") && isAbsolute(file) ? `file:///${uri}` : uri;
}

interface Notification {
  level: "warning" | "error";
  message: { text: string };
}

function notifications(record: RunRecord, written: number, total: number): Notification[] {
  const lost = record.hosts.filter(
    ({ status, error }) => error !== null || hasFailed(status) || status === "not-started",
  );
  const limits: Notification[] =
    written < total
      ? [
          {
            level: "warning",
            message: {
              text: `${grouped(total - written)} of ${grouped(total)} results are left out, the least severe ones: code scanning takes no larger file. The run record has all.`,
            },
          },
        ]
      : total > SHOWN_RESULTS
        ? [
            {
              level: "warning",
              message: {
                text: `Of ${grouped(total)} results, code scanning shows the first ${grouped(SHOWN_RESULTS)}: the most severe ones.`,
              },
            },
          ]
        : [];
  // Each host that is missing from the results is named, as far as anybody reads.
  const hosts = lost.slice(0, 100).map(
    ({ host, status, error }): Notification => ({
      level: "error",
      message: {
        text: printable(
          `${host}: ${statusInWords(status)}${error === null ? "" : `: ${error.found}`}`,
          MAX_MESSAGE,
        ),
      },
    }),
  );
  const more: Notification[] =
    lost.length > hosts.length
      ? [
          {
            level: "error",
            message: {
              text: `${grouped(lost.length - hosts.length)} more hosts failed or were not reached.`,
            },
          },
        ]
      : [];
  return [...limits, ...hosts, ...more];
}
