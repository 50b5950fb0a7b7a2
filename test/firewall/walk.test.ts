import { describe, expect, it } from "vitest";
import { readIptables } from "../../src/firewall/iptables.ts";
import { parseNft } from "../../src/firewall/nft/tables.ts";
import { readNft } from "../../src/firewall/nftables.ts";
import type { Ruleset } from "../../src/firewall/ruleset.ts";
import { verdictOf } from "../../src/firewall/walk/passage.ts";
import { sourcesOf, strangersTo } from "../../src/firewall/walk/senders.ts";
import { walk } from "../../src/firewall/walk.ts";

// test/integration/firewall-truth.test.ts shows what packets really meet. Here is what no packet shows, or what is quicker so.

const host = {
  addresses: [
    { interface: "eth0", address: "10.0.0.5", prefix: 24 },
    { interface: "eth0", address: "fd00::5", prefix: 64 },
  ],
  interfaces: ["eth0", "eth1"],
};
const ask = (rulesets: readonly Ruleset[], sources = strangersTo(4, ["10.0.0.0/24"])) =>
  walk(rulesets, host, { family: 4, sources, port: 6379 });
const table = (name: string, ...lines: string[]) => `*${name}\n${lines.join("\n")}\nCOMMIT\n`;
const filter = (...rules: string[]) =>
  readIptables(table("filter", ":INPUT DROP [0:0]", ":site - [0:0]", ...rules), 4);
const said = (...rules: string[]) => {
  const passage = ask([filter(...rules)]);
  return [
    verdictOf(passage),
    ...passage.openings.map(({ rule }) => rule.text),
    ...passage.doubts.map(({ text }) => text),
  ];
};

describe("what is not known to the letter", () => {
  it.each([
    "-A INPUT -m set --match-set friends src -j ACCEPT",
    "-A INPUT -m geoip --source-country DE -j ACCEPT",
    "-A INPUT -m recent --rcheck --name knocked -j ACCEPT",
    "-A INPUT -m bpf --bytecode 1,6_0_0_0 -j ACCEPT",
    "-A INPUT -m conntrack --ctstatus ASSURED -j ACCEPT",
    "-A INPUT -m addrtype --dst-type LOCAL --limit-iface-in -j ACCEPT",
    "-A INPUT -s 10.0.0.0/255.0.255.0 -j ACCEPT",
    "-A INPUT -p tcp -j TPROXY --on-port 1",
    "-A INPUT -p tcp -j NFQUEUE --queue-num 0",
    "-A INPUT -p tcp -j SYNPROXY",
    "-A INPUT -j not-there",
    "-A INPUT --some-option 1 -j ACCEPT",
    "-A INPUT -m new --with -j -j ACCEPT",
  ])("is unknown, by its text: %s", (rule) => {
    expect(said(rule)).toEqual(["unknown", rule]);
  });

  it("does not include a target that is the name of a chain", () => {
    expect(said(":ULOG - [0:0]", "-A INPUT -j ULOG", "-A ULOG -j ACCEPT")).toEqual([
      "open",
      "-A ULOG -j ACCEPT",
    ]);
    expect(said("-A INPUT -j ULOG")).toEqual(["closed"]);
  });

  it("does not matter where an earlier rule decides for all packets, or both outcomes end alike", () => {
    const unknown = "-A INPUT -m geoip --source-country DE -j";
    expect(said("-A INPUT -p tcp -j DROP", `${unknown} ACCEPT`)).toEqual(["closed"]);
    expect(said(`${unknown} LOG`, "-A INPUT -j DROP")).toEqual(["closed"]);
    expect(said(`${unknown} DROP`)).toEqual(["closed"]);
    expect(said(`${unknown} ACCEPT`, "-A INPUT -j ACCEPT")[0]).toBe("open");
  });

  it("does not matter where the rule certainly does not match the packet", () => {
    expect(said("-A INPUT -p udp -m geoip --source-country DE -j ACCEPT")).toEqual(["closed"]);
    expect(said("-A INPUT -i lo -m new --option x -j ACCEPT")).toEqual(["closed"]);
    expect(said("-A INPUT -p tcp -m tcp --dport 22 -j NFQUEUE")).toEqual(["closed"]);
  });

  it("makes the verdict unknown where an unknown rule may turn the packet away before an accept", () => {
    const rule = "-A INPUT -m geoip --source-country DE -j DROP";
    expect(said(rule, "-A INPUT -p tcp -j ACCEPT")).toEqual(["unknown", rule]);
  });
});

describe("traits that a sender can choose", () => {
  it("count as open where a rule lets such packets in", () => {
    expect(said("-A INPUT -m ttl --ttl-lt 5 -j ACCEPT")[0]).toBe("open");
    expect(said("-A INPUT -m time --timestart 08:00:00 --timestop 18:00:00 -j ACCEPT")[0]).toBe("open");
  });

  it("stay the same for one packet in every rule", () => {
    expect(said("-A INPUT -m ttl --ttl-lt 5 -j DROP", "-A INPUT -m ttl --ttl-lt 5 -j ACCEPT")).toEqual([
      "closed",
    ]);
  });

  it("make the verdict unknown where two of them may exclude each other", () => {
    const second = "-A INPUT -m ttl --ttl-gt 5 -j site";
    expect(
      said("-A INPUT -m ttl --ttl-gt 200 -j DROP", second, "-A site -m ttl --ttl-lt 4 -j ACCEPT")[0],
    ).toBe("unknown");
  });
});

describe("addresses that no interface has", () => {
  const nat = (...rules: string[]) =>
    readIptables(table("nat", ":PREROUTING ACCEPT [0:0]", ":site - [0:0]", ...rules), 4);
  const redirect = "-A PREROUTING -d 10.88.0.9/32 -p tcp -m tcp --dport 6379 -j REDIRECT";
  const forDnat = "-A INPUT -m conntrack --ctstate DNAT -j ACCEPT";

  it("are unknown where they are redirected, since a router may send them here", () => {
    const passage = ask([nat(redirect), filter(forDnat)]);
    expect(verdictOf(passage)).toBe("unknown");
    expect(passage.doubts).toEqual([{ chain: "PREROUTING", text: redirect }]);
    const throughChain = [
      "-A PREROUTING -d 10.88.0.9/32 -j site",
      "-A site -p tcp -j REDIRECT --to-ports 6379",
    ];
    expect(verdictOf(ask([nat(...throughChain), filter(forDnat)]))).toBe("unknown");
  });

  it("are unknown where a rule lets them in, since a route may make them the host's", () => {
    expect(said("-A INPUT -d 10.88.0.0/24 -j ACCEPT")).toEqual([
      "unknown",
      "-A INPUT -d 10.88.0.0/24 -j ACCEPT",
    ]);
    expect(said("-A INPUT ! -d 10.0.0.5/32 -j ACCEPT")).toEqual([
      "unknown",
      "-A INPUT ! -d 10.0.0.5/32 -j ACCEPT",
    ]);
  });

  it("change nothing where their packets are turned away, go to another port, or are multicast", () => {
    expect(verdictOf(ask([nat(redirect), filter()]))).toBe("closed");
    expect(verdictOf(ask([nat(redirect.concat(" --to-ports 22")), filter(forDnat)]))).toBe("closed");
    expect(said("-A INPUT -d 10.88.0.9/32 -p tcp -m tcp --dport 22 -j ACCEPT")).toEqual(["closed"]);
    expect(said("-A INPUT -d 10.88.0.9/32 -p udp -j ACCEPT")).toEqual(["closed"]);
    expect(said("-A INPUT -d 224.0.0.251/32 -j ACCEPT", "-A INPUT -d 10.0.0.255/32 -j ACCEPT")).toEqual([
      "closed",
    ]);
  });
});

describe("parts that are missing from the host's rules", () => {
  const gap = (isWithin: boolean): Ruleset => ({
    chains: [],
    gaps: [{ text: "something is missing", isWithin }],
  });

  it("may only turn packets away where whole chains are missing", () => {
    expect(verdictOf(ask([filter("-A INPUT -p tcp -j ACCEPT"), gap(false)]))).toBe("unknown");
    expect(verdictOf(ask([filter(), gap(false)]))).toBe("closed");
  });

  it("may do anything where they are missing within a chain", () => {
    expect(verdictOf(ask([filter(), gap(true)]))).toBe("unknown");
    expect(readIptables("*filter\n:INPUT DROP [0:0]\n-A INPUT -j ACC", 4).gaps).toMatchObject([
      { isWithin: true },
    ]);
    const incompatible = "# Table `filter' is incompatible, use 'nft' tool.\n";
    expect(readIptables(incompatible, 4).gaps).toMatchObject([{ isWithin: false }]);
  });

  it("are assumed where nft and iptables do not agree about a table", () => {
    const nft = {
      nftables: [
        { table: { family: "ip", name: "filter", handle: 1 } },
        {
          chain: {
            family: "ip",
            table: "filter",
            name: "INPUT",
            type: "filter",
            hook: "input",
            prio: 0,
            policy: "drop",
          },
        },
      ],
    };
    const read = (save: string) => readNft(parseNft(JSON.stringify(nft)) ?? { tables: [] }, save, 4).gaps;
    expect(read(table("filter", ":INPUT DROP [0:0]"))).toEqual([]);
    expect(read(table("filter", ":INPUT DROP [0:0]", "-A INPUT -j ACCEPT"))).toMatchObject([
      { isWithin: true },
    ]);
  });
});

describe("a big host", () => {
  it("with ten thousand bans and Kubernetes' rules is read within seconds", () => {
    const bans = Array.from(
      { length: 10_000 },
      (_, i) => `-A INPUT -s 198.${i >> 8}.${i & 255}.1/32 -j DROP`,
    );
    const services = Array.from(
      { length: 30_000 },
      (_, i) =>
        `-A KUBE -d 10.96.${i >> 8}.${i & 255}/32 -p tcp -m comment --comment "ns/svc" -m tcp --dport 443 -j SVC`,
    );
    const save =
      table(
        "nat",
        ":PREROUTING ACCEPT [0:0]",
        ":KUBE - [0:0]",
        ":SVC - [0:0]",
        "-A PREROUTING -j KUBE",
        ...services,
      ) + table("filter", ":INPUT DROP [0:0]", ...bans, "-A INPUT -p tcp -m tcp --dport 6379 -j ACCEPT");
    const before = process.cpuUsage();
    const passage = ask([readIptables(save, 4)]);
    expect(verdictOf(passage)).toBe("open");
    expect(verdictOf(ask([readIptables(save, 4)], sourcesOf(4, ["198.0.7.1"])))).toBe("closed");
    expect(process.cpuUsage(before).user / 1000).toBeLessThan(10_000);
  });

  it("with thousands of bans for another port gets a certain verdict", () => {
    const bans = Array.from(
      { length: 6_000 },
      (_, i) => `-A INPUT -s 198.${i >> 8}.${i & 255}.1/32 -p tcp -m tcp --dport 22 -j DROP`,
    );
    expect(said(...bans)).toEqual(["closed"]);
    expect(said(...bans, "-A INPUT -p tcp -j ACCEPT")[0]).toBe("open");
  });

  it("whose rules take packets apart beyond measure is unknown, in some seconds", () => {
    const odd = Array.from({ length: 3_000 }, (_, i) => `-A INPUT -s 198.${i >> 8}.${i & 255}.1/32 -j site`);
    const rules = [
      ...odd,
      ...Array.from({ length: 40 }, (_, i) => `-A site -m length --length ${i} -j site${i}`),
    ];
    const chains = Array.from({ length: 40 }, (_, i) => `:site${i} - [0:0]`);
    const through = Array.from({ length: 39 }, (_, i) => [
      `-A site${i} -j site${i + 1}`,
      `-A site${i} -j site${i + 1}`,
    ]);
    const last = ["-A site39 -j ACCEPT", "-A site39 -p udp -j DROP"];
    const passage = ask([filter(...chains, ...through.flat(), ...rules, ...last)]);
    expect(["open", "unknown"]).toContain(verdictOf(passage));
    const loop = ask([filter("-A INPUT -j site", "-A site -j site")]);
    expect(verdictOf(loop)).not.toBe("open");
    const doubling = Array.from({ length: 39 }, (_, i) => [
      `-A site${i} -m ttl --ttl-eq ${i} -j site${i + 1}`,
      `-A site${i} -j site${i + 1}`,
    ]);
    const twice = ask([
      filter(...chains, ...doubling.flat(), "-A INPUT -j site0", "-A site39 -m mark --mark 1 -j DROP"),
    ]);
    expect(verdictOf(twice)).not.toBe("open");
  });
});

describe("parseNft", () => {
  it("is undefined for text that is no nft ruleset, however deeply nested", () => {
    expect(parseNft("")).toBeUndefined();
    expect(parseNft('{"nftables": [')).toBeUndefined();
    expect(parseNft('{"nftables": {}}')).toBeUndefined();
    expect(parseNft(`{"nftables": [${"[".repeat(1_000_000)}${"]".repeat(1_000_000)}]}`)).toBeUndefined();
    expect(parseNft('{"nftables": []}')).toEqual({ tables: [] });
  });
});
