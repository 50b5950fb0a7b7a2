import { expect, it } from "vitest";
import { newSession } from "../../src/commands/observe.ts";
import { planRollback } from "../../src/commands/plan-rollback.ts";
import { confWith, hostWith } from "../support/host-facts.ts";
import { server } from "../support/run-task.ts";

const KEYS = { db0: "keys=5,expires=0,avg_ttl=0" };

/** How a host stands on which the last run, one that restarted Redis or not, is to be put back. */
function rollback(
  differences: Parameters<typeof hostWith>[0],
  {
    restarted = true,
    firewall = false,
    accepted = [],
  }: { restarted?: boolean; firewall?: boolean; accepted?: readonly string[] } = {},
) {
  const last = {
    id: "x",
    holder: "me",
    isRollback: false,
    restarted,
    firewall,
    written: ["/etc/redis/redis.conf"],
    set: [],
  };
  const facts = hostWith({
    ...differences,
    transaction: { pending: undefined, recoverUnit: undefined, last },
  });
  const session = newSession({ host: "redis-01" } as Parameters<typeof newSession>[0]);
  session.observation = { facts, server: server(facts) } as NonNullable<typeof session.observation>;
  planRollback(session, new Set(accepted));
  const { status, error, tasks } = session.record;
  const addresses = tasks.flatMap(({ changes }) => changes.map(({ address }) => address));
  return { status, guards: error?.guards, task: tasks[0]?.status, addresses };
}

it("shows the firewall that goes off with the run that switched it on", () => {
  const file = "file:/etc/redis/redis.conf";
  expect(rollback({ info: KEYS }, { firewall: true }).addresses).toEqual([file, "ufw:status"]);
  expect(rollback({ info: KEYS }).addresses).toEqual([file]);
});

it("puts back a run that restarted Redis where nothing stands against a restart", () => {
  expect(rollback({ info: KEYS })).toMatchObject({
    status: "would-change",
    guards: undefined,
    task: "would-change",
  });
});

it.each<[string, Parameters<typeof hostWith>[0], string[]]>([
  ["whose last save failed", { info: { ...KEYS, rdb_last_bgsave_status: "err" } }, ["last-save-failed"]],
  ["that is saving", { info: { ...KEYS, rdb_bgsave_in_progress: "1" } }, []],
  [
    "whose disk is full",
    { info: { ...KEYS, used_memory: "1000000" }, files: { dataFree: 0 } },
    ["disk-too-small"],
  ],
  ["that may not write its data", { info: KEYS, files: { dataWritable: false } }, []],
  ["whose AOF somebody switched on", { info: KEYS, running: { appendonly: "yes" } }, ["persistence-differs"]],
  ["whose snapshots somebody switched off", { info: KEYS, running: { save: "" } }, ["persistence-differs"]],
  [
    "whose file has another dump",
    { info: KEYS, conf: confWith({ dbfilename: "dbfilename x.rdb" }) },
    ["persistence-differs"],
  ],
  [
    "with a user that lives only in memory",
    {
      info: KEYS,
      redis: { aclUsers: ["user default on nopass ~* &* +@all", "user eve on nopass ~* &* +@all"] },
    },
    ["memory-only-users"],
  ],
])("refuses a server %s, unless no restart comes or it is accepted", (_, differences, guards) => {
  expect(rollback(differences)).toMatchObject({ status: "refused", guards, task: "blocked" });
  expect(rollback(differences, { restarted: false }).status).toBe("would-change");
  const accepted = guards.length === 0 ? "refused" : "would-change";
  expect(rollback(differences, { accepted: guards }).status).toBe(accepted);
});
