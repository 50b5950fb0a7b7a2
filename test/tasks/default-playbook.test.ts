import { describe, expect, it } from "vitest";
import { factsOf } from "../support/facts.ts";
import {
  addresses,
  changeLines,
  findings,
  guards,
  planAll,
  verifyAll,
  written,
} from "../support/run-task.ts";

const HARDENED = ["hardened", "rewritten", "redis-6-hardened", "redis-8-hardened", "valkey-8-hardened"];
const STOCK = ["stock", "redis-6-stock", "redis-8-stock", "valkey-8-stock"];

describe("the default playbook", () => {
  it.each(STOCK)("hardens %s with one restart and no --accept", async (name) => {
    const plan = await planAll(factsOf(name));
    expect(guards(plan)).toEqual([]);
    expect(plan.tasks.map(({ task, status }) => `${task} ${status}`)).toEqual(
      expect.arrayContaining([
        "bind would-change",
        "acl would-change",
        "tls would-change",
        "firewall would-change",
      ]),
    );
    expect(plan.actions.restart).toBe(true);
    expect(plan.actions.liveSettings).toEqual([]);
    expect(plan.actions.liveAcl).toEqual([]);
    expect(plan.impact).toEqual([]);
  });

  it.each(HARDENED)("plans nothing on %s", async (name) => {
    const plan = await planAll(factsOf(name));
    expect(changeLines(plan)).toEqual([]);
    expect(guards(plan)).toEqual([]);
    expect(plan.actions.files).toEqual([]);
    expect(plan.actions.restart).toBe(false);
  });

  it.each(HARDENED)("passes every control on %s", async (name) => {
    const checks = await verifyAll(factsOf(name));
    expect(checks.filter(({ outcome }) => outcome === "pass").length).toBeGreaterThanOrEqual(20);
    const left = name.startsWith("redis-6") ? ["RK-ACL-05 skip", "RK-CMD-01 skip"] : [];
    expect(findings(checks).map((line) => line.split(":")[0])).toEqual(left);
  });

  it("plans exactly what people changed on a hardened host, and fails exactly those controls", async () => {
    const facts = factsOf("drifted");
    const plan = await planAll(facts);
    expect(addresses(plan)).toEqual([
      "redis.conf:protected-mode",
      "file:/etc/redis/tls/redkeep-server.crt",
      "file:/etc/redis/tls/redkeep-server.key",
      "redis.conf:maxmemory",
      "ufw:allow 6380/tcp",
    ]);
    expect(plan.restartFor).toEqual([]);
    const failed = (await verifyAll(facts)).filter(({ outcome }) => outcome === "fail");
    expect([...new Set(failed.map(({ control }) => control))].sort()).toEqual([
      "RK-ACL-08",
      "RK-ACL-09",
      "RK-LIM-01",
      "RK-NET-02",
      "RK-NET-04",
      "RK-NET-06",
      "RK-TLS-05",
    ]);
  });

  it.each([
    ["primary", ["replication", "replica-rename", "replication-needs-tls"]],
    ["replica", ["replication", "replica-rename", "replication-needs-tls"]],
    [
      "watched-by-sentinel",
      [
        "replication",
        "sentinel",
        "sentinel-rename",
        "replica-rename",
        "replication-needs-tls",
        "other-ports",
      ],
    ],
  ])("refuses %s by the guards' names, and plans it where all are accepted", async (name, expected) => {
    const facts = factsOf(name);
    expect(guards(await planAll(facts))).toEqual(expected);
    expect(guards(await planAll(facts, { accepted: expected }))).toEqual([]);
  });

  it.each(["strange", "requirepass", "config-renamed", "aof"])(
    "keeps every line of %s that it does not manage",
    async (name) => {
      const facts = factsOf(name);
      const text = written(await planAll(facts), "/etc/redis/redis.conf");
      const managed = new Set(
        addresses(await planAll(facts)).flatMap((address) => /^redis\.conf:(\S+)/.exec(address)?.[1] ?? []),
      );
      const kept = (facts.configFiles.main?.text ?? "").split("\n").filter((line) => {
        const [word = ""] = line.trim().split(/\s/);
        return !managed.has(word.toLowerCase());
      });
      const lines = text.split("\n");
      expect(kept.filter((line) => !lines.includes(line))).toEqual([]);
    },
  );

  it("refuses nothing on a strange host whose redis.conf it reads as Redis does", async () => {
    expect(guards(await planAll(factsOf("strange")))).toEqual([]);
  });

  it("writes for each product and version only settings that it knows", async () => {
    const conf = async (name: string) =>
      written(
        await planAll(factsOf(name)),
        `/etc/${name.startsWith("valkey") ? "valkey/valkey" : "redis/redis"}.conf`,
      );
    const settings = (text: string) => text.split("\n").filter((line) => !line.startsWith("#"));
    expect(settings(await conf("redis-6-stock")).join("\n")).not.toMatch(/-::1|^enable-/m);
    expect(settings(await conf("valkey-8-stock")).join("\n")).not.toMatch(
      /^(aclfile|tls-\S+-file|unixsocket) .*redis\//m,
    );
    expect(await conf("redis-8-stock")).toMatch(/^bind 127\.0\.0\.1 -::1 /m);
  });
});
