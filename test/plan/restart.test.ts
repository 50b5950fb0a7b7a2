import { describe, expect, it } from "vitest";
import { keepsKeysInMemoryOnly } from "../../src/plan/restart.ts";
import { confWith, hostWith, NO_LOGIN } from "../support/host-facts.ts";
import { planTasks, taskThat } from "../support/plan-tasks.ts";
import { addresses, changeLines, guards, server, written } from "../support/run-task.ts";

const MB = 1024 ** 2;
/** Something that only a restart makes hold. */
const needsRestart = taskThat(() => ({
  resources: [{ kind: "unit", property: "LimitNOFILE", value: "20000", loaded: "10000" }],
}));
/** Something that a running server takes up by itself. */
const needsNone = taskThat(() => ({ resources: [{ kind: "setting", name: "maxmemory", args: ["1gb"] }] }));
const KEYS = { db0: "keys=5,expires=0,avg_ttl=0" };

const restart = (differences: Parameters<typeof hostWith>[0], accepted: readonly string[] = []) =>
  planTasks([needsRestart], hostWith(differences), { accepted });

describe("before a restart", () => {
  it("is allowed on a stock host", () => {
    expect(guards(restart({}))).toEqual([]);
    expect(restart({}).actions.restart).toBe(true);
  });

  // One failed snapshot is enough to stop every write of its clients.
  describe("Redis must be able to save its keys", () => {
    const words = (differences: Parameters<typeof hostWith>[0]) =>
      restart({ info: KEYS, ...differences }).refusals.map(({ found }) => found);

    it("into a directory that Redis may write", () => {
      expect(words({ files: { dataWritable: false } })).toEqual([
        expect.stringContaining("Redis may not write into /var/lib/redis"),
      ]);
      expect(words({ files: { dataWritable: true } })).toEqual([]);
      expect(words({ files: { dataWritable: undefined } })).toEqual([]);
    });

    it("as a plain file, not over a directory", () => {
      const dump = (text: string) => words({ paths: { "/var/lib/redis/dump.rdb": text } });
      expect(dump("directory 0755 redis:redis")).toEqual([
        expect.stringContaining("dump.rdb is no plain file"),
      ]);
      expect(dump("file 0640 redis:redis")).toEqual([]);
    });

    it("unless an AOF holds them and nothing is saved", () => {
      const running = { save: "", appendonly: "yes" };
      expect(words({ running, files: { dataWritable: false } })).not.toContainEqual(
        expect.stringContaining("may not write"),
      );
    });
  });

  describe("trap 8: what the next start loads must be what runs now", () => {
    it.each([
      [
        "an AOF that the file does not have",
        { running: { appendonly: "yes" } },
        /appendonly is "yes", the file says "no"/,
      ],
      [
        "an AOF in a file without such a line",
        { running: { appendonly: "yes" }, conf: confWith({ appendonly: "" }) },
        /appendonly is "yes", the file has no such line, which means "no"/,
      ],
      [
        "an AOF that only the file has",
        { conf: confWith({ appendonly: "appendonly yes" }) },
        /appendonly is "no", the file says "yes"/,
      ],
      [
        "another directory",
        { conf: confWith({ dir: "dir /srv/redis" }) },
        /dir is "\/var\/lib\/redis", the file says "\/srv\/redis"/,
      ],
      [
        "another dump",
        { conf: confWith({ dbfilename: "dbfilename other.rdb" }) },
        /dbfilename is "dump.rdb"/,
      ],
      [
        "another AOF",
        { conf: confWith({ appendfilename: "appendfilename x.aof" }) },
        /appendfilename is "appendonly.aof"/,
      ],
      [
        "another AOF directory",
        { conf: confWith({ appenddirname: "appenddirname x" }) },
        /appenddirname is "appendonlydir"/,
      ],
      [
        "trap 7: snapshots that were switched off on the running server alone",
        { running: { save: "" } },
        /save is "", the file has no such line, which means "3600 1/,
      ],
    ])("%s", (_, differences, reason) => {
      const plan = restart(differences);
      expect(guards(plan)).toEqual(["persistence-differs"]);
      expect(plan.refusals[0]?.found).toMatch(reason);
      expect(guards(restart(differences, ["persistence-differs"]))).toEqual([]);
    });

    it.each([
      [
        "save points in another order",
        { running: { save: "300 100 3600 1" }, conf: confWith({ save: "save 3600 1 300 100" }) },
      ],
      ["a slash behind the directory", { conf: confWith({ dir: "dir /var/lib/redis/" }) }],
      ["a directory that counts from the service's own", { conf: confWith({ dir: "dir ./" }) }],
      ["upper case", { conf: confWith({ appendonly: "appendonly NO" }) }],
      [
        "no lines for what has its default",
        { conf: confWith({ appendfilename: "", appenddirname: "", dbfilename: "" }) },
      ],
      [
        "an AOF by the command line, which is stronger than the file",
        { running: { appendonly: "yes" }, service: { arguments: ["--appendonly", "yes"] } },
      ],
    ])("is the same with %s", (_, differences) => {
      expect(guards(restart(differences))).toEqual([]);
    });

    it("does not matter while nothing restarts", () => {
      expect(guards(planTasks([needsNone], hostWith({ running: { appendonly: "yes" } })))).toEqual([]);
    });

    it("is ensured where this run changes it through the running server first", () => {
      const plan = planTasks({ persistence: { mode: "rdb+aof" }, limits: { nofile: 20000 } }, hostWith());
      expect(guards(plan)).toEqual([]);
      expect(plan.actions).toMatchObject({ restart: true, persistence: ["aof-on"] });
    });

    it("trap 14: rewriting an AOF for renamed commands does not make up for a file without it", () => {
      const facts = hostWith({ running: { appendonly: "yes" }, info: { aof_enabled: "1" } });
      const plan = planTasks({ "rename-command": { commands: { FLUSHALL: "disable" } } }, facts);
      expect(plan.actions.persistence).toEqual(["rewrite-aof"]);
      expect(guards(plan)).toEqual(["persistence-differs"]);
    });
  });

  describe("trap 23: a server that cannot save would hang while it stops", () => {
    it.each([
      ["the last snapshot failed", { info: { rdb_last_bgsave_status: "err" } }, "the last snapshot failed"],
      ["the last AOF write failed", { info: { aof_last_write_status: "err" } }, "the last AOF write failed"],
    ])("%s", (_, differences, found) => {
      const plan = restart(differences);
      expect(guards(plan)).toEqual(["last-save-failed"]);
      expect(plan.refusals[0]?.found).toContain(found);
    });

    it.each(["rdb_bgsave_in_progress", "aof_rewrite_in_progress", "loading"])("%s", (name) => {
      const plan = restart({ info: { [name]: "1" } });
      expect(guards(plan)).toEqual(["-"]);
      expect(plan.refusals[0]).toMatchObject({ found: `Redis is busy: ${name}`, remedy: /wait/ });
    });

    it("the disk has less room than twice the data, or none at all", () => {
      const info = { ...KEYS, used_memory: String(100 * MB) };
      expect(guards(restart({ info, files: { dataFree: 199 * MB } }))).toEqual(["disk-too-small"]);
      expect(guards(restart({ info, files: { dataFree: 0 } }))).toEqual(["disk-too-small"]);
      expect(guards(restart({ info, files: { dataFree: 200 * MB } }))).toEqual([]);
      expect(guards(restart({ info, files: { dataFree: undefined } }))).toEqual([]);
      expect(guards(restart({ info: { ...info, db0: "" }, files: { dataFree: 0 } }))).toEqual([]);
    });
  });

  describe("trap 24: a stop timeout that would kill the server in the middle of its save", () => {
    const info = { ...KEYS, used_memory: String(6000 * MB) };
    it.each([
      ["1min 30s", ["stop-timeout"]],
      ["1.500s", ["stop-timeout"]],
      ["3min 20s", []],
      ["infinity", []],
    ])("%s for 6000mb", (TimeoutStopUSec, refused) => {
      expect(guards(restart({ info, properties: { TimeoutStopUSec } }))).toEqual(refused);
    });

    it("is never made shorter", () => {
      const plan = restart({ info, properties: { TimeoutStopUSec: "infinity" } });
      expect(addresses(plan)).not.toContain("unit:TimeoutStopSec");
    });
  });

  describe("trap 25: a load that takes longer than systemd waits", () => {
    const info = { ...KEYS, used_memory: String(6000 * MB) };
    it("gets the start timeout that a slow disk needs, in the same run", () => {
      const plan = restart({ info });
      expect(changeLines(plan)).toContain("update unit:TimeoutStartSec: 1min 30s → 400s");
      expect(written(plan, "/etc/systemd/system/redis-server.service.d/redkeep.conf")).toMatch(
        /^TimeoutStartSec=400s$/m,
      );
    });

    it.each([
      ["where the unit waits long enough", { info, properties: { TimeoutStartUSec: "6min 40s" } }],
      ["where it waits for ever", { info, properties: { TimeoutStartUSec: "infinity" } }],
      [
        "where there is little to load",
        { info: { used_memory: String(800 * MB) }, properties: { TimeoutStartUSec: "30s" } },
      ],
    ])("gets no new timeout %s", (_, differences) => {
      expect(addresses(restart(differences))).not.toContain("unit:TimeoutStartSec");
    });

    it("gets a timeout from the time of its last start, with room for data that grew", () => {
      const started = (ready: number) => ({
        TimeoutStartUSec: "5s",
        ExecMainStartTimestampMonotonic: "1000000",
        ActiveEnterTimestampMonotonic: String(1_000_000 + ready * 1_000_000),
      });
      expect(changeLines(restart({ properties: started(3) }))).toContain(
        "update unit:TimeoutStartSec: 5s → 12s",
      );
      expect(addresses(restart({ properties: started(2) }))).not.toContain("unit:TimeoutStartSec");
    });

    it("is not planned for where nothing restarts", () => {
      expect(addresses(planTasks([needsNone], hostWith({ info })))).toEqual(["redis.conf:maxmemory"]);
    });
  });

  describe("keys that live in memory only", () => {
    const MEMORY = { running: { save: "" }, conf: confWith({ save: 'save ""' }), info: KEYS };

    it("are saved for the one restart", () => {
      const plan = restart(MEMORY);
      expect(guards(plan)).toEqual([]);
      expect(keepsKeysInMemoryOnly(server(hostWith(MEMORY)))).toBe(true);
    });

    it("stop the restart of a primary, whose replicas would be emptied with it", () => {
      const primary = { ...MEMORY, info: { ...KEYS, role: "master", connected_slaves: "1" } };
      expect(guards(restart(primary))).toEqual(["primary-without-persistence"]);
      expect(guards(restart(primary, ["primary-without-persistence"]))).toEqual([]);
      expect(guards(planTasks([needsNone], hostWith(primary)))).toEqual([]);
    });

    it("are not assumed where there are no keys, or they are on disk", () => {
      expect(keepsKeysInMemoryOnly(server(hostWith({ ...MEMORY, info: { db0: "" } })))).toBe(false);
      expect(keepsKeysInMemoryOnly(server(hostWith({ info: KEYS })))).toBe(false);
    });

    it("stop the restart where redkeep cannot log in to save them", () => {
      const differences = { ...NO_LOGIN, conf: confWith({ save: 'save ""' }) };
      expect(guards(restart(differences))).toEqual(["unknown-data"]);
      expect(guards(restart(differences, ["unknown-data"]))).toEqual([]);
    });
  });

  it("is refused without a login, since nobody knows what the next start loads", () => {
    expect(guards(restart(NO_LOGIN))).toEqual(["unknown-data"]);
    expect(guards(restart(NO_LOGIN, ["unknown-data"]))).toEqual([]);
  });

  it("is refused for a server that someone stopped, whose keys are not known", () => {
    const differences = {
      ...NO_LOGIN,
      service: { process: undefined },
      properties: { ActiveState: "failed" },
    };
    expect(guards(restart(differences))).toEqual(["server-stopped"]);
    expect(restart(differences).refusals[0]?.found).toMatch(/^redis-server.service does not run \(failed\)/);
    expect(guards(restart(differences, ["server-stopped"]))).toEqual([]);
  });

  it("is refused for a server that systemd starts again and again", () => {
    const differences = { ...NO_LOGIN, properties: { ActiveState: "activating" } };
    expect(guards(restart(differences))).toEqual(["server-stopped"]);
  });

  it("is allowed by --accept for exactly the one guard that it names", () => {
    const differences = {
      running: { appendonly: "yes" },
      info: { ...KEYS, used_memory: String(6000 * MB), rdb_last_bgsave_status: "err" },
      properties: { TimeoutStopUSec: "1min 30s" },
      files: { dataFree: 0 },
    };
    const all = ["persistence-differs", "last-save-failed", "disk-too-small", "stop-timeout"];
    expect(guards(restart(differences))).toEqual(all);
    for (const guard of all) {
      expect(guards(restart(differences, [guard]))).toEqual(all.filter((other) => other !== guard));
    }
    expect(guards(restart(differences, all))).toEqual([]);
  });
});
