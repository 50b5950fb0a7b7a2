import { expect, it } from "vitest";
import { recordOf } from "../../src/run/host.ts";
import { goesBack, planRollback } from "../../src/run/plan-rollback.ts";
import { signature } from "../../src/transaction/relied-on.ts";
import { factsOf } from "../support/facts.ts";
import { confWith, hostWith, keptRun } from "../support/host-facts.ts";
import { hostNamed } from "../support/hosts.ts";
import { server } from "../support/run-task.ts";

const KEYS = { db0: "keys=5,expires=0,avg_ttl=0" };

interface Given {
  restarted?: boolean;
  firewall?: boolean;
  accepted?: readonly string[];
}

/** A host on which the last run, one that restarted Redis or not, is to be put back. */
function lookedBack(
  differences: Parameters<typeof hostWith>[0],
  { restarted = true, firewall = false, accepted = [] }: Given = {},
) {
  const conf = "/etc/redis/redis.conf";
  const like = hostWith(differences);
  const run = keptRun({
    restarted,
    files: [
      { number: "1", path: conf, before: `redis:redis 640 ${"0".repeat(64)}`, after: signature(like, conf) },
    ],
    env: new Map([["FIREWALL", firewall ? "enable" : ""]]),
  });
  const backups = new Map([["x/1", like.configFiles.main?.text.replace(/^port .*$/m, "port 6400") ?? ""]]);
  const facts = { ...like, kept: { runs: [run], isComplete: true, unsettled: [], backups } };
  return planRollback(hostNamed("redis-01"), { facts, server: server(facts) } as never, {
    to: "last",
    accepted: new Set(accepted),
    lastRun: "named",
  });
}

/** How it stands. */
function rollback(...given: Parameters<typeof lookedBack>) {
  const host = lookedBack(...given);
  const { status, error, tasks } = recordOf(host);
  const addresses = tasks.flatMap(({ changes }) => changes.map(({ address }) => address));
  return { status, guards: error?.guards, found: error?.found, task: tasks[0]?.status, addresses };
}

it("a plan of rollback shows that the firewall goes off where that run switched it on", () => {
  const active = { ...factsOf("hardened").firewall };
  const info = KEYS;
  expect(rollback({ info, firewall: active }, { firewall: true }).addresses).toContain("ufw:status");
  expect(rollback({ info, firewall: active }).addresses).not.toContain("ufw:status");
  expect(rollback({ info }).addresses).toEqual(["redis.conf:port", "file:/etc/redis/redis.conf"]);
});

it("a rollback goes on with the very plan that is shown, and with no host that a guard keeps", () => {
  const pending = [lookedBack({ info: KEYS })].filter(goesBack);
  const shown = pending.map(({ plan: { undone, giveBack }, work }) => ({
    changes: work.tasks[0]?.changes === giveBack.changes,
    undoes: work.undoes?.map(({ transaction }) => transaction === undone.id),
  }));
  expect(shown).toEqual([{ changes: true, undoes: [true] }]);
  const refused = lookedBack({ info: { ...KEYS, rdb_last_bgsave_status: "err" } });
  expect([refused].filter(goesBack)).toEqual([]);
});

it("a plan of rollback undoes a run that restarted Redis where no guard refuses a restart", () => {
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
])(
  "a plan of rollback refuses a server %s, unless nothing restarts or the guard is accepted",
  (_, differences, guards) => {
    expect(rollback(differences)).toMatchObject({ status: "refused", guards, task: "blocked" });
    expect(rollback(differences, { restarted: false }).status).toBe("would-change");
    const accepted = guards.length === 0 ? "refused" : "would-change";
    expect(rollback(differences, { accepted: guards }).status).toBe(accepted);
  },
);

it.each([
  ["redis:redis 2770", "refused"],
  ["root:redis 750", "would-change"],
])("a plan of rollback ends as its host would: a folder that the run left as %s is %s", (left, status) => {
  const path = "/etc/redis";
  const transaction = {
    pending: undefined,
    recoverUnit: undefined,
    last: {
      id: "x",
      holder: "",
      isRollback: false,
      restarted: false,
      firewall: false,
      marks: [],
      written: [],
      set: [path],
      modes: new Map([[path, left]]),
    },
  };
  const paths = { [path]: "directory 0750 root:redis" };
  const found = rollback({ info: KEYS, paths, transaction });
  expect(found.status).toBe(status);
  if (status === "refused") expect(found.found).toContain(`${path} was changed since`);
});
