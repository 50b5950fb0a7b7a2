import { describe, expect, it } from "vitest";
import { confWith, hostWith, NO_LOGIN } from "../support/host-facts.ts";
import {
  addresses,
  changeLines,
  findings,
  guards,
  planTask,
  verifyTask,
  written,
} from "../support/run-task.ts";

const CONF = "/etc/redis/redis.conf";
const POINTS = "3600 1 300 100 60 10000";
const persistence = (mode: string, ...given: Parameters<typeof hostWith>) =>
  planTask("persistence", { mode }, hostWith(...given));
const AOF = {
  running: { appendonly: "yes" },
  conf: confWith({ appendonly: "appendonly yes" }),
  info: { aof_enabled: "1" },
};
const NOTHING = { running: { save: "" }, conf: confWith({ save: 'save ""' }) };

describe("persistence", () => {
  it.each([
    ["a stock host", {}, /^RDB, last save/],
    ["one with an AOF", AOF, /^RDB and AOF, last save/],
    ["one that writes nothing", NOTHING, /^nothing is written to disk/],
  ])("keep plans nothing on %s, and says which persistence it has", (_, differences, reason) => {
    const plan = persistence("keep", differences);
    expect(changeLines(plan)).toEqual([]);
    expect(plan.actions.persistence).toEqual([]);
    expect(plan.tasks[0]?.reason).toMatch(reason);
    expect(plan.tasks[0]?.reason).toMatch(/: left as it is$/);
  });

  it("keep says without a login that the persistence is unknown", () => {
    expect(persistence("keep", NO_LOGIN).tasks[0]?.reason).toBe("not known without a login: left as it is");
  });

  it("trap 1: an AOF is switched on through the running server first, and never by a restart", () => {
    const plan = persistence("rdb+aof");
    expect(plan.actions.persistence).toEqual(["aof-on"]);
    expect(plan.actions).toMatchObject({ restart: false, liveSettings: [] });
    expect(changeLines(plan)).toEqual([
      "update redis.conf:appendonly: no → yes",
      `create redis.conf:save: null → ${POINTS} (as it runs: now in the file too)`,
    ]);
    expect(written(plan, CONF)).toMatch(/^appendonly yes$/m);
  });

  it("trap 8: an AOF goes off only after a snapshot can take its place", () => {
    const plan = persistence("rdb", { ...AOF, running: { appendonly: "yes", save: "" } });
    expect(plan.actions.persistence).toEqual(["rdb-on", "aof-off"]);
    expect(plan.actions.restart).toBe(false);
  });

  it("trap 7: snapshots go off through the running server, so that no old one comes back", () => {
    const plan = persistence("none");
    expect(plan.actions.persistence).toEqual(["rdb-off"]);
    expect(changeLines(plan)).toContain(`update redis.conf:save: ${POINTS} → ""`);
    expect(written(plan, CONF)).toMatch(/^save ""$/m);
  });

  it("switches from snapshots to an AOF in the order that leaves no gap", () => {
    expect(persistence("aof").actions.persistence).toEqual(["aof-on", "rdb-off"]);
  });

  it("keeps the operator's own save points", () => {
    const plan = persistence("rdb+aof", {
      running: { save: "900 1" },
      conf: confWith({ save: "save 900 1" }),
    });
    expect(addresses(plan)).toEqual(["redis.conf:appendonly"]);
  });

  it("plans nothing the second time", () => {
    expect(
      changeLines(
        persistence("rdb+aof", {
          ...AOF,
          conf: (text) => `${text.replace(/^appendonly no$/m, "appendonly yes")}\nsave ${POINTS}\n`,
        }),
      ),
    ).toEqual([]);
    expect(changeLines(persistence("none", NOTHING))).toEqual([]);
  });

  it("refuses a primary without persistence, which would empty its replicas after a restart", () => {
    const plan = persistence("none", { like: "primary" });
    expect(guards(plan)).toEqual(["primary-without-persistence"]);
    expect(plan.refusals[0]?.found).toMatch(/^1 replica\(s\) follow this host/);
    expect(guards(persistence("aof", { like: "primary" }))).toEqual([]);
  });

  it("refuses to write twice the data to a disk that is too small for it", () => {
    const used = { info: { used_memory: String(100 * 1024 ** 2) } };
    const plan = persistence("rdb+aof", { ...used, files: { dataFree: 150 * 1024 ** 2 } });
    expect(guards(plan)).toEqual(["disk-too-small"]);
    expect(plan.refusals[0]?.found).toBe(
      "150mb are free in /var/lib/redis, less than twice the 100mb of data",
    );
    expect(guards(persistence("rdb+aof", { ...used, files: { dataFree: 0 } }))).toEqual(["disk-too-small"]);
    expect(guards(persistence("rdb+aof", { ...used, files: { dataFree: undefined } }))).toEqual([]);
    expect(guards(persistence("keep", { ...used, files: { dataFree: 0 } }))).toEqual([]);
  });

  it("refuses to change a persistence that it cannot see", () => {
    const plan = persistence("aof", NO_LOGIN);
    expect(guards(plan)).toEqual(["-"]);
    expect(plan.refusals[0]?.found).toMatch(/only be changed through a running server that answers/);
    expect(guards(persistence("keep", NO_LOGIN))).toEqual([]);
  });

  it("fails the check where the running server and its file differ", () => {
    const differences = { running: { appendonly: "yes" } };
    expect(findings(verifyTask("persistence", {}, hostWith(differences)))).toContain(
      "RK-PER-01 fail: running and file differ in appendonly",
    );
  });

  it("fails the check while the last save failed", () => {
    expect(
      findings(verifyTask("persistence", {}, hostWith({ info: { rdb_last_bgsave_status: "err" } }))),
    ).toEqual(["RK-PER-01 fail: snapshot err, AOF off"]);
    expect(
      findings(
        verifyTask(
          "persistence",
          {},
          hostWith({ ...AOF, info: { aof_enabled: "1", aof_last_write_status: "err" } }),
        ),
      ),
    ).toEqual(["RK-PER-01 fail: snapshot ok, AOF err"]);
  });

  it("fails the check where the dump would leave the data directory", () => {
    expect(
      findings(verifyTask("persistence", {}, hostWith({ running: { dbfilename: "../cron.d/x" } }))),
    ).toEqual(["RK-PER-02 fail: ../cron.d/x"]);
  });

  it("is unknown, not passed, where redkeep cannot log in", () => {
    const outcomes = verifyTask("persistence", {}, hostWith(NO_LOGIN))
      .filter(({ control }) => control === "RK-PER-01")
      .map(({ outcome, blockedBy }) => `${outcome} ${blockedBy}`);
    expect(outcomes).toEqual(["unknown login", "unknown login"]);
  });

  it.each(["off", "RDB", "aof+rdb", ""])("refuses the mode %j", (mode) => {
    expect(() => persistence(mode)).toThrow();
  });
});
