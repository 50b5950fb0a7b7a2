import { describe, expect, it } from "vitest";
import type { HostFacts } from "../../src/facts/probe.ts";
import type { Client } from "../../src/facts/redis.ts";
import { impactOf } from "../../src/plan/impact.ts";
import { hashPassword } from "../../src/redis/acl-user.ts";
import { PASSWORDS } from "../support/facts.ts";
import { confWith, type Differences, hostWith } from "../support/host-facts.ts";
import { planTasks } from "../support/plan-tasks.ts";
import { server } from "../support/run-task.ts";

const client = (address: string, more: Partial<Client> = {}): Client => ({
  address,
  local: "172.17.0.2:6379",
  user: "default",
  name: "",
  library: "",
  flags: "N",
  command: "get",
  subscriptions: 0,
  ...more,
});

const app = {
  name: "app",
  preset: "application",
  keys: ["app:*"],
  channels: ["app:*"],
  password: { env: "A" },
};
const admin = { name: "admin", preset: "admin", password: { generate: true } };
const ACL = { acl: { users: [app, admin] } };
const ONLY_ADMIN = { acl: { users: [admin] } };
const appHash = hashPassword(PASSWORDS.get("app") ?? expect.fail("no password"));

/** The sentences about a plan for these tasks on a recorded host that differs in this. */
function told(tasks: Record<string, unknown>, differences: Differences | HostFacts = {}): string[] {
  const facts =
    "redis" in differences && "host" in differences && "configFiles" in differences
      ? (differences as HostFacts)
      : hostWith(differences as Differences);
  return impactOf(planTasks(tasks, facts), facts, server(facts)).map(({ detail }) => detail);
}

/** A host that listens everywhere, with these clients, users and counted commands. */
function used(redis: Partial<HostFacts["redis"]>, more: Differences = {}): Differences {
  const conf = confWith({ bind: "bind 0.0.0.0" });
  return { conf, ...more, redis, running: { bind: "0.0.0.0", ...more.running } };
}

const hardened = (user: string, ...lines: string[]): string[] => [
  "user default off resetpass resetchannels -@all",
  `user ${user}`,
  ...lines,
];

describe("the impact of a plan", () => {
  it("lists the clients that are connected as user default, counted by address and name", () => {
    const orders = { name: "orders", library: "ioredis 5.3" };
    const clients = [
      client("10.0.0.7:4001", orders),
      client("10.0.0.7:4002", orders),
      client("10.0.0.8:4001", orders),
      client("10.0.0.9:4001"),
    ];
    expect(told(ACL, used({ clients }))).toEqual([
      "10.0.0.7, 10.0.0.8  user default, orders, ioredis 5.3, 3 connections: refused, user default goes off. Give it user app.",
      "10.0.0.9  user default: refused, user default goes off. Give it user app.",
    ]);
  });

  it("groups clients whose names differ in a number alone, with the first few addresses", () => {
    const clients = [1, 2, 3, 4, 5].map((number) =>
      client(`10.0.0.${number}:4001`, { name: `worker-${number}` }),
    );
    expect(told(ONLY_ADMIN, used({ clients }))).toEqual([
      "10.0.0.1, 10.0.0.2, 10.0.0.3 and 2 more  user default, worker-1, 5 connections: refused, user default goes off. Give it a user of its own in the playbook.",
    ]);
  });

  it("leaves out redkeep's own connections, the primary of a replica, and clients that have not logged in", () => {
    const clients = [
      client("127.0.0.1:3", { command: "client|list" }),
      client("127.0.0.1:4", { command: "info", name: "redkeep" }),
      client("/run/redis/redis.sock:0", { command: "acl|whoami", flags: "U" }),
      client("10.0.0.6:6379", { flags: "M", user: "(superuser)", command: "NULL" }),
    ];
    expect(told(ACL, used({ clients }))).toEqual([]);
    const waiting = client("10.0.0.7:1", { command: "NULL" });
    const aclUsers = [
      "user default on #0000000000000000000000000000000000000000000000000000000000000000 ~* &* +@all",
    ];
    expect(told(ACL, used({ clients: [waiting], aclUsers }))).toEqual([]);
  });

  it("includes a client that calls itself redkeep and comes from elsewhere", () => {
    const clients = [client("10.0.0.7:1", { name: "redkeep" })];
    expect(told(ACL, used({ clients }))).toHaveLength(1);
  });

  it("is empty where the users stay as they are", () => {
    expect(told({ limits: {} }, used({ clients: [client("10.0.0.7:1")] }))).toEqual([]);
    const aclUsers = hardened(`app on #${appHash} ~app:* resetchannels &app:* -@all +@read`);
    const inMemory = used({ aclUsers, clients: [client("10.0.0.7:1", { user: "app" })] });
    expect(told({ limits: { nofile: 1024 } }, inMemory)).toEqual([
      expect.stringMatching(
        /^user "app" lives only in memory.* Logged in now: 10\.0\.0\.7\. It stays until Redis restarts/,
      ),
    ]);
  });

  it("lists the clients of a user that lives only in memory, where Redis restarts", () => {
    const aclUsers = hardened(`app on #${appHash} ~app:* resetchannels &app:* -@all +@read`);
    const inMemory = used({ aclUsers, clients: [client("10.0.0.7:1", { user: "app" })] });
    expect(told({ limits: { nofile: 100_000 } }, inMemory)).toEqual([
      expect.stringMatching(/^user "app" lives only in memory.* The restart of this run ends it: no file/),
      "10.0.0.7  user app: refused, user app is in memory only, and Redis restarts. Name it in the playbook.",
    ]);
  });

  it("says that a user gets the rules of its file again, where Redis restarts", () => {
    const aclUsers = hardened("ops on nopass ~* resetchannels &* +@all");
    const conf = confWith({ user: "user ops on nopass ~ops:* resetchannels -@all +get" });
    expect(told({ limits: { nofile: 100_000 } }, { conf, redis: { aclUsers } })).toEqual([
      expect.stringMatching(
        /^user "ops" has other rules in memory than in its file \(may also run .*: the restart brings back/,
      ),
    ]);
  });

  it("names replicas and Sentinels as such", () => {
    const clients = [
      client("10.0.0.6:1", { flags: "S", command: "replconf" }),
      client("10.0.0.9:1", { name: "sentinel-703f761d-cmd", command: "info" }),
      client("10.0.0.9:2", {
        name: "sentinel-703f761d-pubsub",
        command: "subscribe",
        flags: "P",
        subscriptions: 1,
      }),
    ];
    const sentences = told({ tls: {} }, used({ clients }));
    expect(sentences).toContain(
      "replica 10.0.0.6  user default: loses its link, port 6379 closes. Use TLS on port 6380 and a client certificate.",
    );
    expect(sentences).toContainEqual(
      expect.stringMatching(/^Sentinel 10\.0\.0\.9 .*2 connections: loses its link/),
    );
  });

  it("lists the clients of a removed password or a removed user", () => {
    const old = "1".repeat(64);
    const aclUsers = hardened(
      `app on #${old} ~app:* resetchannels &app:* +@all`,
      `user legacy on #${old} ~* resetchannels &* +@all`,
    );
    const clients = [client("10.0.0.7:1", { user: "app" }), client("10.0.0.8:1", { user: "legacy" })];
    const conf = confWith({
      bind: "bind 0.0.0.0",
      user: `user legacy on #${old} ~* resetchannels &* +@all`,
    });
    expect(told({ acl: { ...ACL.acl, unlisted: "remove" } }, used({ aclUsers, clients }, { conf }))).toEqual([
      "10.0.0.7  user app: refused, user app gets another password. Give it the new one.",
      "10.0.0.8  user legacy: refused, user legacy is removed. Give it user app.",
    ]);
    expect(told(ACL, used({ aclUsers, clients: clients.slice(1) }, { conf }))).toEqual([]);
  });
});

describe("the impact on who gets in", () => {
  const remote = client("10.0.0.7:1");

  it("lists the clients of a port that closes or changes to TLS", () => {
    expect(told({ tls: { port: 6380 } }, used({ clients: [remote] }))).toEqual([
      expect.stringContaining("port 6379 closes. Use TLS on port 6380 and a client certificate."),
    ]);
    expect(told({ tls: { port: 6379, plain_port: 6378 } }, used({ clients: [remote] }))).toEqual([
      expect.stringContaining("port 6379 speaks TLS only. Use TLS on port 6379"),
    ]);
    expect(told({ tls: { plain_port: 6379 } }, used({ clients: [remote] }))).toEqual([]);
  });

  it("lists the clients over TLS where a client certificate becomes mandatory", () => {
    const running = { "tls-port": "6380", "tls-auth-clients": "no", port: "0" };
    const clients = [client("10.0.0.7:1", { local: "172.17.0.2:6380" })];
    expect(told({ tls: {} }, used({ clients }, { running }))).toEqual([
      expect.stringContaining("a client certificate is demanded. Name it in tls.clients."),
    ]);
    expect(told({ tls: { auth_clients: "optional" } }, used({ clients }, { running }))).toEqual([]);
  });

  it("lists the clients of an address on which Redis stops listening", () => {
    const loopback = client("127.0.0.1:1", { local: "127.0.0.1:6379" });
    const clients = [remote, loopback];
    expect(told({ bind: { addresses: ["127.0.0.1"] } }, used({ clients }))).toEqual([
      "10.0.0.7  user default: refused, Redis listens on 172.17.0.2 no more. Add its address to bind.addresses.",
    ]);
    expect(told({ bind: { addresses: ["127.0.0.1", "172.17.0.2"] } }, used({ clients }))).toEqual([]);
    // Before 6.2 nobody says which address a client uses.
    const blind = used({ clients: [{ ...remote, local: "" }] }, { like: "redis-6-stock" });
    expect(told({ bind: { addresses: ["127.0.0.1"] } }, blind)).toEqual([
      expect.stringContaining("Redis listens on loopback alone"),
    ]);
  });

  it("lists the clients that the firewall does not let in", () => {
    const firewall = { firewall: { allow: ["10.0.1.0/24"], other_ports: "keep" } };
    const clients = [remote, client("10.0.1.7:1"), client("127.0.0.1:1", { local: "127.0.0.1:6379" })];
    // What a host sends to its own address goes over loopback.
    const [own] = hostWith().host.addresses.filter(({ interface: name }) => name === "eth0");
    clients.push(client(`${own?.address}:9`, { local: "" }));
    expect(told(firewall, used({ clients }))).toEqual([
      "10.0.0.7  user default: refused when it reconnects, the firewall does not let 10.0.0.7 in. Add its network to firewall.allow.",
    ]);
  });

  it("counts the clients beyond maxclients", () => {
    expect(told({ limits: { maxclients: 100 } }, { info: { connected_clients: "121" } })).toEqual([
      "120 clients now, and maxclients 100: 20 of them will be refused when they connect anew. Raise limits.maxclients.",
    ]);
    expect(told({ limits: { maxclients: 200 } }, { info: { connected_clients: "121" } })).toEqual([]);
  });
});

describe("the impact on what clients may do", () => {
  const uptime = { info: { uptime_in_seconds: "260000" } };

  it("lists a command that is taken away, with its count since Redis started", () => {
    const commandCalls = new Map([
      ["flushall", 3],
      ["keys", 0],
      ["debug|sleep", 2],
      ["config|get", 99],
    ]);
    const commands = { FLUSHALL: "disable", KEYS: "disable", DEBUG: "disable", CONFIG: "rename" };
    expect(told({ "rename-command": { commands } }, used({ commandCalls }, uptime))).toEqual([
      "FLUSHALL ran 3 times since Redis started 3 days ago: taken away from everybody. Delete by SCAN and UNLINK.",
      "DEBUG SLEEP ran 2 times since Redis started 3 days ago: taken away from everybody.",
    ]);
  });

  it("lists a used command that only the administrator may run", () => {
    const commandCalls = new Map([
      ["keys", 214],
      ["get", 9000],
      ["slowlog|get", 1],
    ]);
    const clients = [client("10.0.0.7:1", { name: "scanner", command: "keys" })];
    expect(told(ACL, used({ commandCalls, clients }, uptime)).slice(1)).toEqual([
      "user default ran KEYS 214 times since Redis started 3 days ago, last by 10.0.0.7 (scanner, user default): only admin may from now on. Use SCAN; where it is needed, allow: [+keys].",
      "user default ran SLOWLOG GET once since Redis started 3 days ago: only admin may from now on. Where it is needed, allow: [+slowlog|get].",
    ]);
  });

  it("lists a command that a remaining user loses, even where another user keeps it", () => {
    const aclUsers = hardened(
      `app on #${appHash} ~app:* resetchannels &app:* +@all`,
      "user ops on nopass ~* resetchannels &* +@all",
    );
    const conf = confWith({
      bind: "bind 0.0.0.0",
      user: "user ops on nopass ~* resetchannels &* +@all",
    });
    const ran = { aclUsers, commandCalls: new Map([["eval", 5]]) };
    const sentences = told(ACL, used(ran, { ...uptime, conf }));
    expect(sentences).toEqual([
      "EVAL ran 5 times since Redis started 3 days ago: denied to user app from now on. Where it is needed, scripts: true.",
    ]);
    expect(told({ acl: { users: [{ ...app, allow: ["+eval"] }, admin] } }, used(ran, { conf }))).toEqual([]);
  });

  it("leaves out commands that redkeep itself ran in an earlier change", () => {
    const commandCalls = new Map([
      ["config|set", 3],
      ["bgsave", 1],
      ["flushall", 1],
    ]);
    const commands = { FLUSHALL: "disable", CONFIG: "rename", BGSAVE: "disable" };
    const sentences = (last: unknown) =>
      told(
        { "rename-command": { commands } },
        used({ commandCalls }, { transaction: { last } as never }),
      ).map((sentence) => sentence.split(" ran ")[0]);
    expect(sentences(undefined)).toEqual(["CONFIG SET", "BGSAVE", "FLUSHALL"]);
    expect(sentences({ id: "20260101T000000Z-00000000" })).toEqual(["FLUSHALL"]);
  });

  it("leaves out commands that a replica gets from its primary", () => {
    const commandCalls = new Map([["restore", 7]]);
    const differences = used({ commandCalls });
    expect(told(ACL, differences)).toHaveLength(1);
    expect(told(ACL, { ...differences, info: { role: "slave" } })).toEqual([]);
  });

  it("counts keys outside a user's patterns by a sample, and shows no key's name", () => {
    const keys = ["app:1", "cart:hunter2", "cart:9", "token-hunter2:x", "cart:9"];
    const aclUsers = hardened(`app on #${appHash} ~* resetchannels &app:* -@all +@read`);
    expect(told(ACL, used({ aclUsers, keys }))).toEqual([
      "user app reaches only app:*: of 4 sampled keys, 3 lie outside (cart:…). Add their pattern to its keys.",
    ]);
    const clients = [client("10.0.0.7:1")];
    expect(told(ACL, used({ keys, clients }))[1]).toBe(
      "who leaves user default for app reaches only app:*: of 4 sampled keys, 3 lie outside (cart:…). Add their pattern to its keys.",
    );
    expect(told(ACL, used({ aclUsers, keys: ["app:1"] }))).toEqual([]);
  });

  it("is unknown where clients made the list or a key too long to be read whole", () => {
    const cut = used({ clients: [], cut: new Set(["clients", "key"]) });
    expect(told({ limits: { maxmemory: "1gb" } }, cut)).toEqual([
      expect.stringMatching(/^CLIENT LIST is too long to be read whole, so who else would notice is unknown/),
      expect.stringMatching(/^A sampled key has a name too long to be read whole/),
    ]);
  });

  it("lists channels where a subscribed user may use fewer", () => {
    const aclUsers = hardened(`app on #${appHash} ~app:* &* -@all +@read +@pubsub`);
    const clients = [
      client("10.0.0.7:1", { user: "app", flags: "P", command: "subscribe", subscriptions: 2 }),
    ];
    expect(told(ACL, used({ aclUsers, clients }))).toEqual([
      "user app (1 subscriber) may use only channels app:* from now on. Add others to its channels.",
    ]);
    expect(told(ACL, used({ aclUsers }))).toEqual([]);
  });

  it("says that writes would be refused where memory is full or keys are no longer evicted", () => {
    const memory = { info: { used_memory: "2097152", evicted_keys: "7" } };
    expect(told({ limits: { maxmemory: "1mb", maxmemory_policy: "noeviction" } }, memory)[0]).toBe(
      "2mb are in use, and maxmemory 1mb: writes are refused. Raise limits.maxmemory.",
    );
    expect(
      told(
        { limits: { maxmemory_policy: "noeviction" } },
        { ...memory, running: { "maxmemory-policy": "allkeys-lru" } },
      ),
    ).toEqual([expect.stringMatching(/^7 keys made room since Redis started.*writes are refused instead/)]);
  });
});
