import type { CheckRecord, HostRecord } from "../record/record.ts";
import { hasFailed } from "../record/summary.ts";
import { keyed, timeless } from "./compare.ts";

/**
 * A host's record in which every finding that its earlier record also has gets the date since when: a check that fails, or
 * could not be made, with the same found and wanted; or the same failure of the host as a whole.
 * @param before from an earlier run of the same kind, dated by `dated`
 */
export function withSince(host: HostRecord, before: HostRecord | undefined): HostRecord {
  if (before === undefined) return host;
  const old = keyed(before.checks);
  const now = [...keyed(host.checks)];
  const checks = now.map(([key, check]) => {
    const since = old.get(key)?.since;
    return since !== undefined && isSameFinding(old.get(key), check) ? { ...check, since } : check;
  });
  const isSameLoss = before.since !== undefined && lossOf(before) === lossOf(host);
  return { ...host, checks, ...(isSameLoss ? { since: before.since } : {}) };
}

/** An earlier record in which every finding says since when: for new ones, the run that found them. */
export function dated(host: HostRecord, startedAt: string): HostRecord {
  const checks = host.checks.map((check) =>
    isFinding(check) && check.since === undefined ? { ...check, since: startedAt } : check,
  );
  const since = lossOf(host) === undefined ? undefined : (host.since ?? startedAt);
  return { ...host, checks, ...(since === undefined ? {} : { since }) };
}

function isFinding({ outcome }: CheckRecord): boolean {
  return outcome === "fail" || outcome === "unknown";
}

function isSameFinding(was: CheckRecord | undefined, is: CheckRecord): boolean {
  return (
    was !== undefined &&
    isFinding(is) &&
    was.outcome === is.outcome &&
    timeless(was.observed) === timeless(is.observed) &&
    timeless(was.expected) === timeless(is.expected)
  );
}

/** What is wrong with a host as a whole; undefined where nothing is. */
function lossOf({ status, error }: HostRecord): string | undefined {
  if (error === null && !hasFailed(status)) return undefined;
  return JSON.stringify([status, error?.where, timeless(error?.found ?? "")]);
}
