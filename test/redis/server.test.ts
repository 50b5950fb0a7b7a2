import { describe, expect, it } from "vitest";
import { isServer, serverOf } from "../../src/redis/server.ts";
import { editedFacts, factsOf } from "../support/facts.ts";
import { server } from "../support/run-task.ts";

const CONF = "config /etc/redis/redis.conf";

const lines = (count: number, line: (number: number) => string) =>
  Array.from({ length: count }, (_, number) => `${line(number)}\n`).join("");

describe("the server of a host", () => {
  it.each([
    ["stock", "Redis 7.0.15", "redis-server.service", "/etc/redis/redis.conf", "redis", "/run/redis"],
    ["redis-6-stock", "Redis 6.0.16", "redis-server.service", "/etc/redis/redis.conf", "redis", "/run/redis"],
    ["redis-8-stock", "Redis 8.0.2", "redis-server.service", "/etc/redis/redis.conf", "redis", "/run/redis"],
    [
      "valkey-8-stock",
      "Valkey 8.1.1",
      "valkey-server.service",
      "/etc/valkey/valkey.conf",
      "valkey",
      "/run/valkey",
    ],
  ])("of %s is %s", (name, product, unit, configPath, user, runtimeDirectory) => {
    const found = server(factsOf(name));
    expect(found).toMatchObject({ unit, configPath, user, group: user, runtimeDirectory });
    expect(found.version.name).toBe(product);
    expect(found.version.support).toBe("measured");
    expect(found.commands).toBeDefined();
  });

  it.each(["", "relative.conf", "/etc/redis/other.conf"])(
    "is refused where its unit names the configuration %j, whatever other files the probe read",
    (named) => {
      const facts = editedFacts("stock", { argv: () => `/usr/bin/redis-server ${named}\n` });
      expect(serverOf(facts)).toMatchObject({
        problem: "redis-server.service starts without a configuration file that can be read",
      });
    },
  );

  it("has its version from the program where nobody can log in", () => {
    const found = server(editedFacts("valkey-8-stock", { login: () => undefined, info: () => undefined }));
    expect(found.version).toMatchObject({ product: "valkey", version: "8.1.1" });
    expect(found.keys).toBeUndefined();
    expect(found.usedMemory).toBeUndefined();
    expect(found.role).toBeUndefined();
  });

  it("has the number of keys of all databases", () => {
    expect(server(factsOf("aof")).keys).toBe(3);
    const found = editedFacts("aof", {
      info: (text) =>
        text.replace(/^db0:.*$/m, "db0:keys=3,expires=0,avg_ttl=0\ndb12:keys=40,expires=0,avg_ttl=0"),
    });
    expect(server(found).keys).toBe(43);
    expect(server(factsOf("stock")).keys).toBe(0);
  });

  it.each<[string, Parameters<typeof editedFacts>[1], string]>([
    [
      "commands",
      { "category read": (text) => `${text.trimEnd()}\n${lines(5_000, (n) => `x${n}`)}` },
      "commands, and redkeep judges 5000",
    ],
    [
      "users",
      { "acl-list": (text) => `${text.trimEnd()}\n${lines(20_000, (n) => `user u${n} on`)}` },
      "users and selectors, and redkeep judges",
    ],
    [
      "selectors",
      { "acl-list": (text) => `${text.trimEnd()}\nuser u on ${"(~a +get) ".repeat(20_000)}\n` },
      "users and selectors, and redkeep judges",
    ],
    [
      "users of its file",
      { "acl-file /etc/redis/users.acl": (text) => `${text}${lines(20_000, (n) => `user u${n} on`)}` },
      "users and selectors, and redkeep judges",
    ],
    [
      "rules",
      { "acl-list": (text) => `${text.trimEnd()}\nuser u on ${"+get ".repeat(200_000)}\n` },
      "words, and redkeep judges 200000",
    ],
  ])("is refused with more %s than redkeep judges", (_, edits, problem) => {
    expect(serverOf(editedFacts("hardened", edits))).toMatchObject({
      problem: expect.stringContaining(problem),
    });
  });

  it("may have some thousand users", () => {
    const facts = editedFacts("hardened", {
      "acl-list": (text) => `${text.trimEnd()}\n${lines(5_000, (n) => `user u${n} on ~app:${n}:* +@read`)}`,
    });
    expect(isServer(serverOf(facts))).toBe(true);
  });

  it("has its role, its replicas and whether a Sentinel watches it", () => {
    expect(server(factsOf("primary"))).toMatchObject({ role: "master", replicas: 1, hasSentinel: false });
    expect(server(factsOf("replica"))).toMatchObject({ role: "slave", replicas: 0, hasSentinel: false });
    expect(server(factsOf("watched-by-sentinel")).hasSentinel).toBe(true);
    expect(server(factsOf("stock")).isCluster).toBe(false);
    const cluster = editedFacts("stock", { [CONF]: (text) => `${text}Cluster-Enabled YES\n` });
    expect(server(cluster).isCluster).toBe(true);
  });

  it("gets the product's own user where the unit still runs as root", () => {
    const edits = {
      properties: (text: string) => text.replace(/^User=.*$/m, "User=").replace(/^Group=.*$/m, "Group="),
    };
    expect(server(editedFacts("stock", edits))).toMatchObject({
      user: "redis",
      group: "redis",
    });
    expect(server(editedFacts("valkey-8-stock", edits))).toMatchObject({
      user: "valkey",
      group: "valkey",
    });
  });

  it("has its configuration read as Redis does, also with CRLF, tabs and capitals", () => {
    const { config } = server(factsOf("strange"));
    expect(config.get("port")).toEqual(["7379"]);
    expect(config.get("maxmemory")).toEqual(["200mb"]);
    expect(config.get("bind")).toEqual(["0.0.0.0"]);
    expect(config.get("requirepass")).toEqual(["Strange password"]);
    expect(config.all("rename-command").map(({ args }) => args[0])).toEqual(["FLUSHDB", "config"]);
  });

  it.each(["stock", "strange", "requirepass", "aof", "redis-6-stock", "redis-8-stock", "valkey-8-stock"])(
    "has in the files of %s the values that it runs with",
    (name) => {
      const { config, running } = server(factsOf(name));
      for (const setting of ["port", "dir", "maxmemory", "protected-mode", "bind", "appendonly", "save"]) {
        const inFile = config.get(setting)?.join(" ");
        const runs = running?.get(setting);
        const isMemory = setting === "maxmemory" && inFile !== undefined;
        if (inFile !== undefined) expect([setting, isMemory ? "209715200" : inFile]).toEqual([setting, runs]);
      }
    },
  );
});

describe("a host without a server that redkeep can change", () => {
  const problem = (facts: ReturnType<typeof factsOf>) => {
    const found = serverOf(facts);
    return isServer(found) ? undefined : found.problem;
  };

  it.each([
    [
      "no systemd",
      { systemd: () => "no\n" },
      "systemd does not run this host: nothing there could put a change back by itself",
    ],
    ["no unit", { units: () => "\n", unit: () => undefined }, "no Redis or Valkey unit was found"],
    [
      "several units",
      { units: () => "redis-server.service\nredis-server@two.service\n", unit: () => undefined },
      "several units: redis-server.service, redis-server@two.service",
    ],
    ["a unit that is not there", { argv: () => "\n" }, "redis-server.service is not a unit of this host"],
    [
      "a start without a file",
      { [CONF]: () => undefined },
      "redis-server.service starts without a configuration file that can be read",
    ],
    [
      "text that is not UTF-8",
      { [CONF]: (text: string) => `${text}# caf\ufffd\n` },
      "/etc/redis/redis.conf is not UTF-8 text",
    ],
    [
      "unbalanced quotes",
      { [CONF]: () => 'port 6379\nrequirepass "open\n' },
      "/etc/redis/redis.conf:2: the quotes in this line are unbalanced",
    ],
    [
      "a missing include",
      { [CONF]: () => "include /etc/redis/none.conf\n" },
      "/etc/redis/redis.conf:1: /etc/redis/none.conf is missing",
    ],
    [
      "an include of itself",
      { [CONF]: () => "include /etc/redis/redis.conf\n" },
      "/etc/redis/redis.conf:1: /etc/redis/redis.conf includes itself",
    ],
    [
      "no version",
      { info: () => undefined, "binary-version": () => "\u001b[31mRedis?\n" },
      "the server's version could not be read",
    ],
  ])("is refused with the reason: %s", (_, edits, expected) => {
    expect(problem(editedFacts("stock", edits))).toBe(expected);
  });

  it("is refused where another version answers than the program that the unit runs", () => {
    const facts = editedFacts("stock", {
      "same-program": () => "\n",
      info: (text) => text.replace("redis_version:7.0.15", "redis_version:7.2.4"),
    });
    expect(serverOf(facts)).toMatchObject({
      problem: "/usr/bin/redis-server is version 7.0.15, and what answers in its place says 7.2.4",
    });
    expect(isServer(serverOf(editedFacts("stock", { "same-program": () => "\n" })))).toBe(true);
  });

  it("is one whose only unit is a Sentinel's", () => {
    const facts = editedFacts("stock", { units: () => "redis-sentinel.service\n", unit: () => undefined });
    expect(problem(facts)).toBe("no Redis or Valkey unit was found");
  });
});
