import { grouped } from "../lib/words.ts";
import type { CheckRecord, ControllerRecord, HostRecord, RunRecord, Summary } from "./record.ts";
import { type HostStatus, type Outcome, SEVERITIES, type Severity } from "./statuses.ts";

const COUNTED_AS = {
  unchanged: "unchanged",
  "would-change": "wouldChange",
  changed: "changed",
  failed: "failed",
  unreachable: "unreachable",
  "rolled-back": "rolledBack",
  restored: "restored",
  refused: "refused",
  unknown: "unknown",
  "not-started": "notStarted",
} as const satisfies Record<HostStatus, keyof Summary>;

/** The counts of a run. Changes count where they were made or are pending, not where they were undone or refused. */
export function summarize(hosts: readonly HostRecord[]): Summary {
  const counts = Object.fromEntries(
    Object.entries(COUNTED_AS).map(([status, name]) => [
      name,
      hosts.filter((host) => host.status === status).length,
    ]),
  ) as Record<(typeof COUNTED_AS)[HostStatus], number>;
  const checks = hosts.flatMap((host) => host.checks);
  const of = (wanted: Outcome) => checks.filter(({ outcome }) => outcome === wanted).length;
  const allowed = checks.filter(isAllowed).length;
  return {
    hosts: hosts.length,
    ...counts,
    changes: hosts
      .filter(({ status }) => status === "changed" || status === "would-change")
      .reduce((count, host) => count + changeCount(host), 0),
    checks: {
      pass: of("pass"),
      fail: of("fail"),
      skip: of("skip"),
      unknown: of("unknown"),
      ...(allowed === 0 ? {} : { allowed }),
    },
  };
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

/** Whether a host ended otherwise than asked. */
export function hasFailed(status: HostStatus): boolean {
  switch (status) {
    case "failed":
    case "unreachable":
    case "refused":
    case "unknown":
    case "rolled-back":
      return true;
    case "restored":
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
  hosts,
  interrupted,
  failOn,
  controller,
}: {
  hosts: readonly HostRecord[];
  interrupted: boolean;
  failOn?: Severity | undefined;
  controller?: ControllerRecord | undefined;
}): number {
  const statuses = new Set(hosts.map((host) => host.status));
  const checks = hosts.flatMap((host) => host.checks);
  if (interrupted) return 130;
  if (statuses.has("rolled-back")) return 5;
  if (statuses.has("failed") || statuses.has("refused") || statuses.has("unknown")) return 3;
  if (checks.some((check) => check.outcome === "unknown" && check.blockedBy !== undefined)) return 3;
  if (statuses.has("unreachable")) return 4;
  if (checks.some((check) => countsAsFailure(check, failOn))) return 6;
  // Whatever stopped a run has a code above. Should it have none, a host that nobody looked at is not a clean run.
  if (statuses.has("not-started")) return 3;
  if (statuses.has("would-change") || controller?.status === "would-change") return 2;
  return 0;
}
