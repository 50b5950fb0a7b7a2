import type { HostRecord, RunRecord, WaiverRecord } from "./record.ts";
import { exitCodeOf, summarize } from "./summary.ts";

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
 * Unites the hosts of all records, such as the shards of one run. Of a host in several, the newest record stands and
 * the one before it is kept beside; of two that began at the same moment, the later argument.
 */
export function mergeRuns(records: readonly RunRecord[]): MergedRuns {
  const oldestFirst = records.toSorted((a, b) => Date.parse(a.startedAt) - Date.parse(b.startedAt));
  const standing = new Map<string, Entry>();
  const replaced = new Map<string, Entry>();
  for (const run of oldestFirst) {
    for (const host of run.hosts) {
      const older = standing.get(host.host);
      // The same record given twice is no history.
      if (older !== undefined && older.run.startedAt !== run.startedAt) replaced.set(host.host, older);
      standing.set(host.host, { run, host });
    }
  }
  const newest = oldestFirst.at(-1);
  if (newest === undefined) throw new Error("no records to merge");
  return {
    record: unite([...standing.values()], newest),
    lookedAt: new Map([...standing].map(([host, { run }]) => [host, run.startedAt])),
    before: replaced.size === 0 ? undefined : unite([...replaced.values()]),
  };
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
  if (first === last && parts[0]?.[1].length === last.hosts.length) return last;
  const hosts = entries.map(({ host }) => host);
  const waivers = uniteWaivers(runs.flatMap((run) => run.waivers ?? []));
  const vantages = runs.flatMap((run) => run.vantages ?? []);
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
    ...(last.failOn === undefined ? {} : { failOn: last.failOn }),
    ...(runs.some((run) => run.waivers !== undefined) ? { waivers } : {}),
    ...(vantages.length === 0 ? {} : { vantages }),
  };
}

/** A run whose hosts all stand keeps its own code, which may follow from its options. */
function exitCodeOfPart(run: RunRecord, part: readonly Entry[]): number {
  if (part.length === run.hosts.length) return run.exitCode;
  const hosts = part.map(({ host }) => host);
  return exitCodeOf({ command: run.command, hosts, interrupted: false, failOn: run.failOn });
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
