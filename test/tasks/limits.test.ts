import { describe, expect, it } from "vitest";
import { factsOf } from "../support/facts.ts";
import { confWith, hostWith, NO_LOGIN } from "../support/host-facts.ts";
import { planTasks } from "../support/plan-tasks.ts";
import {
  addresses,
  changeLines,
  findings,
  guards,
  planTask,
  verifyTask,
  written,
} from "../support/run-task.ts";

const MB = 1024 ** 2;
const CONF = "/etc/redis/redis.conf";
/** Parameters that change nothing by themselves on a stock host. */
const QUIET = { lazyfree: false, nofile: 1000 };
const limits = (params: object, ...given: Parameters<typeof hostWith>) =>
  planTask("limits", { ...QUIET, ...params }, hostWith(...given));

describe("limits", () => {
  it("bounds a stock install without a restart, but for the open files", () => {
    const plan = planTask("limits", { maxmemory: "512mb", maxclients: 10000 }, hostWith());
    expect(changeLines(plan)).toEqual([
      "update redis.conf:maxmemory: 0 → 512mb",
      "update redis.conf:lazyfree-lazy-eviction: no → yes",
      "update redis.conf:lazyfree-lazy-expire: no → yes",
      "update redis.conf:lazyfree-lazy-server-del: no → yes",
      "update redis.conf:maxclients: 9968 → 10000",
      "update unit:LimitNOFILE: 10000 → 10032",
    ]);
    expect(plan.restartFor).toEqual(["unit:LimitNOFILE"]);
  });

  it.each(["512mb", "512MB", "536870912", 536870912, "524288kb"])(
    "plans nothing for maxmemory %j where 512mb runs: sizes are compared by meaning",
    (maxmemory) => {
      const plan = limits(
        { maxmemory },
        { running: { maxmemory: "536870912" }, conf: confWith({ maxmemory: "maxmemory 512mb" }) },
      );
      expect(changeLines(plan)).toEqual([]);
    },
  );

  it("tells 512m from 512mb, which is more", () => {
    const plan = limits(
      { maxmemory: "512m" },
      { running: { maxmemory: "536870912" }, conf: confWith({ maxmemory: "maxmemory 512mb" }) },
    );
    expect(addresses(plan)).toEqual(["redis.conf:maxmemory"]);
  });

  it("computes a share of the memory for each host", () => {
    const plan = limits({ maxmemory: "25%" }, { host: { memoryBytes: 8 * 1024 * MB } });
    expect(written(plan, CONF)).toMatch(/^maxmemory 2147483648$/m);
    const again = limits(
      { maxmemory: "25%" },
      {
        host: { memoryBytes: 8 * 1024 * MB },
        running: { maxmemory: "2147483648" },
        conf: confWith({ maxmemory: "maxmemory 2gb" }),
      },
    );
    expect(changeLines(again)).toEqual([]);
  });

  it.each(["0", "0%", "101%", "50 %", "-1", "1.5gb", "lots", true, "512mb\nsave ''"])(
    "takes no maxmemory %j",
    (maxmemory) => {
      expect(() => limits({ maxmemory })).toThrow(/should be a size such as 512mb/);
    },
  );

  it("leaves out a limit that the playbook does not set, and says so", () => {
    const plan = limits({});
    expect(changeLines(plan)).toEqual([]);
    expect(plan.tasks[0]?.reason).toBe("maxmemory is left as the host has it");
  });

  it("reports a limit that the playbook leaves to the host as skipped, and why", () => {
    const found = verifyTask("limits", { lazyfree: false }, factsOf("hardened"));
    expect(
      found.filter(({ outcome }) => outcome === "skip").map(({ control, observed }) => [control, observed]),
    ).toEqual([
      [
        "RK-LIM-02",
        "limits.maxmemory_policy is not set, so the host keeps its own: maxmemory-policy noeviction",
      ],
      ["RK-LIM-04", "limits.lazyfree: false, so the host keeps its own: lazyfree-lazy-eviction yes"],
    ]);
  });

  describe("trap 9: a bound below what is in use", () => {
    const used = { info: { used_memory: String(500 * MB) } };

    it("is refused, since Redis would evict keys at once", () => {
      const plan = limits({ maxmemory: "512mb" }, used);
      expect(guards(plan)).toEqual(["maxmemory-below-used"]);
      expect(plan.refusals[0]).toMatchObject({
        found: expect.stringContaining("maxmemory 512mb is below 1.1 times the 500mb in use"),
        remedy: expect.stringContaining("above 550mb"),
      });
    });

    it("is accepted from 1.1 times the memory in use on", () => {
      expect(guards(limits({ maxmemory: "549mb" }, used))).toEqual(["maxmemory-below-used"]);
      expect(guards(limits({ maxmemory: "550mb" }, used))).toEqual([]);
    });

    it("is accepted with --accept maxmemory-below-used", () => {
      const facts = hostWith(used);
      const params = { ...QUIET, maxmemory: "512mb" };
      const plan = planTask("limits", params, facts, { accepted: ["maxmemory-below-used"] });
      expect(guards(plan)).toEqual([]);
      expect(addresses(plan)).toEqual(["redis.conf:maxmemory"]);
    });

    it("is refused for a policy that evicts, on a store that is no cache", () => {
      const plan = limits(
        { maxmemory_policy: "allkeys-lru" },
        { info: { db0: "keys=5,expires=0,avg_ttl=0" } },
      );
      expect(guards(plan)).toEqual(["evicts-stored-keys"]);
      expect(plan.refusals[0]?.found).toMatch(/stores its 5 keys on disk: it is no cache/);
    });

    it.each([
      ["a cache that writes nothing to disk", { running: { save: "" } }],
      ["a store that evicts already", { running: { "maxmemory-policy": "allkeys-lru" } }],
      ["an empty server", { info: { db0: "" } }],
    ])("is not refused for a policy that evicts, on %s", (_, differences) => {
      const info = { db0: "keys=5,expires=0,avg_ttl=0" };
      expect(guards(limits({ maxmemory_policy: "allkeys-lru" }, { info, ...differences }))).toEqual([]);
    });
  });

  it("refuses more memory than the host has", () => {
    const host = { memoryBytes: 1024 * MB };
    expect(guards(limits({ maxmemory: "2gb" }, { host }))).toEqual(["maxmemory-above-host"]);
    expect(guards(limits({ maxmemory: "1gb" }, { host }))).toEqual([]);
  });

  describe("open files", () => {
    it("are raised to nofile, and a higher limit stays", () => {
      const differences = { properties: { LimitNOFILE: "65535" }, process: { openFiles: 65535 } };
      expect(changeLines(limits({ nofile: 10032 }, differences))).toEqual([]);
    });

    it("follow maxclients, with 32 files for Redis itself", () => {
      const plan = limits({ maxclients: 20000, nofile: 10032 });
      expect(changeLines(plan)).toContain("update unit:LimitNOFILE: 10000 → 20032");
    });

    it("need a restart where the unit has the limit and the process has not", () => {
      const differences = { properties: { LimitNOFILE: "10032" }, process: { openFiles: 4096 } };
      const plan = limits({ nofile: 10032 }, differences);
      expect(changeLines(plan)).toEqual([
        "update unit:LimitNOFILE: 10032 → 10032 (loaded, but the process still has 4096)",
      ]);
      expect(plan.actions.restart).toBe(true);
    });

    it("keep the unit's higher limit where only the process lacks it", () => {
      const differences = { properties: { LimitNOFILE: "524288" }, process: { openFiles: 10000 } };
      expect(changeLines(limits({ nofile: 10032 }, differences))).toEqual([
        "update unit:LimitNOFILE: 524288 → 524288 (loaded, but the process still has 10000)",
      ]);
    });

    it("fail the check where the process has too few for its clients", () => {
      const checks = verifyTask(
        "limits",
        { ...QUIET, maxclients: 10000 },
        hostWith({ running: { maxclients: "10000" } }),
      );
      expect(findings(checks)).toContain("RK-SYS-07 fail: 10000, and 10000 after the next restart");
    });
  });

  it("sets the running value alone where the file has it already", () => {
    const plan = limits({ maxmemory: "512mb" }, { conf: confWith({ maxmemory: "maxmemory 512mb" }) });
    expect(changeLines(plan)).toEqual([
      "update redis.conf:maxmemory: 0 → 512mb (in the file already: changed on the running server, or never loaded)",
    ]);
    expect(plan.actions).toMatchObject({ files: [], restart: false, liveSettings: [["maxmemory", "512mb"]] });
  });

  it("writes the file alone where the running server has the value already", () => {
    const plan = limits({ maxmemory: "512mb" }, { running: { maxmemory: "536870912" } });
    expect(changeLines(plan)).toEqual([
      "create redis.conf:maxmemory: null → 512mb (as it runs: now in the file too)",
    ]);
    expect(plan.actions).toMatchObject({ restart: false, liveSettings: [] });
    expect(written(plan, CONF)).toMatch(/^maxmemory 512mb$/m);
  });

  it("restarts for a setting whose running value cannot be read", () => {
    const plan = limits({ maxmemory: "512mb" }, NO_LOGIN);
    expect(changeLines(plan)).toEqual(["create redis.conf:maxmemory: null → 512mb"]);
    expect(plan.restartFor).toEqual(["redis.conf:maxmemory"]);
  });

  it("is unknown, not passed, where redkeep cannot log in", () => {
    const checks = verifyTask("limits", { ...QUIET, maxmemory: "512mb" }, hostWith(NO_LOGIN));
    expect(checks.find(({ control }) => control === "RK-LIM-01")).toMatchObject({
      outcome: "unknown",
      blockedBy: "login",
    });
  });

  it("fails the check where running and file differ, either way", () => {
    const find = (differences: Parameters<typeof hostWith>[0]) =>
      findings(verifyTask("limits", { ...QUIET, maxmemory: "512mb" }, hostWith(differences)))[0];
    expect(find({ conf: confWith({ maxmemory: "maxmemory 512mb" }) })).toBe(
      "RK-LIM-01 fail: running 0, though the file says as wanted: changed on the running server, or the file was never loaded",
    );
    expect(
      find({ running: { maxmemory: "536870912" }, conf: confWith({ maxmemory: "maxmemory 1gb" }) }),
    ).toBe("RK-LIM-01 fail: running 536870912, but 1gb in the file: lost at the next restart");
  });

  it("fails the check for a server without a bound, without rolling back an apply that leaves it so", () => {
    const [check] = verifyTask("limits", QUIET, hostWith());
    expect(check).toMatchObject({
      control: "RK-LIM-01",
      outcome: "fail",
      observed: "no bound",
      isAdvisory: true,
    });
  });

  it("changes only its own property of the drop-in where it runs alone", () => {
    const dropIn = "# ours\n[Service]\nUMask=0027\nLimitNOFILE=9000\n";
    const plan = planTasks({ limits: { ...QUIET, nofile: 12000 } }, hostWith({ dropIn }));
    const text = written(plan, "/etc/systemd/system/redis-server.service.d/redkeep.conf");
    expect(text).toMatch(/^UMask=0027\nLimitNOFILE=12000$/m);
    expect(text).not.toMatch(/9000/);
  });
});
