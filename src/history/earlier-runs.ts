import type { Shard } from "../inventory/shard.ts";
import { InputError } from "../lib/errors.ts";
import type { AccessRecord, HostRecord, RunRecord, Selection } from "../record/record.ts";
import type { State } from "../state/state.ts";
import { compareAccess, compareRuns, type Difference } from "./compare.ts";
import { keptRecords } from "./kept-records.ts";
import { dated, withSince } from "./since.ts";

/** What the kept records say about one host, each part from the newest record that has it. */
interface EarlierHost {
  /** From a run like this one, every finding dated. */
  ended?: HostRecord;
  /** From the newest run that could observe the host. */
  checks?: HostRecord["checks"];
  /** From any run: what users may do does not depend on what was looked for. */
  access?: AccessRecord;
  accessRun?: Pick<RunRecord, "command" | "startedAt">;
}

/** What redkeep saw of the hosts of a run before, as far as it was kept. */
export interface EarlierRuns {
  /** The same hosts, with changes in what users may do as an impact. */
  withAccess(hosts: readonly HostRecord[]): HostRecord[];
  /**
   * The same record with every finding that is no news dated, and what differs from the last run like it.
   * Of hosts that no such run has seen, everything is new.
   */
  compare(record: RunRecord): { record: RunRecord; differences: Difference[] };
}

/**
 * Reads the kept records, the newest first, until each of the hosts is known. Like this run are runs of the same command,
 * playbook and tags; of a host, those in which the same inventory file names it.
 */
export async function readEarlierRuns(
  state: State,
  run: {
    command: RunRecord["command"];
    selection: Selection;
    options: { shard: Shard | undefined };
    startedAt: Date;
  },
  hosts: readonly HostRecord[],
): Promise<EarlierRuns> {
  const earlier = new Map<string, EarlierHost>();
  const open = new Map(hosts.map((host) => [host.host, host]));
  const kind = kindOf(run.command, run.selection);
  const startedAt = run.startedAt.toISOString();
  const { runRecordSchema } = await import("../record/record.ts");
  for await (const record of readable(
    keptRecords(state, runRecordSchema, ["apply", "verify"], run.options.shard),
  )) {
    if (open.size === 0) break;
    // Skip this run itself, and runs that began later.
    if (record.startedAt >= startedAt) continue;
    const isAlike = record.selection !== undefined && kindOf(record.command, record.selection) === kind;
    for (const was of record.hosts) {
      const now = open.get(was.host);
      if (now === undefined || !isSameHost(was, now)) continue;
      const known = earlier.get(was.host) ?? {};
      earlier.set(was.host, known);
      if (isAlike) {
        const seen = dated(was, record.startedAt);
        known.ended ??= seen;
        if (seen.checks.length > 0) known.checks ??= seen.checks;
      }
      if (was.access !== undefined && known.access === undefined && tellsAsMuch(was.access, now.access)) {
        known.access = was.access;
        known.accessRun = { command: record.command, startedAt: record.startedAt };
      }
      if (isComplete(known, now)) open.delete(was.host);
    }
  }
  return {
    withAccess: (hosts) => hosts.map((host) => withAccess(host, earlier.get(host.host))),
    compare: (record) => compare(record, earlier),
  };
}

/** Where the state cannot be read, go on without earlier runs: the hosts were observed all the same. */
async function* readable<T>(records: AsyncGenerator<T>): AsyncGenerator<T> {
  try {
    yield* records;
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
  }
}

function kindOf(command: string, { playbook, tags, skipTags }: Selection): string {
  return JSON.stringify([command, playbook, tags.toSorted(), skipTags.toSorted()]);
}

/** Two inventories beside each other share their state, and may use the same names. */
function isSameHost({ place: was }: HostRecord, { place: is }: HostRecord): boolean {
  return was === undefined || is === undefined || was.file === is.file;
}

/** Whether an earlier run could tell what this one can: one without root may not, and an older one then has to. */
function tellsAsMuch(was: AccessRecord, is: AccessRecord | undefined): boolean {
  const untold = ({ users, commands }: AccessRecord) =>
    new Set(
      users.flatMap(({ user, allowed }) =>
        commands.flatMap(({ command }, index) => (allowed[index] === null ? [`${user} ${command}`] : [])),
      ),
    );
  if (is === undefined) return true;
  const now = untold(is);
  return [...untold(was)].every((question) => now.has(question));
}

function isComplete({ ended, checks, access }: EarlierHost, now: HostRecord): boolean {
  return (
    ended !== undefined &&
    (checks !== undefined || now.checks.length === 0) &&
    (access !== undefined || now.access === undefined)
  );
}

function compare(
  record: RunRecord,
  earlier: ReadonlyMap<string, EarlierHost>,
): { record: RunRecord; differences: Difference[] } {
  const before = record.hosts.flatMap(({ host }) => {
    const { ended, checks = [] } = earlier.get(host) ?? {};
    if (ended === undefined) return [];
    const { access, ...rest } = ended;
    return { ...rest, checks };
  });
  const byName = new Map(before.map((host) => [host.host, host]));
  const hosts = record.hosts.map((host) => withSince(host, byName.get(host.host)));
  const now = { ...record, hosts };
  // Waivers say themselves when they end; rights are told by `withAccess`.
  const { differences } = compareRuns({ ...record, hosts: before }, now);
  const known = differences.filter(({ host, about }) => byName.has(host) && about !== "waiver");
  return { record: now, differences: known };
}

function withAccess(host: HostRecord, { access, accessRun }: EarlierHost = {}): HostRecord {
  if (access === undefined || accessRun === undefined) return host;
  const differences = compareAccess(access, host.access, host.host);
  if (differences.length === 0) return host;
  const impact = { kind: "access-changed", detail: sentence(differences, accessRun) };
  return { ...host, impact: [...host.impact, impact] };
}

/** `user app: KEYS allowed, SORT allowed; user legacy: new, since the apply of 2026-11-24 06:30 UTC`. */
function sentence(
  differences: readonly Difference[],
  { command, startedAt }: Pick<RunRecord, "command" | "startedAt">,
): string {
  const users = Map.groupBy(differences, ({ what }) => what.split(": ")[0] ?? "");
  const parts = [...users].map(([user, all]) => {
    const changes = all.map(({ what, before, after }) => {
      const subject = what.slice(user.length + 2);
      return subject === "" ? (before === null ? "new" : "gone") : `${subject} ${after}`;
    });
    return `${user}: ${changes.join(", ")}`;
  });
  return `${parts.join("; ")}, since the ${command} of ${startedAt.slice(0, 16).replace("T", " ")} UTC`;
}
