import { describe, expect, it } from "vitest";
import { concernsPort, evaluate, type Packet } from "../../src/firewall/evaluate.ts";
import type { FirewallState, WantedFirewall } from "../../src/firewall/plan.ts";
import { planFirewall } from "../../src/firewall/plan-firewall.ts";
import {
  describeEntry,
  parseRules,
  renderRules,
  type UfwEntry,
  type UfwRulesFile,
} from "../../src/firewall/ufw-rules.ts";
import { contains, type Family } from "../../src/lib/network.ts";
import { rulesFile } from "../support/ufw.ts";

// Thousands of rule lists from a small world, judged by a second reading of the rendered iptables lines.

type Pick = <T>(choices: readonly T[]) => T;
type FullPacket = Required<Packet>;

/** mulberry32: the same lists in every run. */
function pickerOf(seed: number): Pick {
  let state = seed;
  return (choices) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return choices[((t ^ (t >>> 14)) >>> 0) % choices.length] as never;
  };
}

const WORLD = {
  4: {
    subnets: [
      "any",
      "any",
      "10.0.0.0/24",
      "10.0.0.0/8",
      "10.0.0.128/25",
      "10.0.0.66",
      "203.0.113.0/24",
      "203.0.113.7",
    ],
    hosts: ["10.0.0.9", "10.0.0.66", "10.0.0.200", "10.9.9.9", "203.0.113.7", "203.0.113.8", "198.51.100.1"],
    allow: [["10.0.0.0/24"], ["10.0.0.0/24", "10.0.0.0/8"], ["0.0.0.0/0"], []],
  },
  6: {
    subnets: ["any", "any", "fd00:1::/64", "fd00::/8", "fd00:1::66", "2001:db8::/64", "2001:db8::7"],
    hosts: ["fd00:1::9", "fd00:1::66", "fd00:2::1", "2001:db8::7", "2001:db8::8", "2a00::1"],
    allow: [["fd00:1::/64"], ["fd00:1::/64", "fd00::/8"], []],
  },
} as const;

function randomRule(pick: Pick, family: Family): string {
  if (pick([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]) === 1)
    return pick(["unreadable", "unreadable out", "allow Cache", "allow Redis"]);
  const [from, port, protocol] = [
    pick(WORLD[family].subnets),
    pick(["", "22", "6379", "6380", "443", "6379,6380", "6000:7000", "22,6380"]),
    pick(["tcp", "tcp", "udp", ""]),
  ];
  // ufw wants a protocol beside a list or a range.
  const proto = protocol === "" && /[,:]/.test(port) ? "tcp" : protocol;
  return [
    pick(["allow", "allow", "allow", "deny", "reject", "limit"]),
    pick(["", "", "", "", "in on eth0", "in on lo", "out", "log"]),
    `from ${from}`,
    `to any${port === "" ? "" : ` port ${port}`}`,
    proto === "" ? "" : `proto ${proto}`,
  ]
    .filter((word) => word !== "")
    .join(" ");
}

function randomFile(pick: Pick, family: Family): UfwRulesFile {
  const count = pick([0, 1, 2, 3, 4, 5, 6, 7]);
  // One rule a key, as ufw keeps them: all but the action.
  const rules = Array.from({ length: count }, () => randomRule(pick, family));
  const unique = new Map(rules.map((rule) => [rule.replace(/^\w+( log)?/, "").trim() || rule, rule]));
  return rulesFile(family, [...unique.values()]);
}

type Filter = (packet: FullPacket) => boolean | undefined;

/** What the kernel does with the lines of a rendered file: first ACCEPT, DROP or REJECT that matches, else undefined. */
function filterOf(file: UfwRulesFile): Filter {
  const lines = renderRules(file)
    .split("\n")
    .filter((line) => /^-A ufw6?-user-input /.test(line) && !/ -m (recent|owner)/.test(line))
    .map((line) => {
      const value = (option: string) => new RegExp(` ${option} (\\S+)`).exec(line)?.[1];
      const ports = (value("--dport") ?? value("--dports") ?? "0:65535").split(",").map((part) => {
        const [low, high = low] = part.split(":").map(Number) as [number, number?];
        return { low, high };
      });
      return { ports, protocol: value("-p"), source: value("-s"), name: value("-i"), target: value("-j") };
    })
    .filter(({ target }) => /^(ACCEPT|DROP|REJECT|ufw6?-user-limit-accept)$/.test(target ?? ""));
  return (packet) => {
    const { destinationPort: port } = packet;
    const line = lines.find(
      ({ ports, protocol, source, name }) =>
        (protocol ?? packet.protocol) === packet.protocol &&
        ports.some(({ low, high }) => low <= port && port <= high) &&
        (name ?? packet.interface) === packet.interface &&
        (source === undefined || contains(source, packet.source)),
    );
    return line && line.target !== "DROP" && line.target !== "REJECT";
  };
}

function packets(family: Family, ports: readonly number[]): FullPacket[] {
  const destination = family === 4 ? "10.1.2.3" : "fd00:1::3";
  return WORLD[family].hosts.flatMap((source) =>
    ports.flatMap((destinationPort) =>
      ["eth0", "eth1"].map((name) => ({
        ...{
          protocol: "tcp" as const,
          source,
          sourcePort: 40_000,
          destination,
          destinationPort,
          interface: name,
        },
      })),
    ),
  );
}

describe("evaluate", () => {
  it("agrees with the lines that the kernel gets", () => {
    const pick = pickerOf(1);
    for (let round = 0; round < 200; round++) {
      const family = pick([4, 6] as const);
      const read = randomFile(pick, family);
      const file = { ...read, entries: read.entries.filter(({ kind }) => kind === "rule") };
      const passes = filterOf(file);
      for (const packet of packets(family, [22, 443, 6379, 6380])) {
        const { verdict } = evaluate(file.entries, "deny", packet);
        const context = `${renderRules(file)}\n${JSON.stringify(packet)}`;
        expect(verdict === "allow" || verdict === "limit", context).toBe(passes(packet) ?? false);
      }
    }
  });
});

describe("planFirewall", () => {
  const rounds = Array.from({ length: 300 }, (_, seed) => seed + 1000);
  const situation = (seed: number): { state: FirewallState; wanted: WantedFirewall } => {
    const pick = pickerOf(seed);
    const ipv6Enabled = pick([true, true, true, false]);
    return {
      state: {
        active: pick([true, false]),
        ipv6Enabled,
        defaultIncoming: pick(["allow", "deny", "reject"] as const),
        rules4: randomFile(pick, 4),
        rules6: randomFile(pick, 6),
        ahead: [],
      },
      wanted: {
        ssh: {
          ports: pick([[22], [22, 443]]),
          peer: { address: pick(ipv6Enabled ? ["203.0.113.7", "2001:db8::7"] : ["203.0.113.7"]), port: 22 },
        },
        redisPorts: pick([[6380], [6379, 6380]]),
        allow: [...pick(WORLD[4].allow), ...(ipv6Enabled ? pick(WORLD[6].allow) : [])],
        default: "deny",
      },
    };
  };
  const planned = rounds.map((seed) => {
    const { state, wanted } = situation(seed);
    const plan = planFirewall(state, wanted);
    const families = ([4, 6] as const).filter((family) => family === 4 || state.ipv6Enabled);
    const files = (family: Family): [before: UfwRulesFile, after: UfwRulesFile] =>
      family === 4 ? [state.rules4, plan.rules4] : [state.rules6, plan.rules6];
    return { seed, state, wanted, plan, families, files };
  });

  it("finds no problem with its own work", () => {
    for (const { seed, plan } of planned) expect(plan.problems, `seed ${seed}`).toEqual([]);
  });

  it("plans nothing on its own result", () => {
    for (const { seed, state, wanted, plan } of planned) {
      const rules4 = parseRules(renderRules(plan.rules4), 4);
      const rules6 = parseRules(renderRules(plan.rules6), 6);
      const again = planFirewall(
        { ...state, active: true, defaultIncoming: wanted.default, rules4, rules6 },
        wanted,
      );
      expect(again.changes, `seed ${seed}`).toEqual([]);
    }
  });

  it("always lets the SSH peer in, on whichever interface", () => {
    for (const { seed, wanted, plan } of planned) {
      const { address, port } = wanted.ssh.peer;
      const file = address.includes(":") ? plan.rules6 : plan.rules4;
      const fromPeer = packets(file.family, [port]).filter(({ source }) => source === address);
      expect(fromPeer.map(filterOf(file)), `seed ${seed}`).toEqual([true, true]);
    }
  });

  it("lets the wanted subnets reach Redis except hosts that a rule bans, and nobody else", () => {
    for (const { seed, wanted, families, files } of planned) {
      for (const family of families) {
        const [before, after] = files(family);
        const passes = filterOf(after);
        for (const packet of packets(family, wanted.redisPorts)) {
          const subnets = wanted.allow.filter((subnet) => contains(subnet, packet.source));
          const isBanned = (subnet: string) => before.entries.some((entry) => bans(entry, subnet, packet));
          const mustPass = subnets.some((subnet) => !isBanned(subnet));
          if (!mustPass && subnets.length > 0) continue;
          expect(passes(packet) ?? false, `seed ${seed} ${JSON.stringify(packet)}`).toBe(mustPass);
        }
      }
    }
  });

  it("changes nothing for other ports, except that SSH gets in", () => {
    for (const { seed, wanted, families, files } of planned) {
      const ours = [...wanted.redisPorts, ...wanted.ssh.ports];
      const others = [443, 5432, 6379].filter((port) => !ours.includes(port));
      for (const family of families) {
        const [before, after] = files(family).map(filterOf) as [Filter, Filter];
        for (const packet of packets(family, others)) {
          expect(after(packet), `seed ${seed} ${JSON.stringify(packet)}`).toBe(before(packet));
        }
        for (const packet of packets(family, [22]).filter((packet) => before(packet))) {
          expect(after(packet), `seed ${seed} ${JSON.stringify(packet)}`).toBe(true);
        }
      }
    }
  });

  it("keeps the text and the order of the rules it keeps", () => {
    for (const { seed, plan, families, files } of planned) {
      if (plan.changes.some(({ before }) => before?.startsWith("behind "))) continue;
      for (const [before, after] of families.map(files)) {
        const kept = before.entries.filter((entry) => after.entries.includes(entry));
        expect(
          after.entries.filter((entry) => before.entries.includes(entry)),
          `seed ${seed}`,
        ).toEqual(kept);
        const named = plan.changes.map((change) => change.before);
        const lost = before.entries.filter((entry) => !kept.includes(entry)).map(describeEntry);
        expect(named, `seed ${seed}`).toEqual(expect.arrayContaining(lost));
      }
    }
  });
});

/** Whether a rule of the host turns away this packet out of a wanted subnet, but not the whole subnet. */
function bans(entry: UfwEntry, subnet: string, packet: FullPacket): boolean {
  if (entry.kind !== "rule" || !["deny", "reject"].includes(entry.action)) return false;
  if (!concernsPort(entry, packet.destinationPort) || entry.interfaceIn === "lo") return false;
  return contains(entry.source, packet.source) && !contains(entry.source, subnet);
}
