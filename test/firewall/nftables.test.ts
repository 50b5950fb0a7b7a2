import { describe, expect, it } from "vitest";
import { readIptables } from "../../src/firewall/iptables.ts";
import { parseNft } from "../../src/firewall/nft/tables.ts";
import { readNft } from "../../src/firewall/nftables.ts";
import { verdictOf } from "../../src/firewall/walk/passage.ts";
import { strangersTo } from "../../src/firewall/walk/senders.ts";
import { walk } from "../../src/firewall/walk.ts";

// Rules as nft's JSON has them. test/integration/firewall-truth.test.ts shows what packets meet with most of them.

const host = {
  addresses: [
    { interface: "eth0", address: "10.0.0.5", prefix: 24 },
    { interface: "eth0", address: "fd00::5", prefix: 64 },
  ],
  interfaces: ["eth0"],
};

interface Made {
  policy?: "accept" | "drop";
  family?: 4 | 6;
  more?: object[];
  hook?: string;
}

/** What is said of a chain of table inet with these rules, to strangers over a family. */
function passageOf(rules: object[][], { policy = "drop", family = 4, more = [], hook = "input" }: Made = {}) {
  const inet = { family: "inet", table: "t" };
  const nftables = [
    { table: { family: "inet", name: "t" } },
    ...more,
    { chain: { ...inet, name: "in", type: "filter", hook, prio: 0, policy } },
    ...rules.map((expr) => ({ rule: { ...inet, chain: "in", expr } })),
  ];
  const nft = readNft(parseNft(JSON.stringify({ nftables })) ?? { tables: [] }, "", family);
  return walk([nft], host, { family, sources: strangersTo(family, []), port: 6379 });
}
const said = (rules: object[][], made?: Made) => verdictOf(passageOf(rules, made));

const payload = (protocol: string, field: string) => ({ payload: { protocol, field } });
const meta = (key: string) => ({ meta: { key } });
const match = (left: object, right: unknown, op = "==") => ({ match: { op, left, right } });
const port = match(payload("tcp", "dport"), 6379);
const accept = { accept: null };
const drop = { drop: null };
const set = (name: string, more: object = {}) => ({
  set: { family: "inet", table: "t", name, type: "ipv4_addr", ...more },
});

describe("a statement that names a header of one family", () => {
  it.each<[string, object[], 4 | 6]>([
    ["reject with icmp", [port, { reject: { type: "icmp", expr: "port-unreachable" } }], 4],
    ["reject with icmpv6", [port, { reject: { type: "icmpv6", expr: "port-unreachable" } }], 6],
    ["a map by ip saddr", [{ vmap: { key: payload("ip", "saddr"), data: { set: [["*", drop]] } } }], 4],
    ["a mark from ip6 dscp", [{ mangle: { key: meta("mark"), value: payload("ip6", "dscp") } }, drop], 6],
  ])("matches packets of that family alone: %s", (_, rule, family) => {
    expect(said([rule], { policy: "accept", family })).toBe("closed");
    expect(said([rule], { policy: "accept", family: family === 4 ? 6 : 4 })).toBe("open");
  });

  it("adds nothing to a set for a packet of the other family", () => {
    const add = { set: { op: "add", elem: payload("ip", "saddr"), set: "@s" } };
    const made = { policy: "accept" as const, more: [set("s", { flags: ["dynamic"] })] };
    expect(said([[port, add, drop]], { ...made, family: 6 })).toBe("open");
  });

  it("forwards packets of its own family alone", () => {
    const dnat = { dnat: { family: "ip6", addr: "fd99::9", port: 6379 } };
    expect(said([[port, dnat]], { policy: "accept", hook: "prerouting", family: 4 })).toBe("open");
  });

  it("does not bind a reject of any family to one family", () => {
    for (const reject of [
      { reject: null },
      { reject: { type: "icmpx", expr: "admin-prohibited" } },
      { reject: { type: "tcp reset" } },
    ]) {
      expect([4, 6].map((family) => said([[reject]], { policy: "accept", family: family as 4 | 6 }))).toEqual(
        ["closed", "closed"],
      );
    }
  });
});

describe("a rule that matches and sets a mark", () => {
  it.each([
    ["meta mark", meta("mark")],
    ["ct mark", { ct: { key: "mark" } }],
  ])("is evaluated once, with the mark as it came: %s", (_, key) => {
    expect(said([[port, match(key, 0), { mangle: { key, value: 1 } }, accept]])).toBe("open");
    expect(said([[match(key, 0), { mangle: { key, value: 1 } }, match(key, 0), accept]])).toBe("closed");
  });

  it("keeps the new mark for later rules where it ends before its verdict", () => {
    const marked = [{ mangle: { key: meta("mark"), value: 7 } }, match(payload("tcp", "dport"), 22), accept];
    expect(said([marked, [match(meta("mark"), 7), accept]])).toBe("open");
  });

  it("does not match a connection mark before connections are tracked", () => {
    const key = { ct: { key: "mark" } };
    const notTracked = [{ match: { op: "==", left: { ct: { key: "mark" } }, right: 0 } }, drop];
    expect(said([notTracked], { policy: "accept" })).toBe("closed");
    const early = { ...host };
    const nftables = [
      { table: { family: "inet", name: "t" } },
      {
        chain: {
          family: "inet",
          table: "t",
          name: "raw",
          type: "filter",
          hook: "prerouting",
          prio: -300,
          policy: "accept",
        },
      },
      { rule: { family: "inet", table: "t", chain: "raw", expr: [match(key, 5, "!="), drop] } },
    ];
    const nft = readNft(parseNft(JSON.stringify({ nftables })) ?? { tables: [] }, "", 4);
    expect(verdictOf(walk([nft], early, { family: 4, sources: strangersTo(4, []), port: 6379 }))).toBe(
      "open",
    );
  });
});

describe("a statement that may end its rule", () => {
  it.each<[string, object]>([
    ["a set that may be full", { set: { op: "add", elem: payload("ip", "saddr"), set: "@s" } }],
    [
      "a map without an element for it",
      {
        mangle: {
          key: meta("mark"),
          value: { map: { key: payload("tcp", "dport"), data: { set: [[22, 1]] } } },
        },
      },
    ],
    [
      "a priority from a map",
      {
        mangle: {
          key: meta("priority"),
          value: { map: { key: payload("ip", "dscp"), data: { set: [["cs1", 1]] } } },
        },
      },
    ],
    ["a flow table", { flow: { op: "add", flowtable: "@f" } }],
  ])("makes the verdict behind it unknown: %s", (_, statement) => {
    const made = { more: [set("s", { flags: ["dynamic"] })] };
    const { doubts } = passageOf([[port, statement, drop]], { ...made, policy: "accept" });
    expect(doubts).toMatchObject([{ text: expect.stringContaining("nft inet t in: tcp dport 6379") }]);
    expect(said([[port, statement, accept]], made)).toBe("unknown");
  });

  it("keeps the verdict certain where its value is known for every packet", () => {
    const mark = { mangle: { key: meta("mark"), value: { ct: { key: "mark" } } } };
    expect(said([[mark, drop]], { policy: "accept" })).toBe("closed");
    expect(said([[{ mangle: { key: meta("nftrace"), value: 1 } }, drop]], { policy: "accept" })).toBe(
      "closed",
    );
  });
});

describe("ranges and sets over a trait that all packets have", () => {
  it.each<[string, object, unknown]>([
    ["meta l4proto 1-17", meta("l4proto"), { range: [1, 17] }],
    ["meta l4proto of a named set", meta("l4proto"), "@p"],
    ["meta nfproto 0-12", meta("nfproto"), { range: [0, 12] }],
    ["meta pkttype 0-2", meta("pkttype"), { set: [{ range: [0, 2] }] }],
    ["ct direction by a range", { ct: { key: "direction" } }, { range: [0, 1] }],
    ["an interface by a range", meta("iifname"), { range: ["eth0", "eth9"] }],
  ])("may match: %s", (_, left, right) => {
    const more = [set("p", { type: "inet_proto", flags: ["interval"], elem: [{ range: [1, 17] }] })];
    expect(said([[match(left, right), accept]], { more })).toBe("unknown");
    expect(said([[match(left, right, "!="), drop]], { more, policy: "accept" })).toBe("unknown");
  });

  it("match by numbers and by names", () => {
    expect(said([[match(meta("l4proto"), { set: ["tcp", "udp"] }), accept]])).toBe("open");
    expect(said([[match(meta("nfproto"), 2), accept]])).toBe("open");
    expect(said([[match(meta("l4proto"), { set: ["icmp", "ipv6-icmp"] }), accept]])).toBe("closed");
  });
});

describe("the next header of IPv6", () => {
  const next = (right: unknown, op?: string) => match(payload("ip6", "nexthdr"), right, op);

  it("may be an option with TCP behind it, so a rule on TCP is unknown", () => {
    expect(said([[next("tcp"), drop]], { policy: "accept", family: 6 })).toBe("unknown");
    expect(said([[next({ set: ["tcp", "udp"] }), drop]], { policy: "accept", family: 6 })).toBe("unknown");
    expect(said([[next("tcp", "!="), accept]], { family: 6 })).toBe("unknown");
    expect(said([[next("tcp"), port, accept]], { family: 6 })).toBe("open");
  });

  it("is never ICMPv6 for a packet to Redis' port", () => {
    expect(said([[next("ipv6-icmp"), accept]], { family: 6 })).toBe("closed");
    expect(said([[next({ range: [0, 60] }), accept]], { family: 6 })).toBe("unknown");
  });
});

describe("names of interfaces", () => {
  it("match by a final star in nft; a final plus is part of the name there, and a wildcard in iptables", () => {
    expect(said([[match(meta("iifname"), "eth+"), drop]], { policy: "accept" })).toBe("open");
    expect(said([[match(meta("iifname"), "eth*"), drop]], { policy: "accept" })).toBe("closed");
    expect(said([[match(meta("iifname"), "eth\\*"), drop]], { policy: "accept" })).toBe("open");
    expect(
      verdictOf(
        walk([readIptables("*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -i eth+ -j DROP\nCOMMIT\n", 4)], host, {
          family: 4,
          sources: strangersTo(4, []),
          port: 6379,
        }),
      ),
    ).toBe("closed");
  });
});

describe("a map of verdicts", () => {
  const vmap = (...pairs: [unknown, object][]) => ({
    vmap: { key: payload("tcp", "dport"), data: { set: pairs } },
  });

  it("continues its rule only for values with the verdict continue", () => {
    expect(said([[vmap([6379, { continue: null }]), accept]])).toBe("open");
    expect(said([[vmap([6380, { continue: null }]), accept]])).toBe("closed");
    expect(said([[vmap([6379, { continue: null }], ["*", accept]), drop]], { policy: "accept" })).toBe(
      "closed",
    );
  });
});

describe("elements that count what matches them", () => {
  it("are unknown, and do not count as plain elements", () => {
    const elem = [{ elem: { val: "0.0.0.0", limit: { rate: 1, per: "second" } } }];
    const saddr = match(payload("ip", "saddr"), "@s");
    expect(said([[saddr, drop]], { policy: "accept", more: [set("s", { elem })] })).toBe("unknown");
    const stmt = [{ limit: { rate: 1, per: "second" } }];
    const all = [{ prefix: { addr: "0.0.0.0", len: 0 } }];
    expect(said([[saddr, drop]], { policy: "accept", more: [set("s", { elem: all, stmt })] })).toBe(
      "unknown",
    );
    expect(said([[saddr, drop]], { policy: "accept", more: [set("s", { elem: all })] })).toBe("closed");
  });
});

describe("rules that nobody would write", () => {
  it("are read in a time that does not multiply with their lists", () => {
    const elem = Array.from({ length: 60 }, (_, i) => ({ concat: [`10.0.0.${i}`, 6379] }));
    const left = { concat: [payload("ip", "saddr"), payload("tcp", "dport")] };
    const many = Array.from({ length: 8 }, () => match(left, "@s"));
    expect(said([[...many, accept]], { more: [set("s", { elem })] })).toBe("open");
    const doubtful = { concat: [payload("ip", "ttl"), payload("ip", "dscp")] };
    const pairs = { set: elem.map((_, i) => ({ concat: [i, i] })) };
    expect(
      said([Array.from({ length: 8 }, () => match(doubtful, pairs))].map((rule) => [...rule, accept])),
    ).toBe("unknown");
  });

  it("that read a list again and again are unknown", () => {
    const elem = Array.from({ length: 50_000 }, (_, i) => `11.${i >> 16}.${(i >> 8) & 255}.${i & 255}`);
    const rules = Array.from({ length: 60 }, () => [match(payload("ip", "saddr"), "@s"), port, accept]);
    expect(["open", "unknown"]).toContain(said(rules, { more: [set("s", { elem })] }));
  });

  it("with more statements than the kernel takes are unknown", () => {
    const mark = { mangle: { key: meta("mark"), value: 1 } };
    expect(said([[...Array.from({ length: 50_000 }, () => mark), accept]])).toBe("unknown");
  });

  it("with an operator that is none are unknown, even one named like an object's property", () => {
    for (const op of ["constructor", "toString", "__proto__", "~"]) {
      expect(said([[match(payload("tcp", "dport"), 6379, op), drop]], { policy: "accept" })).toBe("unknown");
    }
  });
});
