import { createHash } from "node:crypto";
import { InputError } from "../lib/errors.ts";
import type { Variable } from "./inventory.ts";
import { OWN_VARIABLES } from "./own-variables.ts";
import { refuseUnrendered } from "./unrendered.ts";

/** `--shard I/N`: which part of the hosts is this run's. Counts from 1. */
export interface Shard {
  index: number;
  count: number;
}

/** The inventory variable by which the hosts of one replication group stay in one shard. */
export const REPLICATION_GROUP = OWN_VARIABLES.replicationGroup;

/**
 * What a host's shard follows from, so that every runner splits a fleet alike without talking: the replication group that
 * the inventory gives it, else its own name. A group that is named after one of its hosts lies where that host would.
 * @throws InputError for a group that is no name.
 */
export function shardKey(host: string, group: Variable | undefined): string {
  if (group === undefined || group.value === null || group.value === "") return host;
  refuseUnrendered(group, REPLICATION_GROUP, host);
  const name = typeof group.value === "number" ? String(group.value) : group.value;
  if (typeof name === "string" && /^[^\p{Cc}]{1,255}$/u.test(name)) return name;
  throw new InputError({
    place: group.place,
    key: `${REPLICATION_GROUP} of ${host}`,
    message: `should be a name, found ${JSON.stringify(group.value)}`,
  });
}

/** Whether a shard has the hosts with this key: it follows from the key alone. */
export function inShard(key: string, { index, count }: Shard): boolean {
  return createHash("sha256").update(key).digest().readUInt32BE(0) % count === index - 1;
}
