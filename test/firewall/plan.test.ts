import { describe, expect, it } from "vitest";
import { evaluate, isAllowed } from "../../src/firewall/evaluate.ts";
import type { FirewallState, WantedFirewall } from "../../src/firewall/plan.ts";
import { planFirewall, portsCutOff } from "../../src/firewall/plan-firewall.ts";
import { describeEntry, parseRules, renderRules, type UfwRulesFile } from "../../src/firewall/ufw-rules.ts";
import { rulesFile } from "../support/ufw.ts";

const REDIS = "allow from 10.0.0.0/24 to any port 6380 proto tcp";

function stateOf(rules4: string[], rules6: string[] = [], more: Partial<FirewallState> = {}): FirewallState {
  return {
    active: true,
    ipv6Enabled: true,
    defaultIncoming: "deny",
    rules4: rulesFile(4, rules4),
    rules6: rulesFile(6, rules6),
    ahead: [],
    ...more,
  };
}

function wantedOf(more: Partial<WantedFirewall> = {}): WantedFirewall {
  return {
    ssh: { ports: [22], peer: { address: "203.0.113.7", port: 22 } },
    redisPorts: [6380],
    allow: ["10.0.0.0/24"],
    default: "deny",
    ...more,
  };
}

const words = (file: UfwRulesFile) => file.entries.map(describeEntry);
const lines = (plan: ReturnType<typeof planFirewall>) =>
  plan.changes.map(({ action, address, before, after }) =>
    [action, address, ...(action === "update" ? [`${before} → ${after}`] : [])].join(" "),
  );

/** What the next run sees: the files as written, read back, and the firewall on. */
function applied(
  state: FirewallState,
  plan: ReturnType<typeof planFirewall>,
  wanted: WantedFirewall,
): FirewallState {
  return {
    ...state,
    active: true,
    defaultIncoming: wanted.default,
    rules4: parseRules(renderRules(plan.rules4), 4),
    rules6: parseRules(renderRules(plan.rules6), 6),
  };
}

/** Plans; expects no problem, and a second run that finds nothing to do. */
function settle(state: FirewallState, wanted = wantedOf()) {
  const plan = planFirewall(state, wanted);
  expect(plan.problems).toEqual([]);
  expect(plan.lockoutRisk).toBeUndefined();
  expect(planFirewall(applied(state, plan, wanted), wanted).changes).toEqual([]);
  return plan;
}

describe("a stock host", () => {
  const stock = stateOf([], [], { active: false });

  it("gets SSH, then the subnet, then the firewall itself", () => {
    const plan = settle(stock);
    expect(lines(plan)).toEqual([
      "create ufw:allow 22/tcp",
      `create ufw:${REDIS}`,
      "update ufw:status inactive → active",
    ]);
    expect(plan.changes[0]?.reason).toBe("so that SSH stays open (you come from 203.0.113.7)");
    expect(words(plan.rules4)).toEqual(["allow 22/tcp", REDIS]);
    expect(words(plan.rules6)).toEqual(["allow 22/tcp"]);
  });

  it("gets a rule for each port, subnet and family", () => {
    const wanted = wantedOf({
      redisPorts: [6379, 6380],
      allow: ["10.77.0.99/24", "fd00:1::9/64", "10.9.9.9"],
    });
    const plan = settle(stock, wanted);
    expect(words(plan.rules4)).toEqual([
      "allow 22/tcp",
      "allow from 10.77.0.0/24 to any port 6379 proto tcp",
      "allow from 10.9.9.9 to any port 6379 proto tcp",
      "allow from 10.77.0.0/24 to any port 6380 proto tcp",
      "allow from 10.9.9.9 to any port 6380 proto tcp",
    ]);
    expect(words(plan.rules6)).toEqual([
      "allow 22/tcp",
      "allow from fd00:1::/64 to any port 6379 proto tcp",
      "allow from fd00:1::/64 to any port 6380 proto tcp",
    ]);
  });

  it("keeps every port of sshd open, and the one the session came through", () => {
    const ssh = { ports: [22, 2222], peer: { address: "2001:db8::7", port: 22022 } };
    const plan = settle(stock, wantedOf({ ssh }));
    expect(words(plan.rules6)).toEqual(["allow 22022/tcp", "allow 22/tcp", "allow 2222/tcp"]);
  });

  it("loses the rules for a port that Redis leaves, but not those that open other ports too", () => {
    const opened = [
      "allow 6379",
      "allow from 10.77.0.0/24 to any port 6379 proto tcp",
      "allow 6000:7000/tcp",
    ];
    const plan = settle(stateOf(opened, []), wantedOf({ leftPorts: [6379] }));
    expect(words(plan.rules4)).not.toContain(opened[0]);
    expect(words(plan.rules4)).not.toContain(opened[1]);
    expect(words(plan.rules4)).toContain(opened[2]);
  });

  it("opens nothing but SSH where nobody may reach Redis", () => {
    expect(words(settle(stock, wantedOf({ allow: [] })).rules4)).toEqual(["allow 22/tcp"]);
  });
});

describe("trap 6: the order of rules decides", () => {
  it("puts the subnet ahead of a deny", () => {
    const plan = settle(stateOf(["allow 22/tcp", "deny 6380/tcp"]));
    expect(words(plan.rules4)).toEqual(["allow 22/tcp", REDIS, "deny 6380/tcp"]);
  });

  it("moves a rule that stands behind the deny, which ufw itself does not", () => {
    const plan = settle(stateOf(["allow 22/tcp", "deny 6380/tcp", REDIS]));
    expect(words(plan.rules4)).toEqual(["allow 22/tcp", REDIS, "deny 6380/tcp"]);
    expect(lines(plan)).toEqual([`update ufw:${REDIS} behind "deny 6380/tcp" → ahead of "deny 6380/tcp"`]);
  });

  it("turns a deny of the very subnet into the allow", () => {
    const deny = REDIS.replace("allow", "deny");
    const plan = settle(stateOf(["allow 22/tcp", deny]));
    expect(words(plan.rules4)).toEqual(["allow 22/tcp", REDIS]);
    expect(lines(plan)).toEqual([`update ufw:${REDIS} ${deny} → ${REDIS}`]);
  });

  it.each([
    "allow 6380",
    "allow 6380/tcp",
    "limit 6380/tcp",
    "allow from 10.0.0.0/8 to any port 6380",
    "allow in on eth0 to any port 6380",
    "allow Redis",
    "allow log 6380/tcp",
  ])("removes %s, which opens the port more widely than the playbook", (rule) => {
    const plan = settle(stateOf(["allow 22/tcp", rule, "deny 6380/tcp", "allow 443/tcp"]));
    expect(lines(plan)).toContain(`delete ufw:${rule}`);
    expect(words(plan.rules4)).toEqual(["allow 22/tcp", REDIS, "deny 6380/tcp", "allow 443/tcp"]);
  });

  it.each([
    "allow from 10.0.0.0/8",
    "allow 80,6380/tcp",
    "allow 6000:7000/tcp",
    "allow in on eth1",
    "allow to any proto tcp",
    "unreadable",
  ])("denies the port ahead of %s, which other services need", (rule) => {
    const state = stateOf(["allow 22/tcp", rule]);
    const plan = settle(state);
    const kept = describeEntry(state.rules4.entries[1] as never);
    expect(words(plan.rules4)).toEqual(["allow 22/tcp", REDIS, "deny 6380/tcp", kept]);
    const other = { protocol: "tcp", source: "10.200.0.1", destinationPort: 6379 } as const;
    expect(evaluate(plan.rules4.entries, "deny", other)).toEqual(
      evaluate(state.rules4.entries, "deny", other),
    );
  });

  it("keeps a profile whole: one with other ports stays, one with Redis ports alone goes", () => {
    const state = stateOf(["allow 22/tcp", "allow Cache"]);
    const other = settle(state, wantedOf({ redisPorts: [16379] }));
    expect(words(other.rules4).slice(2)).toEqual(["deny 16379/tcp", "allow Cache", "allow Cache"]);
    const only = settle(state, wantedOf({ redisPorts: [6379, 16379] }));
    expect(lines(only).at(-1)).toBe("delete ufw:allow Cache");
    expect(words(only.rules4).filter((rule) => rule === "allow Cache")).toEqual([]);
  });

  it("moves a deny that stands behind the rule it should hold back", () => {
    const plan = settle(stateOf(["allow 22/tcp", "allow from 10.0.0.0/8", "deny 6380/tcp"]));
    expect(words(plan.rules4)).toEqual(["allow 22/tcp", REDIS, "deny 6380/tcp", "allow from 10.0.0.0/8"]);
  });

  it("closes IPv6 as well", () => {
    const plan = settle(stateOf(["allow 22/tcp", REDIS], ["allow 22/tcp", "allow 6380"]));
    expect(lines(plan)).toEqual(["delete ufw:allow 6380 (v6)"]);
    expect(words(plan.rules6)).toEqual(["allow 22/tcp"]);
  });

  it("names a rule of both families once", () => {
    const plan = settle(stateOf(["allow 22/tcp", REDIS, "allow 6380"], ["allow 22/tcp", "allow 6380"]));
    expect(lines(plan)).toEqual(["delete ufw:allow 6380"]);
  });
});

describe("an operator's rules", () => {
  it.each([
    ["allow from 10.0.0.0/24 to any port 6380"],
    ["allow from 10.0.0.0/24"],
    ["limit from 10.0.0.0/24 to any port 6380 proto tcp"],
    ["allow from 10.0.0.0/25 to any port 6380", "allow from 10.0.0.128/25 to any port 6380"],
  ])("%j already let the subnet in, and nothing changes", (...rules) => {
    expect(settle(stateOf(["allow 22/tcp", ...rules])).changes).toEqual([]);
  });

  it("stay where they are not about Redis", () => {
    const others = [
      "allow 443/tcp",
      "deny out 25",
      "route allow in on eth0 out on eth1",
      "allow 53/udp",
      "unreadable out",
      "deny from 198.51.100.0/24",
    ];
    const plan = settle(stateOf(["limit 22/tcp", ...others]));
    expect(renderRules(plan.rules4)).toContain(
      rulesFile(4, others)
        .entries.map(({ raw }) => raw)
        .join(""),
    );
  });

  it("keep a banned host of the subnet out, and the notes name it", () => {
    const plan = settle(stateOf(["allow 22/tcp", "deny from 10.0.0.66", "deny 6380/tcp"]));
    expect(words(plan.rules4)).toEqual(["allow 22/tcp", "deny from 10.0.0.66", REDIS, "deny 6380/tcp"]);
    expect(plan.notes).toEqual([
      '10.0.0.0/24 may reach port 6380 except for what "deny from 10.0.0.66" turns away',
    ]);
  });

  it("move with their comments and limits", () => {
    const limit = "limit log from 10.0.0.0/24 to any port 6380 proto tcp";
    const plan = settle(stateOf(["allow 22/tcp", "deny 6380/tcp", limit]));
    expect(words(plan.rules4)).toEqual(["allow 22/tcp", limit, "deny 6380/tcp"]);
  });

  it("may ban thousands of addresses", () => {
    const bans = Array.from({ length: 3000 }, (_, i) => `deny from 198.18.${i >> 6}.${(i & 63) * 4}`);
    const plan = settle(stateOf([...bans, "allow 22/tcp", "allow from 10.0.0.0/8"]));
    expect(words(plan.rules4).slice(3000)).toEqual([
      "allow 22/tcp",
      REDIS,
      "deny 6380/tcp",
      "allow from 10.0.0.0/8",
    ]);
  });

  it("cannot ban the subnet piece by piece", () => {
    const plan = settle(stateOf(["allow 22/tcp", "deny from 10.0.0.0/25", "deny from 10.0.0.128/25"]));
    expect(words(plan.rules4)[1]).toBe(REDIS);
  });
});

describe("SSH", () => {
  const packet = { protocol: "tcp", source: "203.0.113.7", destinationPort: 22 } as const;

  it.each([
    "allow 22",
    "limit 22/tcp",
    "allow from 203.0.113.0/24 to any port 22",
    "allow 22,80/tcp",
    "allow 1:1024/tcp",
  ])("is left alone where %s lets the peer in", (rule) => {
    const plan = settle(stateOf([rule, REDIS], ["allow 22"], { active: false }));
    expect(lines(plan)).toEqual(["update ufw:status inactive → active"]);
  });

  it("stays narrow where the operator keeps it narrow: only the peer is added", () => {
    const plan = settle(
      stateOf(["allow from 10.0.0.0/8 to any port 22 proto tcp", "deny 22/tcp", REDIS], ["allow 22"]),
    );
    expect(words(plan.rules4)).toEqual([
      "allow from 10.0.0.0/8 to any port 22 proto tcp",
      "allow from 203.0.113.7 to any port 22 proto tcp",
      "deny 22/tcp",
      REDIS,
    ]);
  });

  it("is named in the notes where enabling the firewall leaves it narrow", () => {
    const rules = ["allow from 10.0.0.0/8 to any port 22 proto tcp"];
    const plan = settle(stateOf(rules, ["allow 22"], { active: false }));
    expect(plan.notes).toEqual([
      "SSH on port 22 opens only to what the host's rules allow, and to 203.0.113.7",
    ]);
  });

  it("stays closed to those who are banned", () => {
    const plan = settle(stateOf(["deny from 198.51.100.9"], [], { active: false }));
    expect(isAllowed(plan.rules4.entries, "deny", packet)).toBe(true);
    expect(isAllowed(plan.rules4.entries, "deny", { ...packet, source: "198.51.100.9" })).toBe(false);
  });

  it("is let in ahead of a rule that redkeep cannot read", () => {
    const plan = settle(stateOf(["unreadable"], [], { active: false }));
    expect(words(plan.rules4)[0]).toBe("allow 22/tcp");
  });

  it("stays open when the default policy changes from allow to deny", () => {
    const plan = settle(stateOf([], [], { defaultIncoming: "allow" }));
    expect(lines(plan)).toEqual([
      "create ufw:allow 22/tcp",
      `create ufw:${REDIS}`,
      "update ufw:default incoming allow → deny",
    ]);
  });

  it("stays open over IPv6 for a peer from there, in both its spellings", () => {
    const peer = (address: string) => ({ ssh: { ports: [22], peer: { address, port: 22 } } });
    const plan = settle(stateOf(["allow 22/tcp"], ["deny to any"]), wantedOf(peer("2001:db8::7")));
    expect(words(plan.rules6)[0]).toBe("allow from 2001:db8::7 to any port 22 proto tcp");
    const mapped = settle(stateOf(["deny 22/tcp"]), wantedOf(peer("::ffff:203.0.113.7")));
    expect(words(mapped.rules4)[0]).toBe("allow from 203.0.113.7 to any port 22 proto tcp");
    const local = settle(stateOf(["allow 22/tcp"], ["allow in on eth0"]), wantedOf(peer("fe80::1%eth0")));
    expect(words(local.rules6)).toEqual(["deny 6380/tcp", "allow in on eth0"]);
  });

  it("stays shut on a port that the firewall holds shut today", () => {
    const ssh = { ports: [22, 2222], peer: { address: "203.0.113.7", port: 22 } };
    expect(settle(stateOf(["allow 22/tcp", REDIS]), wantedOf({ ssh })).changes).toEqual([]);
  });

  it("is named in the notes where a rule of the host closes it for the other family", () => {
    const plan = settle(stateOf(["allow 22/tcp", REDIS], ["deny to any"], { active: false }));
    expect(plan.notes).toEqual(["SSH on port 22 is closed over IPv6 by a rule of the host"]);
  });
});

describe("planFirewall refuses", () => {
  it("to lock out an IPv6 peer where ufw drops IPv6", () => {
    const ssh = { ports: [22], peer: { address: "2001:db8::7", port: 22 } };
    const plan = planFirewall(stateOf([], [], { ipv6Enabled: false, active: false }), wantedOf({ ssh }));
    expect(plan.lockoutRisk).toBe(
      "the SSH session comes from 2001:db8::7, and ufw has IPV6=no: it would drop all IPv6",
    );
    expect(plan.problems).toEqual([plan.lockoutRisk]);
  });

  it.each([
    [{ allow: ["10.1"] }, 'should be an address or a subnet such as 10.0.0.0/24, found "10.1"'],
    [{ redisPorts: [22] }, "port 22 is sshd's: it cannot be closed to others as a Redis port"],
    [
      { ssh: { ports: [22], peer: { address: "", port: 22 } } },
      'the address of the SSH session cannot be read: ""',
    ],
  ])("%j, and changes nothing", (more, problem) => {
    const state = stateOf(["allow 6380"], [], { active: false });
    const plan = planFirewall(state, wantedOf(more));
    expect(plan.problems).toEqual([problem]);
    expect([plan.changes, plan.rules4, plan.rules6]).toEqual([[], state.rules4, state.rules6]);
  });

  it("an IPv6 subnet where ufw drops IPv6, and a rules file that it cannot trust", () => {
    const state = stateOf([], [], { ipv6Enabled: false });
    expect(planFirewall(state, wantedOf({ allow: ["fd00:1::/64"] })).problems).toEqual([
      "fd00:1::/64 cannot be let in: ufw has IPV6=no in /etc/default/ufw and drops all IPv6",
    ]);
    expect(planFirewall({ ...state, rules4: parseRules("", 4) }, wantedOf()).problems).toEqual([
      '/etc/ufw/user.rules: it has no line "### RULES ###"',
    ]);
  });

  it("to write user6.rules where ufw does not read it", () => {
    const state = stateOf([], ["allow 6380"], { ipv6Enabled: false, active: false });
    expect(settle(state).rules6).toBe(state.rules6);
  });
});

describe("portsCutOff", () => {
  const listeners = [
    { protocol: "tcp", port: 5432 },
    { protocol: "tcp", port: 443 },
    { protocol: "udp", port: 443 },
  ] as const;

  it("names the ports that enabling the firewall would close", () => {
    const state = stateOf(["allow 443/tcp"], [], { active: false });
    expect(portsCutOff(state, settle(state), wantedOf(), listeners)).toEqual([listeners[0], listeners[2]]);
  });

  it("names none on a host whose firewall is on already", () => {
    const state = stateOf(["allow 22/tcp"]);
    expect(portsCutOff(state, settle(state), wantedOf(), listeners)).toEqual([]);
  });
});
