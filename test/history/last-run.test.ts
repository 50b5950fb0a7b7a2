import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { keepRecord, recordName } from "../../src/history/kept-records.ts";
import { readLastRun } from "../../src/history/last-run.ts";
import type { RunRecord } from "../../src/record/record.ts";
import { recordOf } from "../../src/run/host.ts";
import { onlyLastRun } from "../../src/run/last-run-hosts.ts";
import type { RunOptions } from "../../src/run/options.ts";
import { planRollback } from "../../src/run/plan-rollback.ts";
import type { Run } from "../../src/run/run.ts";
import { State } from "../../src/state/state.ts";
import { hostWith, keptRun } from "../support/host-facts.ts";
import { hostNamed } from "../support/hosts.ts";
import { server } from "../support/run-task.ts";

let directory: string;
let state: State;
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "redkeep-last-run-"));
  state = await State.open(directory, undefined, directory);
});
afterEach(() => rmSync(directory, { recursive: true }));

const NONE = { limit: undefined, retryFailed: undefined, shard: undefined } as RunOptions;

async function keep(
  startedAt: string,
  hosts: Record<string, [status: string, transaction?: string]>,
  shard?: { index: number; count: number },
): Promise<void> {
  const record = {
    schema: "redkeep.run/1",
    command: "apply",
    startedAt,
    ...(shard && { shard }),
    hosts: Object.entries(hosts).map(([host, [status, transaction]]) => ({
      host,
      status,
      ...(transaction === undefined ? {} : { transaction }),
    })),
  } as unknown as RunRecord;
  await keepRecord(
    state,
    recordName({ command: "apply", startedAt: new Date(startedAt), options: { shard } }),
    record,
  );
}

/** A rollback of these hosts, with what it tells on stderr. */
async function rollBack(hosts: readonly string[], options: Partial<RunOptions> = {}) {
  const told: string[] = [];
  const environment = { stderr: { write: (text: string) => told.push(text) } };
  const jobs = hosts.map((host) => ({ host }));
  const all = { state, jobs, options: { ...NONE, ...options }, environment } as unknown as Run;
  const { run, lastRun } = await onlyLastRun(all);
  return { lastRun, hosts: run.jobs.map(({ host }) => host), told: told.join("") };
}

it("the last run is the newest apply that changed a host, with the hosts that it changed", async () => {
  await keep("2026-11-28T10:00:00.000Z", { a: ["changed", "1"], b: ["changed", "2"] });
  await keep("2026-11-29T10:00:00.000Z", { a: ["unchanged"], b: ["changed", "3"], c: ["unknown", "4"] });
  await keep("2026-11-30T10:00:00.000Z", { a: ["unchanged"], b: ["refused"] });
  const { lastRun, hosts, told } = await rollBack(["a", "b", "c"]);
  expect(lastRun).toEqual({
    startedAt: "2026-11-29T10:00:00.000Z",
    hosts: new Map([
      ["b", "3"],
      ["c", "4"],
    ]),
  });
  expect(told).toBe(
    "the last run, the apply of 2026-11-29 10:00 UTC, changed b, c: 1 other host left out; --limit names others\n",
  );
  expect(hosts).toEqual(["b", "c"]);
});

it("the last run includes all its shards", async () => {
  const [one, two] = [1, 2].map((index) => ({ index, count: 2 }));
  await keep("2026-11-28T10:00:00.000Z", { z: ["changed"] }, one);
  await keep("2026-11-29T10:00:00.000Z", { a: ["changed"] }, one);
  await keep("2026-11-29T10:00:01.000Z", { b: ["changed"] }, two);
  const last = await readLastRun(state);
  expect([...(last?.hosts.keys() ?? [])].sort()).toEqual(["a", "b"]);
});

it("the last run does not matter where --limit names the hosts, and is unknown without records", async () => {
  expect(await rollBack(["a"], { limit: "a" })).toMatchObject({ lastRun: "named", hosts: ["a"] });
  expect(await rollBack(["a"])).toMatchObject({ lastRun: undefined, hosts: ["a"], told: "" });
});

it.each([
  [
    "the run of the record",
    { startedAt: "2026-11-29T21:00:00.000Z", hosts: new Map([["a", "x"]]) },
    "unchanged",
  ],
  ["another run since", { startedAt: "2026-11-29T21:00:00.000Z", hosts: new Map([["a", "w"]]) }, "refused"],
  [
    "a run from before it was cut off",
    { startedAt: "2026-11-29T22:00:00.000Z", hosts: new Map([["a", undefined]]) },
    "refused",
  ],
  ["a run that this controller has no record of", undefined, "refused"],
  ["any run, where it is named", "named" as const, "unchanged"],
])("rollback undoes on a host only the run of the record: %s", (_, lastRun, status) => {
  const facts = hostWith({
    kept: { runs: [keptRun()], isComplete: true, unsettled: [], backups: new Map() },
  });
  const host = planRollback(hostNamed("a"), { facts, server: server(facts) } as never, {
    to: "last",
    accepted: new Set(),
    lastRun,
  });
  expect(recordOf(host).status).toBe(status);
  if (status === "refused") expect(recordOf(host).error?.remedy).toContain("--limit a");
});

it("rollback to the original is refused where only a later backup is kept, unless that is accepted", () => {
  const conf = "/etc/redis/redis.conf";
  const files = [{ number: "1", path: conf, before: `redis:redis 640 ${"0".repeat(64)}`, after: "" }];
  const runs = [keptRun({ files }), keptRun({ id: "y", files })];
  const plan = (isComplete: boolean, accepted: string[] = []) => {
    const facts = hostWith({
      kept: { runs, isComplete, unsettled: [], backups: new Map([["x/1", "port 6400\n"]]) },
    });
    const host = planRollback(hostNamed("a"), { facts, server: server(facts) } as never, {
      to: "original",
      accepted: new Set(["persistence-differs", ...accepted]),
      lastRun: undefined,
    });
    return recordOf(host);
  };
  expect(plan(true)).toMatchObject({
    status: "would-change",
    undoes: [{ transaction: "x" }, { transaction: "y" }],
  });
  expect(plan(true).tasks[0]?.changes.find(({ address }) => address === "redis.conf:port")).toMatchObject({
    before: "6379",
    after: "6400",
  });
  expect(plan(true).tasks[0]?.name).toBe(
    "Put back the original: the state from before the run of 2026-11-29 21:04 UTC by me@laptop, the first whose changes stand here",
  );
  const old = plan(false);
  expect(old).toMatchObject({ status: "refused", error: { guards: ["oldest-backup"] } });
  expect(old.error?.found).toContain(
    "the oldest that is there is from before the run of 2026-11-29 21:04 UTC by me@laptop",
  );
  expect(plan(false, ["oldest-backup"]).status).toBe("would-change");
});

it.each<[string, Partial<Parameters<typeof keptRun>[0]>[], "last" | "original", string]>([
  [
    "keeps no run, as after an eject",
    [],
    "last",
    "this host has no record of a redkeep run: none has changed it yet, or none since redkeep eject",
  ],
  [
    "went to the original already",
    [{}, { id: "y", undoes: "x", toOriginal: true }],
    "original",
    "every change of the recorded runs is already undone; redkeep's own files are still here (/var/lib/redkeep, redkeep-recover.service): redkeep eject removes them",
  ],
])("rollback of a host that %s says why it restores nothing", (_, runs, to, reason) => {
  const facts = hostWith({
    kept: { runs: runs.map((one) => keptRun(one)), isComplete: true, unsettled: [], backups: new Map() },
  });
  const host = planRollback(hostNamed("a"), { facts, server: server(facts) } as never, {
    to,
    accepted: new Set(),
    lastRun: "named",
  });
  expect(recordOf(host).tasks).toMatchObject([{ status: "ok", reason }]);
});
