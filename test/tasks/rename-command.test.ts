import { describe, expect, it } from "vitest";
import { editedFacts, factsOf, withRunning } from "../support/facts.ts";
import {
  addresses,
  changeLines,
  findings,
  guards,
  planTask,
  verifyTask,
  written,
} from "../support/run-task.ts";

const TASK = "rename-command";
const CONF = "/etc/redis/redis.conf";
const renames = (text: string) => text.split(/\r?\n/).filter((line) => /^rename-command /i.test(line));

describe("rename-command", () => {
  it("disables commands on a stock host, and gives random names to those that are only renamed", () => {
    const plan = planTask(TASK, {}, factsOf("stock"));
    expect(renames(written(plan, CONF)).sort()).toEqual([
      "rename-command CONFIG config_drawn",
      'rename-command DEBUG ""',
      'rename-command FLUSHALL ""',
      'rename-command FLUSHDB ""',
      'rename-command KEYS ""',
      "rename-command REPLICAOF replicaof_drawn",
      "rename-command SHUTDOWN shutdown_drawn",
      "rename-command SLAVEOF slaveof_drawn",
    ]);
    expect(plan.restartFor).toEqual(addresses(plan));
    expect(guards(plan)).toEqual([]);
  });

  it("never prints a new name", () => {
    expect(changeLines(planTask(TASK, {}, factsOf("stock"))).join("\n")).not.toContain("drawn");
    expect(changeLines(planTask(TASK, {}, factsOf("stock")))).toContain(
      "create redis.conf:rename-command CONFIG: null → renamed to ••••",
    );
  });

  it.each(["hardened", "rewritten", "drifted", "redis-8-hardened", "valkey-8-hardened"])(
    "plans nothing and passes every check on %s",
    (name) => {
      expect(changeLines(planTask(TASK, {}, factsOf(name)))).toEqual([]);
      expect(findings(verifyTask(TASK, {}, factsOf(name)))).toEqual([]);
    },
  );

  it("keeps the name that CONFIG was renamed to before", () => {
    const plan = planTask(TASK, {}, factsOf("config-renamed"));
    expect(addresses(plan)).not.toContain("redis.conf:rename-command CONFIG");
    expect(written(plan, CONF)).toContain("rename-command CONFIG cfg_8f2a");
  });

  it("asks for a restart where a rename stands in the file and was never loaded", () => {
    const facts = editedFacts("hardened", { "command KEYS": () => "keys\n2\nreadonly\n" });
    const plan = planTask(TASK, {}, facts);
    expect(changeLines(plan)).toEqual([
      "update redis.conf:rename-command KEYS: in the file already, never loaded → taken away",
    ]);
    expect(plan.restartFor).toEqual(["redis.conf:rename-command KEYS"]);
    expect(findings(verifyTask(TASK, {}, facts))).toEqual(["RK-CMD-03 fail: still known: KEYS"]);
  });

  it("is unknown without a login, and says so", () => {
    const facts = editedFacts("hardened", {
      login: () => undefined,
      "login-error": () => "WRONGPASS\n",
      running: () => undefined,
    });
    expect(verifyTask(TASK, {}, facts).map(({ outcome, blockedBy }) => [outcome, blockedBy])).toEqual(
      Array(4).fill(["unknown", "login"]),
    );
  });

  it("does not pass a command that the probe did not ask about", () => {
    for (const text of [undefined, "NOPERM no permissions to run 'command|info'\n"]) {
      const facts = editedFacts("hardened", { "command KEYS": () => text });
      expect(findings(verifyTask(TASK, {}, facts))).toEqual(["RK-CMD-03 fail: still known: KEYS"]);
    }
  });

  describe("trap 14: an AOF holds the old names", () => {
    it("is rewritten before commands are renamed", () => {
      const plan = planTask(TASK, {}, factsOf("aof"));
      expect(plan.actions.persistence).toEqual(["rewrite-aof"]);
    });

    it("is left alone where the names are right already", () => {
      const facts = editedFacts("hardened", {
        info: (text) => text.replace("aof_enabled:0", "aof_enabled:1"),
      });
      expect(planTask(TASK, {}, facts).actions.persistence).toEqual([]);
    });

    it("is a reason to refuse where its last rewrite failed", () => {
      const facts = editedFacts("aof", {
        info: (text) => text.replace("aof_last_bgrewrite_status:ok", "aof_last_bgrewrite_status:err"),
      });
      expect(guards(planTask(TASK, {}, facts))).toContain("aof-rewrite-failed");
    });
  });

  describe("trap 15: Redis stops at a second rename of one command", () => {
    it("writes no second line for a rename in an included file, in whatever case", () => {
      const plan = planTask(TASK, {}, factsOf("strange"));
      expect(addresses(plan)).not.toContain("redis.conf:rename-command FLUSHDB");
      expect(addresses(plan)).not.toContain("redis.conf:rename-command CONFIG");
      const main = renames(written(plan, CONF));
      expect(main.some((line) => /flushdb|config /i.test(line))).toBe(false);
      expect(main).toHaveLength(6);
    });

    it("changes the included line itself where the playbook wants another name", () => {
      const plan = planTask(TASK, { commands: { FLUSHDB: "rename" } }, factsOf("strange"));
      expect(renames(written(plan, "/etc/redis/company.conf"))).toEqual([
        "rename-command FLUSHDB flushdb_drawn",
        "rename-command config company_config",
      ]);
    });
  });

  describe("trap 19: without CONFIG a Sentinel and redkeep are blind", () => {
    it("refuses on a host that a Sentinel watches, and names what it needs", () => {
      const plan = planTask(TASK, {}, factsOf("watched-by-sentinel"));
      expect(guards(plan)).toContain("sentinel-rename");
      expect(plan.refusals[0]?.found).toContain("CONFIG, SLAVEOF, REPLICAOF");
    });

    it("recognises a Sentinel of another machine by its connection", () => {
      const facts = editedFacts("watched-by-sentinel", { sentinels: () => "", listeners: () => "" });
      expect(guards(planTask(TASK, { commands: { CONFIG: "rename" } }, facts))).toEqual(["sentinel-rename"]);
    });

    it("disables the commands that a Sentinel does not need", () => {
      const plan = planTask(TASK, { commands: { DEBUG: "disable" } }, factsOf("watched-by-sentinel"));
      expect(guards(plan)).toEqual([]);
    });

    it.each(["CONFIG", "config", "ACL", "INFO", "AUTH"])("refuses to disable %s", (command) => {
      const plan = planTask(TASK, { commands: { [command]: "disable" } }, factsOf("stock"));
      expect(guards(plan)).toEqual(["blinding-rename"]);
    });
  });

  it.each(["primary", "replica"])("trap 20: refuses FLUSHALL on one member of a group alone (%s)", (name) => {
    expect(guards(planTask(TASK, { commands: { FLUSHALL: "disable" } }, factsOf(name)))).toEqual([
      "replica-rename",
    ]);
    expect(guards(planTask(TASK, { commands: { KEYS: "disable" } }, factsOf(name)))).toEqual([]);
    const accepted = { accepted: ["replica-rename"] };
    expect(guards(planTask(TASK, { commands: { FLUSHALL: "disable" } }, factsOf(name), accepted))).toEqual(
      [],
    );
  });

  describe("locks of Redis 7.0", () => {
    const NONE_TAKEN = "RK-CMD-03 skip: no command is taken away";

    it("stay as they are where nothing opened them", () => {
      expect(addresses(planTask(TASK, { commands: {} }, factsOf("stock")))).toEqual([]);
      expect(findings(verifyTask(TASK, { commands: {} }, factsOf("stock")))).toEqual([NONE_TAKEN]);
    });

    it("are closed where the file or the running server has them open", () => {
      const facts = editedFacts("stock", {
        [`config ${CONF}`]: (text) => `${text}enable-debug-command local\n`,
        running: (text) =>
          withRunning("enable-module-command", "yes")(withRunning("enable-debug-command", "local")(text)),
      });
      const plan = planTask(TASK, { commands: {} }, facts);
      expect(changeLines(plan)).toEqual([
        "update redis.conf:enable-debug-command: local → no",
        "update redis.conf:enable-module-command: yes → no",
      ]);
      expect(plan.restartFor).toHaveLength(2);
      expect(findings(verifyTask(TASK, { commands: {} }, facts))).toEqual([
        "RK-CMD-01 fail: running local",
        "RK-CMD-01 fail: running yes",
        NONE_TAKEN,
      ]);
    });

    it("fail the check where only the next start would open them", () => {
      const facts = editedFacts("stock", {
        [`config ${CONF}`]: (text) => `${text}enable-protected-configs YES\n`,
      });
      expect(findings(verifyTask(TASK, { commands: {} }, facts))).toEqual([
        "RK-CMD-01 fail: running no, but YES in the file: lost at the next restart",
        NONE_TAKEN,
      ]);
      expect(addresses(planTask(TASK, { commands: {} }, facts))).toEqual([
        "redis.conf:enable-protected-configs",
      ]);
    });

    it("are not written for Redis 6.0, which does not know them", () => {
      expect(addresses(planTask(TASK, { commands: {} }, factsOf("redis-6-stock")))).toEqual([]);
      expect(findings(verifyTask(TASK, {}, factsOf("redis-6-hardened")))).toEqual([
        "RK-CMD-01 skip: Redis 6.0.16 has no such locks",
      ]);
    });
  });

  it.each([
    [{ commands: { "FLUSHALL ASYNC": "disable" } }],
    [{ commands: { 'KEYS ""\nrequirepass x': "disable" } }],
    [{ commands: { KEYS: "remove" } }],
  ])("does not take %j", (params) => {
    expect(() => planTask(TASK, params, factsOf("stock"))).toThrow();
  });
});

it("rename-command refuses a command that this server does not have, and suggests the nearest", () => {
  const made = planTask("rename-command", { commands: { FLSHDB: "disable" } }, factsOf("stock"));
  expect(made.refusals.map(({ guard, found }) => ({ guard, found }))).toEqual([
    {
      guard: null,
      found: 'rename-command.commands.FLSHDB: Redis 7.0.15 has no such command. Did you mean "FLUSHDB"?',
    },
  ]);
});

it("rename-command asks to accept a risk only until the host has the change", () => {
  const group = { info: (text: string) => text.replace("connected_slaves:0", "connected_slaves:1") };
  const params = { commands: { FLUSHALL: "disable" } };
  expect(guards(planTask("rename-command", params, editedFacts("stock", group)))).toEqual(["replica-rename"]);
  expect(guards(planTask("rename-command", params, editedFacts("hardened", group)))).toEqual([]);
});
