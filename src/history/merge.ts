import { InputError } from "../lib/errors.ts";
import type { ControllerRecord, HostRecord, RunRecord, WaiverRecord } from "../record/record.ts";
import { exitCodeOf, summarize } from "../record/summary.ts";
import { compareRuns, type RunComparison } from "./compare.ts";

/** Several records as one. */
export interface MergedRuns {
  /** Every host as its newest record has it. */
  record: RunRecord;
  /** When each host of `record` was looked at: `startedAt` of the run it comes from. */
  lookedAt: ReadonlyMap<string, string>;
  /** The hosts that have an older record, as that one has them. */
  before: RunRecord | undefined;
}

/**
 * Merges the hosts of all records, such as the shards of one run. Where a host is in several records, the newest counts and
 * the one before it is kept for comparison; of two that began at the same moment, the later argument counts. A shard that
 * was run again counts as newer. A missing shard is graver than a failed check.
 * @throws InputError for a host in different shards of as many: those did not split the same fleet.
 */
export function mergeRuns(records: readonly RunRecord[]): MergedRuns {
  refuseOverlap(records);
  const oldestFirst = records.toSorted((a, b) => Date.parse(a.startedAt) - Date.parse(b.startedAt));
  const standing = new Map<string, Entry>();
  const replaced = new Map<string, Entry>();
  for (const run of oldestFirst) {
    for (const host of run.hosts) {
      const older = standing.get(host.host);
      // Ignore a record that is given twice.
      if (older !== undefined && older.run.startedAt !== run.startedAt) replaced.set(host.host, older);
      standing.set(host.host, { run, host });
    }
  }
  const newest = oldestFirst.at(-1);
  if (newest === undefined) throw new Error("no records to merge");
  return {
    record: withMissing(unite([...standing.values()], newest), oldestFirst),
    lookedAt: new Map([...standing].map(([host, { run }]) => [host, run.startedAt])),
    before: replaced.size === 0 ? undefined : unite([...replaced.values()]),
  };
}

/**
 * What differs between the hosts and what was before; undefined where nothing was. A host that only an older record has
 * was not looked at again: it is neither new nor worse.
 */
export function comparedWithBefore({ record, before, lookedAt }: MergedRuns): RunComparison | undefined {
  if (before === undefined) return undefined;
  const known = new Set(before.hosts.map(({ host }) => host));
  const isLater = (host: string) =>
    Date.parse(lookedAt.get(host) ?? record.startedAt) > Date.parse(before.startedAt);
  const hosts = record.hosts.filter(({ host }) => known.has(host) || isLater(host));
  return compareRuns(before, { ...record, hosts });
}

function refuseOverlap(records: readonly RunRecord[]): void {
  const seen = new Map<string, number>();
  for (const { command, shard, hosts } of records) {
    if (shard === undefined) continue;
    for (const { host } of hosts) {
      const key = JSON.stringify([command, shard.count, host]);
      const other = seen.get(key) ?? shard.index;
      seen.set(key, shard.index);
      if (other === shard.index) continue;
      throw new InputError({
        key: host,
        message: `is in shard ${other}/${shard.count} and in shard ${shard.index}/${shard.count}: these are no shards of one run. Merge each run by itself with --json, then report both`,
      });
    }
  }
}

/** Says which shards of the newest run there is no record of. */
function withMissing(record: RunRecord, records: readonly RunRecord[]): RunRecord {
  const shards = records.flatMap(({ command, shard }) => (command === record.command ? (shard ?? []) : []));
  const count = shards.at(-1)?.count ?? 0;
  const given = new Set(shards.filter((shard) => shard.count === count).map(({ index }) => index));
  const missing = Array.from({ length: count }, (_, index) => index + 1).filter((index) => !given.has(index));
  const { missingShards: before = [], shard, ...rest } = record;
  const missingShards = [...new Set([...before, ...missing])];
  if (missingShards.length === 0) return count === 0 ? record : rest;
  return { ...rest, exitCode: gravest([record.exitCode, 3]), missingShards };
}

interface Entry {
  run: RunRecord;
  host: HostRecord;
}

/** @param newest gives command and time; by default the newest of the entries' runs */
function unite(entries: readonly Entry[], newest?: RunRecord): RunRecord {
  const parts = [...Map.groupBy(entries, ({ run }) => run)];
  const runs = parts.map(([run]) => run);
  const [first] = runs;
  const last = newest ?? runs.reduce((a, b) => (Date.parse(a.startedAt) > Date.parse(b.startedAt) ? a : b));
  if (parts.length === 1 && first === last && entries.length === last.hosts.length) return last;
  const hosts = inInventoryOrder(entries.map(({ host }) => host));
  const selections = new Set(runs.map(({ selection }) => JSON.stringify(selection)));
  const missingShards = [...new Set(runs.flatMap((run) => run.missingShards ?? []))];
  const waivers = uniteWaivers(runs.flatMap((run) => run.waivers ?? []));
  const vantages = runs.flatMap((run) => run.vantages ?? []);
  const controller = uniteControllers(runs);
  return {
    schema: last.schema,
    version: last.version,
    command: last.command,
    startedAt: last.startedAt,
    // Shards run beside each other.
    durationMs: Math.max(0, ...runs.map(({ durationMs }) => durationMs)),
    exitCode: gravest(parts.map(([run, part]) => exitCodeOfPart(run, part))),
    summary: summarize(hosts),
    hosts,
    ...(controller === undefined ? {} : { controller }),
    ...(selections.size > 1 || last.selection === undefined ? {} : { selection: last.selection }),
    ...(missingShards.length === 0 ? {} : { missingShards }),
    ...(last.failOn === undefined ? {} : { failOn: last.failOn }),
    ...(runs.some((run) => run.waivers !== undefined) ? { waivers } : {}),
    ...(vantages.length === 0 ? {} : { vantages }),
  };
}

/** Shards end in any order: the hosts stand as their inventory has them, where the records know that. */
function inInventoryOrder(hosts: readonly HostRecord[]): HostRecord[] {
  if (hosts.some(({ place }) => place === undefined)) return [...hosts];
  const files = [...new Set(hosts.flatMap(({ place }) => place?.file ?? []))].sort();
  const rank = ({ place }: HostRecord) => files.indexOf(place?.file ?? "");
  return hosts.toSorted(
    (a, b) =>
      rank(a) - rank(b) ||
      (a.place?.line ?? 0) - (b.place?.line ?? 0) ||
      a.host.localeCompare(b.host, "en", { numeric: true }),
  );
}

/** A run whose hosts all stand keeps its own code, which may follow from its options. */
function exitCodeOfPart(run: RunRecord, part: readonly Entry[]): number {
  if (part.length === run.hosts.length) return run.exitCode;
  const hosts = part.map(({ host }) => host);
  return exitCodeOf({ hosts, interrupted: false, failOn: run.failOn });
}

/** As the newest run has it. Shards of one run see the same clients, each those of its own hosts. */
function uniteControllers(runs: readonly RunRecord[]): ControllerRecord | undefined {
  const told = runs
    .filter(({ controller }) => controller !== undefined)
    .toSorted((a, b) => Date.parse(b.startedAt) - Date.parse(a.startedAt));
  const [newest] = told;
  if (newest?.controller === undefined) return undefined;
  const parts = told
    .filter((run) => run === newest || (isShardOf(run, newest) && run.command === newest.command))
    .flatMap(({ controller }) => controller ?? []);
  const once = <T>(all: readonly T[], keyOf: (one: T) => string): T[] => [
    ...new Map(all.toReversed().map((one) => [keyOf(one), one])).values(),
  ];
  const statuses = parts.map(({ status }) => status);
  return {
    state: newest.controller.state,
    status: (["would-change", "changed"] as const).find((one) => statuses.includes(one)) ?? "unchanged",
    changes: once(
      parts.flatMap(({ changes }) => changes),
      ({ address }) => address,
    ),
    impact: once(
      parts.flatMap(({ impact }) => impact),
      ({ detail }) => detail,
    ),
    certificates: once(
      parts.flatMap(({ certificates }) => certificates),
      ({ name, ends }) => (name === "ca" ? `ca ${ends}` : name),
    ),
  };
}

function isShardOf({ shard }: RunRecord, newest: RunRecord): boolean {
  return shard !== undefined && shard.count === newest.shard?.count && shard.index !== newest.shard.index;
}

/** In the order in which the contract lets them apply. */
const EXIT_CODES = [130, 1, 5, 3, 4, 6, 2, 0];

function gravest(codes: readonly number[]): number {
  return EXIT_CODES.find((code) => codes.includes(code)) ?? codes[0] ?? 0;
}

const WAIVER_STATES = ["expired", "ending", "active", "unused"] as const;

/** A waiver that one shard needed is in use, also where the others did without it. */
function uniteWaivers(waivers: readonly WaiverRecord[]): WaiverRecord[] {
  const rank = ({ state }: WaiverRecord) => WAIVER_STATES.indexOf(state);
  const byGravity = waivers.toSorted((a, b) => rank(a) - rank(b));
  const one = Map.groupBy(byGravity, ({ state, ...rest }) => JSON.stringify(rest));
  return [...one.values()].flatMap(([waiver]) => waiver ?? []);
}
