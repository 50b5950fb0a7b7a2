import { randomBytes } from "node:crypto";
import { z } from "zod";
import type { Shard } from "../inventory/shard.ts";
import { InputError } from "../lib/errors.ts";
import { writeRecord } from "../record/json.ts";
import type { RunRecord } from "../record/record.ts";
import { HOST_STATUSES } from "../record/statuses.ts";
import type { State } from "../state/state.ts";

/*
 * The run records in the controller's state: one file for each apply, rollback and verify, named by time, command and
 * shard, so that whoever looks for one need not read the others.
 */

const FOLDER = "runs";

/** How many records are kept of each command, and of each shard of it: the newest. As many are read at most. */
const RECORDS = 50;

/** All records of a command together: fewer are kept where a fleet is large. A host takes some 20 KB of a record. */
const BYTES = 512 * 1024 * 1024;

/** Near the beginning of every record. */
const RECORD_MARK = '"schema": "redkeep.run/1"';

export type KeptCommand = Exclude<RunRecord["command"], "plan">;

/** Earlier versions named the time alone, and kept no verify. */
const NAME =
  /^\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d(?:\.\d{3})?Z(?:-(?<command>apply|rollback|verify|eject))?(?:-(?<index>\d+)of(?<count>\d+))?(?:-[0-9a-f]{6})?\.json$/;

interface RecordFile {
  /** Within the state. */
  name: string;
  command: KeptCommand | undefined;
  /** Such as `2of5`; empty for a run that was no shard. */
  shard: string;
}

/** A name for a run's record: the same at its beginning and at its end. */
export function recordName({
  command,
  startedAt,
  options: { shard },
}: {
  command: RunRecord["command"];
  startedAt: Date;
  options: { shard: Shard | undefined };
}): string {
  const time = startedAt.toISOString().replaceAll(":", "-");
  const part = shard === undefined ? "" : `-${shardName(shard)}`;
  // Two runs may start in the same millisecond, and one must not replace the other's record.
  return `${FOLDER}/${time}-${command}${part}-${randomBytes(3).toString("hex")}.json`;
}

/** Writes a run's record, whole or not at all, and gives its path. */
export async function keepRecord(state: State, name: string, record: RunRecord): Promise<string> {
  const path = await state.pathFor(name);
  await writeRecord(record, path);
  return path;
}

/**
 * The records of earlier runs of these commands, reduced to what `schema` reads, newest first. Other files are
 * skipped. A shard skips the records of other shards, which do not have its hosts.
 */
export async function* keptRecords<T>(
  state: State,
  schema: z.ZodType<T>,
  commands: readonly KeptCommand[],
  shard?: Shard,
): AsyncGenerator<T> {
  const ours = shard === undefined ? undefined : shardName(shard);
  const files = (await recordFiles(state)).filter(
    (file) =>
      (file.command === undefined || commands.includes(file.command)) &&
      (ours === undefined || file.shard === "" || file.shard === ours),
  );
  for (const { name } of files.slice(0, RECORDS)) {
    const record = await recordIn(state, name, schema);
    if (record !== undefined) yield record;
  }
}

/**
 * Removes the records of a command that are too old to be kept. The newest of each shard stays, and so does the newest
 * apply that left a host as wanted, however many came after it. What is not one of our records is never touched. One that
 * another run has removed meanwhile is none the worse, and one that cannot be removed stays.
 */
export async function pruneRecords(state: State, command: RunRecord["command"]): Promise<void> {
  try {
    await prune(state, command);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
  }
}

async function prune(state: State, command: RunRecord["command"]): Promise<void> {
  const files = (await recordFiles(state)).filter((file) => (file.command ?? "apply") === command);
  const counts = new Map<string, number>();
  const surplus: RecordFile[] = [];
  let bytes = 0;
  let hasAnchor = command !== "apply";
  for (const file of files) {
    const count = (counts.get(file.shard) ?? 0) + 1;
    const size = (await state.sizeOf(file.name)) ?? 0;
    const isKept = count === 1 || (count <= RECORDS && bytes + size <= BYTES);
    if (!isKept) {
      surplus.push(file);
      continue;
    }
    counts.set(file.shard, count);
    bytes += size;
  }
  if (surplus.length === 0) return;
  const kept = files.filter((file) => !surplus.includes(file));
  for (const file of kept) hasAnchor ||= await leftHostsAsWanted(state, file);
  for (const file of surplus) {
    if (!hasAnchor && (await leftHostsAsWanted(state, file))) hasAnchor = true;
    else if ((await state.beginning(file.name, 200)).includes(RECORD_MARK)) await state.remove(file.name);
  }
}

/** What may be read or removed, the newest first. */
async function recordFiles(state: State): Promise<RecordFile[]> {
  return (await state.list(FOLDER))
    .toSorted()
    .toReversed()
    .flatMap((file) => {
      const { command, index, count } = NAME.exec(file)?.groups ?? {};
      if (!NAME.test(file)) return [];
      return {
        name: `${FOLDER}/${file}`,
        command: command as KeptCommand | undefined,
        shard: index === undefined ? "" : `${index}of${count}`,
      };
    });
}

const STATUSES = z.object({
  command: z.string(),
  hosts: z.array(z.object({ status: z.enum(HOST_STATUSES) })),
});

async function leftHostsAsWanted(state: State, { name }: RecordFile): Promise<boolean> {
  const record = await recordIn(state, name, STATUSES);
  return (
    record?.command === "apply" &&
    record.hosts.some(({ status }) => status === "changed" || status === "unchanged")
  );
}

async function recordIn<T>(state: State, name: string, schema: z.ZodType<T>): Promise<T | undefined> {
  try {
    // Opening a pipe with this name would block for ever.
    if ((await state.sizeOf(name)) === undefined) return undefined;
    return schema.safeParse(JSON.parse((await state.read(name)) ?? "")).data;
  } catch {
    // A file that went away or holds no JSON is no record, and earlier ones may be.
    return undefined;
  }
}

function shardName({ index, count }: Shard): string {
  return `${index}of${count}`;
}
