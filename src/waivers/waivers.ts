import { daysBetween } from "../lib/day.ts";
import type { CheckRecord, HostRecord, WaiverRecord } from "../record/record.ts";

/** A failure that somebody has accepted for a time. */
export interface Waiver {
  control: string;
  /** As written: a host pattern. */
  hosts: string;
  /** The hosts of the inventory that the pattern selects. */
  selected: ReadonlySet<string>;
  reason: string;
  owner: string;
  /** The last day on which it holds, `YYYY-MM-DD`, UTC. */
  expires: string;
}

/** So many days before it ends, redkeep announces it. */
const ENDING_DAYS = 14;

/**
 * A host's record in which each failure that a waiver covers on `today` (`YYYY-MM-DD`, UTC) has become a `skip` that says so.
 * A check that could not be made stays `unknown`: nobody has seen what they would accept there.
 */
export function waive(host: HostRecord, waivers: readonly Waiver[], today: string): HostRecord {
  if (!host.checks.some(({ outcome }) => outcome === "fail")) return host;
  return { ...host, checks: host.checks.map((check) => waiveCheck(host.host, check, waivers, today)) };
}

function waiveCheck(
  host: string,
  check: CheckRecord,
  waivers: readonly Waiver[],
  today: string,
): CheckRecord {
  if (check.outcome !== "fail") return check;
  const waiver = waiverFor(host, check, waivers, today);
  if (waiver === undefined) return check;
  const { reason, owner, expires } = waiver;
  return { ...check, outcome: "skip", waiver: { reason, owner, expires } };
}

/** Of the waivers that cover a check, the one that holds longest. */
function waiverFor(
  host: string,
  { control }: CheckRecord,
  waivers: readonly Waiver[],
  today: string,
): Waiver | undefined {
  return waivers
    .filter((one) => one.control === control && one.expires >= today && one.selected.has(host))
    .reduce<Waiver | undefined>(
      (last, one) => (last !== undefined && last.expires >= one.expires ? last : one),
      undefined,
    );
}

/** The waivers as the record has them, those that end first ahead. @param hosts as they were before waiving */
export function waiverRecords(
  waivers: readonly Waiver[],
  hosts: readonly HostRecord[],
  today: string,
): WaiverRecord[] {
  const needed = new Set(
    hosts.flatMap(({ host, checks }) =>
      checks.flatMap((check) =>
        check.outcome === "fail" ? (waiverFor(host, check, waivers, today) ?? []) : [],
      ),
    ),
  );
  const checked = hosts.filter(({ checks }) => checks.length > 0).map(({ host }) => host);
  const stateOf = (waiver: Waiver): WaiverRecord["state"] => {
    if (waiver.expires < today) return "expired";
    if (!needed.has(waiver) && checked.some((host) => waiver.selected.has(host))) return "unused";
    return daysBetween(today, waiver.expires) <= ENDING_DAYS ? "ending" : "active";
  };
  return waivers
    .map((waiver) => {
      const { control, hosts, reason, owner, expires } = waiver;
      return { control, hosts, reason, owner, expires, state: stateOf(waiver) };
    })
    .sort((a, b) => a.expires.localeCompare(b.expires, "en"));
}
