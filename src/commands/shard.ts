import { createHash } from "node:crypto";

/** `--shard I/N`: which part of the hosts is this run's. Counts from 1. */
export interface Shard {
  index: number;
  count: number;
}

/** A host's shard follows from its name alone, so that every runner splits a fleet alike without talking. */
export function inShard(host: string, { index, count }: Shard): boolean {
  return createHash("sha256").update(host).digest().readUInt32BE(0) % count === index - 1;
}
