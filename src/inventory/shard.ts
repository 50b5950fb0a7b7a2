import { createHash } from "node:crypto";
import { InputError } from "../lib/errors.ts";
import { OWN_VARIABLES } from "./own-variables.ts";
import type { Rendering } from "./rendering.ts";

/** `--shard I/N`: this run has the I-th of N parts of the hosts, counted from 1. */
export interface Shard {
  index: number;
  count: number;
}

/** The inventory variable by which the hosts of one replication group stay in one shard. */
export const REPLICATION_GROUP = OWN_VARIABLES.replicationGroup;

/**
 * The key that a host's shard depends on: its replication group in the inventory, else its own name. So all runners split a
 * fleet in the same way, without talking to each other. A group named after one of its hosts is in that host's shard.
 * @throws InputError for a group that is not a valid name.
 */
export function shardKey(host: string, rendering: Rendering): string {
  const group = rendering.variable(REPLICATION_GROUP);
  if (group === undefined || group.value === null || group.value === "") return host;
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
