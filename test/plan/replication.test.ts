import { describe, expect, it } from "vitest";
import { type Member, replicasFirst, replicationGroups } from "../../src/plan/replication.ts";
import { factsOf } from "../support/facts.ts";

function member(host: string, info: Record<string, string>, more: Partial<Member> = {}): Member {
  return { host, names: [], info: new Map(Object.entries(info)), configuredPrimary: undefined, ...more };
}

const at = (address: string): Partial<Member> => ({ names: ["127.0.0.1", "::1", address] });
const replicaOf = (address: string, port = "6379") => ({
  role: "slave",
  master_host: address,
  master_port: port,
});
const ID = "e1d15c0edd7e1bb16bdd9db2a27946f13a49b17d";

/** `a+b` for each group, and how deep each of its hosts stands. */
function groups(members: readonly Member[]): Record<string, number[]> {
  const found = new Map<object, [names: string[], depths: number[]]>();
  for (const [host, { group, depth }] of replicationGroups(members)) {
    const entry = found.get(group) ?? [[], []];
    entry[0].push(host);
    entry[1].push(depth);
    found.set(group, entry);
  }
  return Object.fromEntries([...found.values()].map(([names, depths]) => [names.join("+"), depths]));
}

describe("replication groups", () => {
  it("are found for a recorded pair, without a host that has no part in it", () => {
    const members = ["primary", "stock", "replica"].map((name): Member => {
      const { host, redis } = factsOf(name);
      return member(
        name,
        {},
        { names: host.addresses.map(({ address }) => address), info: new Map(redis.info) },
      );
    });
    expect(groups(members)).toEqual({ "primary+replica": [0, 1] });
  });

  it.each<[string, Member[], Record<string, number[]>]>([
    [
      "by the primary's address",
      [member("a", { role: "master" }, at("10.0.0.1")), member("b", replicaOf("10.0.0.1"))],
      { "a+b": [0, 1] },
    ],
    [
      "by the primary's name, in any case",
      [member("a", {}, { names: ["Redis-A.example"] }), member("b", replicaOf("redis-a.EXAMPLE"))],
      { "a+b": [0, 1] },
    ],
    [
      "by another spelling of an address",
      [member("a", {}, at("fd00::1")), member("b", replicaOf("FD00:0::1"))],
      { "a+b": [0, 1] },
    ],
    [
      "by the primary's list of replicas",
      [
        member("a", { role: "master", slave0: "ip=10.0.0.2,port=6379,state=online" }),
        member("b", { role: "slave" }, at("10.0.0.2")),
      ],
      { "a+b": [0, 1] },
    ],
    [
      "by the replication ID alone, through a tunnel or NAT",
      [
        member("a", { role: "master", master_replid: ID }, at("10.0.0.1")),
        member("b", { ...replicaOf("127.0.0.1"), master_replid: ID }, at("10.0.0.2")),
      ],
      { "a+b": [0, 1] },
    ],
    [
      "of one primary that the run does not have",
      [
        member("b", replicaOf("10.0.0.9"), at("10.0.0.2")),
        member("c", replicaOf("10.0.0.9"), at("10.0.0.3")),
      ],
      { "b+c": [1, 1] },
    ],
    [
      "in a chain, however it hangs",
      [
        member("a", replicaOf("10.0.0.9"), at("10.0.0.1")),
        member("b", replicaOf("10.0.0.1"), at("10.0.0.2")),
        member("c", replicaOf("10.0.0.2"), at("10.0.0.3")),
      ],
      { "a+b+c": [1, 2, 3] },
    ],
    [
      "by redis.conf where the server could not be asked",
      [member("a", {}, at("10.0.0.1")), member("b", {}, { configuredPrimary: ["10.0.0.1", "6379"] })],
      { "a+b": [0, 1] },
    ],
    [
      "of servers that claim to replicate from each other",
      [
        member("a", replicaOf("10.0.0.2"), at("10.0.0.1")),
        member("b", replicaOf("10.0.0.1"), at("10.0.0.2")),
      ],
      { "a+b": [2, 2] },
    ],
  ])("are found %s", (_, members, expected) => {
    expect(groups(members)).toEqual(expected);
    expect(Object.keys(groups(members.toReversed()))).toHaveLength(1);
  });

  it.each<[string, Member[]]>([
    ["two primaries", [member("a", { role: "master" }), member("b", { role: "master" })]],
    [
      "two whose primary is behind a tunnel of their own",
      [1, 2].map((n) => member(`${n}`, replicaOf("127.0.0.1"))),
    ],
    [
      "two of other primaries at one address",
      [member("a", replicaOf("10.0.0.9", "1")), member("b", replicaOf("10.0.0.9", "2"))],
    ],
    [
      "two with an ID that says nothing",
      ["0".repeat(40), "", "x"].flatMap((id) =>
        [1, 2].map((n) => member(`${id}${n}`, { role: "master", master_replid: id })),
      ),
    ],
    [
      "a primary by its configuration and one that was its replica once",
      [
        member("a", {}, at("10.0.0.1")),
        member("b", { role: "master" }, { configuredPrimary: ["10.0.0.1", "6379"] }),
        member("c", {}, { configuredPrimary: ["NO", "one"] }),
        member("d", {}, { configuredPrimary: ["no", "one"] }),
      ],
    ],
    [
      "hosts that share loopback",
      [
        member("a", {}, at("10.0.0.1")),
        member("b", { role: "master", slave0: "ip=127.0.0.1" }, at("10.0.0.2")),
      ],
    ],
    [
      "a host named as a key of ours is built",
      [member("primary 10.0.0.9 6379", { role: "master" }), member("b", replicaOf("10.0.0.9"))],
    ],
  ])("are not made of %s", (_, members) => {
    expect(groups(members)).toEqual({});
  });

  it("of three hundred hosts that all claim to be one group are found within seconds", () => {
    const all = Object.fromEntries(
      Array.from({ length: 300 }, (_, n) => [`slave${n}`, `ip=10.0.${n >> 8}.${n & 255},port=1`]),
    );
    const members = Array.from({ length: 300 }, (_, n) =>
      member(
        `h${n}`,
        { ...all, ...replicaOf(`10.0.${((n + 1) % 300) >> 8}.${((n + 1) % 300) & 255}`) },
        {
          names: [`10.0.${n >> 8}.${n & 255}`],
        },
      ),
    );
    const before = process.cpuUsage();
    expect(Object.keys(groups(members))).toHaveLength(1);
    expect(process.cpuUsage(before).user / 1000).toBeLessThan(5_000);
  });
});

describe("the order of a run", () => {
  const order = (hosts: string[], depths: Record<string, [group: string, depth: number]>) => {
    const all = new Map(Object.values(depths).map(([name]) => [name, {}]));
    return replicasFirst(hosts, (host) => {
      const [name = "", depth = 0] = depths[host] ?? [];
      const group = all.get(name);
      return group === undefined ? undefined : { group, depth };
    }).join(" ");
  };

  it("puts replicas before their primary, and leaves all other hosts in place", () => {
    expect(
      order(["p", "x", "r1", "y", "r2", "q", "z", "s"], {
        p: ["one", 0],
        r1: ["one", 1],
        r2: ["one", 2],
        q: ["two", 0],
        s: ["two", 1],
      }),
    ).toBe("r2 x r1 y p s z q");
  });

  it("is the inventory's where nothing replicates or the order is right already", () => {
    expect(order(["b", "a", "c"], {})).toBe("b a c");
    expect(order(["r1", "r2", "p"], { r1: ["one", 1], r2: ["one", 1], p: ["one", 0] })).toBe("r1 r2 p");
  });
});
