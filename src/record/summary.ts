import { grouped } from "../lib/words.ts";
import type { CheckRecord, ControllerRecord, HostRecord, RunRecord, Summary } from "./record.ts";
import { type HostStatus, SEVERITIES, type Severity } from "./statuses.ts";

const COUNTED_AS = {
  unchanged: "unchanged",
  "would-change": "wouldChange",
  changed: "changed",
  failed: "failed",
  unreachable: "unreachable",
  "rolled-back": "rolledBack",
  refused: "refused",
  unknown: "unknown",
  "not-started": "notStarted",
} as const satisfies Record<HostStatus, keyof Summary>;

/** The counts of a run. Changes count where they were made or are pending, not where they were undone or refused. */
export function summarize(hosts: readonly HostRecord[]): Summary {
  const summary: Summary = {
    hosts: hosts.length,
    unchanged: 0,
    wouldChange: 0,
    changed: 0,
    failed: 0,
    unreachable: 0,
    rolledBack: 0,
    refused: 0,
    unknown: 0,
    notStarted: 0,
    changes: 0,
    checks: { pass: 0, fail: 0, skip: 0, unknown: 0 },
  };
  for (const host of hosts) {
    summary[COUNTED_AS[host.status]] += 1;
    if (host.status === "changed" || host.status === "would-change") summary.changes += changeCount(host);
    for (const check of host.checks) {
      summary.checks[check.outcome] += 1;
      if (isAllowed(check)) summary.checks.allowed = (summary.checks.allowed ?? 0) + 1;
    }
  }
  return summary;
}

/** `6 skipped (2 waived, 1 allowed by the playbook)`; empty where none is. */
export function skippedText(
  { checks: { skip, allowed = 0 } }: Pick<Summary, "checks">,
  hosts: readonly HostRecord[],
): string {
  if (skip === 0) return "";
  const waived = hosts.flatMap(({ checks }) => checks.filter(({ waiver }) => waiver !== undefined)).length;
  const as = [
    ...(waived > 0 ? [`${grouped(waived)} waived`] : []),
    ...(allowed > 0 ? [`${grouped(allowed)} allowed by the playbook`] : []),
  ];
  return `${grouped(skip)} skipped${as.length > 0 ? ` (${as.join(", ")})` : ""}`;
}

export function changeCount(host: HostRecord): number {
  return host.tasks.reduce((count, task) => count + task.changes.length, 0);
}

/** Whether a host ended otherwise than asked. `rolled-back` is what `rollback` was asked for. */
export function hasFailed(status: HostStatus, command: RunRecord["command"]): boolean {
  switch (status) {
    case "failed":
    case "unreachable":
    case "refused":
    case "unknown":
      return true;
    case "rolled-back":
      return command !== "rollback";
    case "unchanged":
    case "would-change":
    case "changed":
    case "not-started":
      return false;
  }
}

/** Whether a demand is unmet because the playbook asks for that, and still may be. */
export function isAllowed({ outcome, allowed, waiver }: CheckRecord): boolean {
  return outcome === "skip" && allowed !== undefined && waiver === undefined;
}

/** Whether nobody knows if the control holds, for whatever reason. */
export function isOpen({ outcome, skipped }: CheckRecord): boolean {
  return outcome === "unknown" || (outcome === "skip" && skipped === "untold");
}

/** Whether a check fails at or above the severity of `--fail-on`; without one every failure counts. */
export function countsAsFailure({ outcome, severity }: CheckRecord, failOn: Severity | undefined): boolean {
  return outcome === "fail" && (failOn === undefined || isAtLeast(severity, failOn));
}

/** Whether a severity is this one or a graver one. */
export function isAtLeast(severity: Severity, limit: Severity): boolean {
  return SEVERITIES.indexOf(severity) <= SEVERITIES.indexOf(limit);
}

/** Whether a certificate that the run has seen needs somebody: it has ended, ends soon, or is of no use. */
export function needsRenewal({ hosts, controller }: Pick<RunRecord, "hosts" | "controller">): boolean {
  return [...hosts, ...(controller === undefined ? [] : [controller])].some(({ certificates = [] }) =>
    certificates.some(({ state }) => state === "ended" || state === "ending" || state === "unusable"),
  );
}

/**
 * The exit code of a run that reached its hosts: the first of 130, 5, 3, 4, 6, 2, 0 that applies. Exit code 1 is
 * decided before there is a record.
 */
export function exitCodeOf({
  command,
  hosts,
  interrupted,
  failOn,
  controller,
}: {
  command: RunRecord["command"];
  hosts: readonly HostRecord[];
  interrupted: boolean;
  failOn?: Severity | undefined;
  controller?: ControllerRecord | undefined;
}): number {
  const statuses = new Set(hosts.map((host) => host.status));
  const checks = hosts.flatMap((host) => host.checks);
  if (interrupted) return 130;
  if (statuses.has("rolled-back") && command !== "rollback") return 5;
  if (statuses.has("failed") || statuses.has("refused") || statuses.has("unknown")) return 3;
  if (checks.some((check) => check.outcome === "unknown" && check.blockedBy !== undefined)) return 3;
  if (statuses.has("unreachable")) return 4;
  if (checks.some((check) => countsAsFailure(check, failOn))) return 6;
  // Whatever stopped a run has a code above. Should it have none, a host that nobody looked at is not a clean run.
  if (statuses.has("not-started")) return 3;
  if (statuses.has("would-change") || controller?.status === "would-change") return 2;
  return 0;
}
