import { z } from "zod";
import type { Shard } from "../inventory/shard.ts";
import { HOST_STATUSES } from "../record/statuses.ts";
import type { State } from "../state/state.ts";
import { keptRecords } from "./kept-records.ts";

const RECORD = z.object({
  command: z.string(),
  startedAt: z.iso.datetime(),
  shard: z.object({ index: z.int(), count: z.int() }).exactOptional(),
  hosts: z.array(
    z.object({ host: z.string(), status: z.enum(HOST_STATUSES), transaction: z.string().exactOptional() }),
  ),
});

/** Of a run that was cut off, `would-change` is all that its record says. */
const MAY_HAVE_CHANGED = new Set(["changed", "unknown", "would-change"]);

/** What a rollback may undo on which host. */
export type LastRun =
  /** Hosts were named: each is turned back by its own last run. */
  | "named"
  /** This controller knows of no run: nothing is undone that nobody named. */
  | undefined
  | {
      /** When it started, as ISO 8601. */
      startedAt: string;
      /** The transaction by host, where the record has it. */
      hosts: ReadonlyMap<string, string | undefined>;
    };

/** The newest apply that may have changed a host, all shards of it; what it changed. */
export async function readLastRun(state: State, shard?: Shard): Promise<Exclude<LastRun, "named">> {
  const hosts = new Map<string, string | undefined>();
  const shards = new Set<number>();
  let startedAt: string | undefined;
  let count: number | undefined;
  for await (const record of keptRecords(state, RECORD, ["apply"], shard)) {
    const changed = record.hosts.filter(({ status }) => MAY_HAVE_CHANGED.has(status));
    if (record.command !== "apply") continue;
    if (startedAt === undefined) {
      if (changed.length === 0) continue;
      count = record.shard?.count;
    } else if (record.shard?.count !== count || shards.has(record.shard?.index ?? 0)) break;
    startedAt = record.startedAt;
    shards.add(record.shard?.index ?? 0);
    for (const { host, transaction } of changed) hosts.set(host, transaction);
    if (record.shard === undefined) break;
  }
  return startedAt === undefined ? undefined : { startedAt, hosts };
}
