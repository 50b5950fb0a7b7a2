import { describe, expect, it } from "vitest";
import { editedFacts, factsOf, privateNetwork, withRunning } from "../support/facts.ts";
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
const privateIp = (name: string) => privateNetwork(factsOf(name)).private_ip;
const wanted = (name: string) => ({ addresses: ["127.0.0.1", "-::1", privateIp(name)] });

describe("bind", () => {
  it("adds the private address and a Unix socket to a stock host", () => {
    const plan = planTask("bind", wanted("stock"), factsOf("stock"));
    expect(changeLines(plan)).toEqual([
      `update redis.conf:bind: 127.0.0.1 -::1 → 127.0.0.1 -::1 ${privateIp("stock")}`,
      'update redis.conf:unixsocket: "" → /run/redis/redis.sock',
      "update redis.conf:unixsocketperm: 0 → 700",
      "update unit:After: not set → network-online.target",
    ]);
    expect(plan.restartFor).toEqual(["redis.conf:unixsocket", "redis.conf:unixsocketperm"]);
  });

  it.each(["hardened", "rewritten", "redis-6-hardened", "redis-8-hardened", "valkey-8-hardened"])(
    "plans nothing and passes every check on %s",
    (name) => {
      expect(changeLines(planTask("bind", wanted(name), factsOf(name)))).toEqual([]);
      expect(findings(verifyTask("bind", wanted(name), factsOf(name)))).toEqual([]);
    },
  );

  it("changes addresses on a running server, without a restart", () => {
    const params = { addresses: ["127.0.0.1"] };
    const plan = planTask("bind", params, factsOf("hardened"));
    expect(addresses(plan)).toEqual(["redis.conf:bind"]);
    expect(plan.restartFor).toEqual([]);
    expect(plan.actions.liveSettings).toEqual([["bind", "127.0.0.1"]]);
  });

  it("fails the check where protected mode is off in the file alone, since a restart would lose it", () => {
    expect(changeLines(planTask("bind", wanted("drifted"), factsOf("drifted")))).toEqual([
      "update redis.conf:protected-mode: no → yes (as it runs: now in the file too)",
    ]);
    expect(findings(verifyTask("bind", wanted("drifted"), factsOf("drifted")))).toEqual([
      "RK-NET-02 fail: running yes, but no in the file: lost at the next restart",
    ]);
  });

  it("reads upper case, tabs and CRLF, and keeps the operator's line ends", () => {
    const plan = planTask("bind", wanted("strange"), factsOf("strange"));
    expect(changeLines(plan).slice(0, 2)).toEqual([
      `update redis.conf:bind: 0.0.0.0 → 127.0.0.1 -::1 ${privateIp("strange")}`,
      "update redis.conf:protected-mode: no → yes",
    ]);
    const text = written(plan, CONF);
    expect(text).toContain(
      `# Company Redis, kept on Windows\r\nbind 127.0.0.1 -::1 ${privateIp("strange")}\r\n`,
    );
    expect(text).toContain("\r\nprotected-mode yes\r\n");
    expect(text.replaceAll("\r\n", "")).not.toContain("\n");
  });

  it("names every address on which a strange host listens too widely", () => {
    expect(findings(verifyTask("bind", wanted("strange"), factsOf("strange")))).toEqual([
      "RK-NET-01 fail: 0.0.0.0 port 7379",
      "RK-NET-01 fail: running 0.0.0.0",
      "RK-NET-01 fail: redis-server.service does not wait for network-online.target",
      "RK-NET-02 fail: running no",
      "RK-NET-08 fail: no such socket",
      'RK-NET-08 fail: running ""',
      "RK-NET-08 fail: running 0",
    ]);
  });

  it("passes no check where Redis does not listen", () => {
    const facts = editedFacts("hardened", { listeners: () => "" });
    expect(findings(verifyTask("bind", wanted("hardened"), facts))).toContain(
      "RK-NET-01 fail: nothing listens",
    );
  });

  it("fails the check where the default port answers strangers, although its listener is right", () => {
    const facts = editedFacts("hardened", { "plain-ping 127.0.0.1 6379": () => "PONG\n" });
    expect(findings(verifyTask("bind", wanted("hardened"), facts))).toEqual([
      "RK-NET-03 fail: 127.0.0.1:6379 PONG",
    ]);
  });

  it("fails the check for a socket that others may open", () => {
    const facts = editedFacts("hardened", {
      paths: (text) => text.replace(/^socket\|redis\|redis\|700\|/m, "socket|redis|redis|777|"),
    });
    expect(findings(verifyTask("bind", wanted("hardened"), facts))).toEqual(["RK-NET-08 fail: mode 0777"]);
  });

  it("leaves the running addresses unknown without a login, and says so", () => {
    const facts = editedFacts("hardened", { running: () => undefined });
    expect(
      findings(verifyTask("bind", wanted("hardened"), facts)).filter((line) => line.includes("unknown")),
    ).toEqual([
      "RK-NET-01 unknown: no login to Redis: CONFIG does not answer",
      "RK-NET-02 unknown: no login to Redis: CONFIG does not answer",
      "RK-NET-08 unknown: no login to Redis: CONFIG does not answer",
      "RK-NET-08 unknown: no login to Redis: CONFIG does not answer",
    ]);
  });

  it("keeps the socket that the operator named", () => {
    const facts = editedFacts("stock", {
      [`config ${CONF}`]: (text) => `${text}unixsocket /run/redis/own.sock\nunixsocketperm 770\n`,
    });
    const plan = planTask("bind", { ...wanted("stock"), unix_socket: "auto" }, facts);
    expect(changeLines(plan)).toContain(
      'update redis.conf:unixsocket: "" → /run/redis/own.sock (in the file already: changed on the running server, or never loaded)',
    );
  });

  it("leaves sockets alone where none is asked for", () => {
    const plan = planTask("bind", { ...wanted("stock"), unix_socket: null }, factsOf("stock"));
    expect(addresses(plan)).toEqual(["redis.conf:bind", "unit:After"]);
  });

  it("says why it sets no socket where systemd makes no runtime directory", () => {
    const facts = editedFacts("stock", {
      properties: (text) => text.replace(/^RuntimeDirectory=.*$/m, "RuntimeDirectory="),
    });
    const plan = planTask("bind", wanted("stock"), facts);
    expect(plan.tasks[0]?.reason).toMatch(/no Unix socket/);
    expect(addresses(plan)).toEqual(["redis.conf:bind", "unit:After"]);
  });

  it("waits at boot for an address that may come late, and restarts nothing for it", () => {
    const facts = editedFacts("hardened", {
      properties: (text) => text.replaceAll("network-online.target", ""),
      "drop-in": (text) => text.replace(/^\[Unit\]\nWants=.*\nAfter=.*\n/m, ""),
    });
    const plan = planTask("bind", wanted("hardened"), facts);
    expect(changeLines(plan)).toEqual(["update unit:After: not set → network-online.target"]);
    expect(plan.restartFor).toEqual([]);
    expect(written(plan, "/etc/systemd/system/redis-server.service.d/redkeep.conf")).toMatch(
      /\[Unit\]\nWants=network-online.target\nAfter=network-online.target\n\[Service\]\n\w/,
    );
    const loopback = { addresses: ["127.0.0.1", "-192.0.2.9"] };
    for (const params of [{ ...wanted("hardened"), wait_for_network: false }, loopback])
      expect(addresses(planTask("bind", params, facts))).not.toContain("unit:After");
  });

  it("plans a change where the running server differs from the file", () => {
    const facts = editedFacts("hardened", { running: withRunning("bind", "0.0.0.0") });
    const plan = planTask("bind", wanted("hardened"), facts);
    expect(changeLines(plan)).toEqual([
      `update redis.conf:bind: 0.0.0.0 → 127.0.0.1 -::1 ${privateIp("hardened")} (in the file already: changed on the running server, or never loaded)`,
    ]);
  });

  describe("trap 18: addresses by version", () => {
    it("gives Redis 6.0 no dash: it would take it for a host name and stop", () => {
      const text = written(planTask("bind", wanted("redis-6-stock"), factsOf("redis-6-stock")), CONF);
      expect(text).toMatch(
        new RegExp(`^bind 127\\.0\\.0\\.1 ${privateIp("redis-6-stock").replaceAll(".", "\\.")}$`, "m"),
      );
    });

    it("gives Redis 6.0 the optional addresses that the host has", () => {
      const facts = editedFacts("redis-6-stock", {
        addresses: (text) => `${text}1: lo    inet6 ::1/128 scope host \n`,
      });
      expect(written(planTask("bind", wanted("redis-6-stock"), facts), CONF)).toMatch(
        /^bind 127\.0\.0\.1 ::1 /m,
      );
    });

    it.each(["stock", "redis-8-stock", "valkey-8-stock"])("keeps the dash on %s", (name) => {
      const conf = name.startsWith("valkey") ? "/etc/valkey/valkey.conf" : CONF;
      expect(written(planTask("bind", wanted(name), factsOf(name)), conf)).toMatch(
        /^bind 127\.0\.0\.1 -::1 /m,
      );
    });

    it("refuses an address that the host lacks, and names those it has", () => {
      const plan = planTask("bind", { addresses: ["127.0.0.1", "192.0.2.7"] }, factsOf("stock"));
      expect(guards(plan)).toEqual(["bind-absent-address"]);
      expect(plan.refusals[0]?.found).toContain("Redis would not start");
      expect(plan.refusals[0]?.remedy).toContain(privateIp("stock"));
    });

    it("refuses a missing address on Redis 6.0 too, which would start without listening there", () => {
      const plan = planTask("bind", { addresses: ["127.0.0.1", "192.0.2.7"] }, factsOf("redis-6-stock"));
      expect(guards(plan)).toEqual(["bind-absent-address"]);
      expect(plan.refusals[0]?.found).toContain("start without it");
    });
  });

  it.each(["0.0.0.0", "::", "*", "-::"])(
    "refuses to listen everywhere by %s, unless that is accepted",
    (everywhere) => {
      const params = { addresses: [everywhere] };
      expect(guards(planTask("bind", params, factsOf("stock")))).toEqual(["bind-everywhere"]);
      expect(guards(planTask("bind", params, factsOf("stock"), { accepted: ["bind-everywhere"] }))).toEqual(
        [],
      );
    },
  );

  it("refuses an empty list of addresses, whatever is accepted", () => {
    expect(guards(planTask("bind", { addresses: ["", ""] }, factsOf("stock")))).toEqual(["-"]);
  });

  it("uses Valkey's own paths", () => {
    const plan = planTask("bind", wanted("valkey-8-stock"), factsOf("valkey-8-stock"));
    expect(changeLines(plan)).toContain('update redis.conf:unixsocket: "" → /run/valkey/redis.sock');
    expect(plan.actions.files.map(({ path }) => path)).toEqual([
      "/etc/valkey/valkey.conf",
      "/etc/systemd/system/valkey-server.service.d/redkeep.conf",
    ]);
  });

  it.each([
    [{ addresses: ["not an address"] }],
    [{ addresses: ["127.0.0.1\nprotected-mode no"] }],
    [{ unix_socket: "relative.sock" }],
    [{ unix_socket: "/run/redis/a b.sock" }],
    [{ adresses: [] }],
  ])("does not take %j", (params) => {
    expect(() => planTask("bind", params, factsOf("stock"))).toThrow();
  });
});
