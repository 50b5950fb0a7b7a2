import { normalize } from "node:path/posix";
import type { HostFacts } from "../facts/probe.ts";
import type { ConfigDocument } from "../redis/config-document.ts";
import type { Server } from "../redis/server.ts";
import { sameSetting } from "../redis/setting.ts";
import { formatSize } from "../redis/size.ts";
import type { Refusal, Resource } from "../resources/kind.ts";
import { memoryOnlyRefusals, memoryOnlyUsers } from "./memory-only.ts";

/**
 * Settings that decide which data the next start loads, with what holds where the file has no such line (the same in
 * every measured version): a start that differs from the running server loses keys.
 */
const LOADED_AT_START = {
  save: ["3600 1 300 100 60 10000"],
  appendonly: ["no"],
  dir: undefined,
  dbfilename: ["dump.rdb"],
  appendfilename: ["appendonly.aof"],
  appenddirname: ["appendonlydir"],
} as const;

/** Bytes a second that a slow disk surely manages for loading and saving. */
const SLOW_DISK = 30 * 1024 * 1024;

/**
 * Why Redis must not be restarted on this host now: whatever task wants it, no key may be lost by it.
 * @param config redis.conf as it will be.
 * @param throughServer settings that a persistence step changes on the running server first.
 * @param memoryOnly users that no file has, as the plan leaves them.
 */
export function* restartRefusals(
  facts: HostFacts,
  server: Server,
  config: ConfigDocument,
  throughServer: ReadonlySet<string>,
  memoryOnly = memoryOnlyUsers({ facts, server }, { restarts: true }),
): Iterable<Refusal> {
  yield* memoryOnlyRefusals({ facts, server }, memoryOnly);
  const { running } = server;
  // One that systemd starts again and again has a process for moments; one that still loads its data, or stops, has no keys
  // to tell.
  const state = facts.service.properties.get("ActiveState") ?? "unknown";
  if (facts.service.process === undefined || (state !== "active" && running === undefined)) {
    yield {
      guard: "server-stopped",
      found: `${server.unit} does not run (${state}): this run would start it, without knowing its keys`,
      remedy: `start it first; systemctl status ${server.unit} says why it stopped`,
    };
    return;
  }
  if (running === undefined) {
    const isInMemory =
      config.get("save")?.join("") === "" && config.get("appendonly")?.[0]?.toLowerCase() !== "yes";
    yield {
      guard: "unknown-data",
      found: isInMemory
        ? "a restart is needed, nothing is written to disk, and without a login to Redis its keys cannot be kept"
        : "a restart is needed, and without a login to Redis nobody knows what it writes to disk now, how many keys it has, or which users live only in memory: CONFIG SET and ACL SETUSER may have changed all of that",
      remedy:
        "make the login work first (the admin's password, or the state that has it); accept where keys may be lost",
    };
    return;
  }
  const detail = Object.entries(LOADED_AT_START).flatMap(([name, byDefault]) => {
    // The command line is stronger than the file, and stays.
    if (throughServer.has(name) || facts.service.arguments.includes(`--${name}`)) return [];
    const now = running.get(name);
    const inFile = config.get(name);
    const next = inFile ?? byDefault;
    if (now === undefined || next === undefined) return [];
    if (name === "dir" ? sameDirectory(next[0] ?? "", now) : sameSetting(name, next, [now])) return [];
    const says = inFile === undefined ? "the file has no such line, which means" : "the file says";
    return [`${name} is ${quoted(now)}, ${says} ${quoted(next.join(" "))}`];
  });
  if (detail.length > 0) {
    yield {
      guard: "persistence-differs",
      found: `the restart that is needed would change which data is loaded: ${detail.join("; ")}`,
      remedy: "make file and running server agree (CONFIG SET, or edit redis.conf), then run again",
    };
  }
  // Even if apply saves the keys: should the first start fail and the next find no file, the replicas would copy an empty primary.
  if (keepsKeysInMemoryOnly(server) && server.replicas > 0 && throughServer.size === 0) {
    yield {
      guard: "primary-without-persistence",
      found: `${server.replicas} replica(s) follow this host, which writes nothing to disk: a restart that goes wrong would empty them too`,
      remedy: "switch persistence on (persistence.mode: rdb), or make a replica the primary first",
    };
  }
  const { info } = facts.redis;
  const failed = [
    info.get("rdb_last_bgsave_status") === "err" ? "snapshot" : "",
    info.get("aof_last_write_status") === "err" ? "AOF write" : "",
  ].filter(Boolean);
  if (failed.length > 0) {
    yield {
      guard: "last-save-failed",
      found: `the last ${failed.join(" and ")} failed: Redis could not save its keys before the restart`,
      remedy: "find out why (disk full, owner of the data directory), then run again",
    };
  }
  const busy = ["rdb_bgsave_in_progress", "aof_rewrite_in_progress", "loading"].filter(
    (name) => info.get(name) === "1",
  );
  if (busy.length > 0) {
    yield {
      guard: null,
      found: `Redis is busy: ${busy.join(", ")}`,
      remedy: "wait until it has ended, then run again",
    };
  }
  const used = server.usedMemory ?? 0;
  const { dataFree } = facts.files;
  if ((server.keys ?? 0) > 0 && dataFree !== undefined && dataFree < used * 2) {
    yield {
      guard: "disk-too-small",
      found: `${formatSize(dataFree)} are free in ${facts.files.dataDirectory}, less than twice the ${formatSize(used)} of data`,
      remedy: "free disk in the data directory first",
    };
  }
  const stop = spanSeconds(facts.service.properties.get("TimeoutStopUSec"));
  if (stop < used / SLOW_DISK) {
    yield {
      guard: "stop-timeout",
      found: `systemd kills the stopping server after ${stop} s, and saving ${formatSize(used)} may take longer`,
      remedy: "raise TimeoutStopSec (infinity in Debian's unit)",
    };
  }
}

/**
 * Why Redis could not save its keys now. One snapshot that fails is enough to stop every write of its clients (MISCONF), so
 * none is tried where this can be seen before.
 */
export function* saveRefusals({ files }: HostFacts, server: Server): Iterable<Refusal> {
  const { running } = server;
  if (running === undefined || ((running.get("save") ?? "") === "" && !keepsKeysInMemoryOnly(server))) return;
  const { dataDirectory } = files;
  if (files.dataWritable === false) {
    const found = files.paths.get(dataDirectory);
    const owner = found && ` (${found.owner}:${found.group} 0${found.mode.toString(8)})`;
    yield {
      guard: null,
      found: `Redis may not write into ${dataDirectory}${owner ?? ""}: it could not save its keys before the restart`,
      remedy: `give the directory to ${server.user} (chown), and mount it writable`,
    };
  }
  const dump = `${dataDirectory}/${running.get("dbfilename") ?? ""}`;
  const kind = files.paths.get(dump)?.kind;
  if (kind === "directory" || kind === "other") {
    yield {
      guard: null,
      found: `${dump} is no plain file: Redis could not save its keys before the restart`,
      remedy: "move it away, then run again",
    };
  }
}

/**
 * About how long Redis will be away, in milliseconds: systemd's part as measured on small servers (transaction.md, 7),
 * and saving and loading the data once each at 100 MiB a second.
 */
export function restartEstimate({ usedMemory = 0 }: Server): number {
  return 100 + Math.round((usedMemory / (100 * 1024 * 1024)) * 2 * 1000);
}

/**
 * More time to load, where systemd would otherwise kill a big or slow server over and over (redis-hardening.md, 7): by its
 * size, and by how long its last start took until it was ready.
 */
export function loadTime(facts: HostFacts, server: Server): Resource[] {
  const { properties } = facts.service;
  const loaded = properties.get("TimeoutStartUSec") ?? "";
  const at = (name: string): number => Number(properties.get(name) ?? 0) / 1_000_000;
  const lastStart = at("ActiveEnterTimestampMonotonic") - at("ExecMainStartTimestampMonotonic");
  // Twice the last one: its data may have grown since.
  const mayTake = Math.max((server.usedMemory ?? 0) / SLOW_DISK, lastStart * 2);
  if (spanSeconds(loaded) >= mayTake) return [];
  return [{ kind: "unit", property: "TimeoutStartSec", value: `${Math.ceil(mayTake * 2)}s`, loaded }];
}

/** True where nothing is written to disk although there are keys: apply saves them once, for the restart alone. */
export function keepsKeysInMemoryOnly(server: Server): boolean {
  const { running } = server;
  return (
    running !== undefined &&
    (running.get("save") ?? "") === "" &&
    running.get("appendonly") === "no" &&
    (server.keys ?? 0) > 0
  );
}

/** systemd's own words for a time span: `1min 30s`, `infinity`. */
export function spanSeconds(span = "infinity"): number {
  if (span === "infinity" || span === "") return Number.POSITIVE_INFINITY;
  const units: Record<string, number> = { us: 1e-6, ms: 1e-3, s: 1, min: 60, h: 3600, d: 86_400, w: 604_800 };
  let total = 0;
  for (const [, amount = "0", unit = "s"] of span.matchAll(/(\d+(?:\.\d+)?)(us|ms|s|min|h|d|w)\b/g))
    total += Number(amount) * (units[unit] ?? 1);
  return total;
}

/** A relative `dir` counts from where the service was started, which `CONFIG GET` has resolved. */
function sameDirectory(inFile: string, running: string): boolean {
  return !inFile.startsWith("/") || normalize(`${inFile}/`) === normalize(`${running}/`);
}

function quoted(text = ""): string {
  return `"${text}"`;
}
