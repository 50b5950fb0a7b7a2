import { describe, expect, it } from "vitest";
import { evaluate, isAllowed, openings, strangers } from "../../src/firewall/evaluate.ts";
import { subnetsOf } from "../../src/lib/network.ts";
import { rulesOf } from "../support/ufw.ts";

const tcp = { protocol: "tcp", destinationPort: 6380 } as const;

describe("evaluate", () => {
  // The truth table of the guide's step 6: the same rules protect, block or leave open, by their order alone.
  it.each([
    // rules, then what a host of 10.0.0.0/24 and a stranger get
    [["allow from 10.0.0.0/24 to any port 6380 proto tcp"], "allow", "deny"],
    [["allow from 10.0.0.0/24 to any port 6380 proto tcp", "deny 6380/tcp"], "allow", "deny"],
    [["deny 6380/tcp", "allow from 10.0.0.0/24 to any port 6380 proto tcp"], "deny", "deny"],
    [["allow 6380", "deny 6380/tcp"], "allow", "allow"],
    [["allow 6380/udp", "deny 6380/tcp"], "deny", "deny"],
    [["allow from 10.0.0.0/8", "deny 6380/tcp"], "allow", "deny"],
    [["reject 6380/tcp", "allow from 10.0.0.0/24 to any port 6380 proto tcp"], "reject", "reject"],
    [["limit 6380/tcp"], "limit", "limit"],
    [["allow 6000:7000/tcp"], "allow", "allow"],
    [["allow 22,6380/tcp"], "allow", "allow"],
    [["allow 22,443/tcp"], "deny", "deny"],
    [["allow out 6380/tcp", "route allow 6380/tcp"], "deny", "deny"],
    [["allow proto esp from 10.0.0.0/24"], "deny", "deny"],
    [["allow in on lo to any port 6380"], "deny", "deny"],
    [[], "deny", "deny"],
  ])("%j: %s for the subnet, %s for others", (rules, inside, outside) => {
    const entries = rulesOf(4, rules);
    const from = (source: string) => evaluate(entries, "deny", { ...tcp, source, interface: "eth0" }).verdict;
    expect([from("10.0.0.9"), from("203.0.113.9")]).toEqual([inside, outside]);
  });

  it("names the rule that decided, or the default", () => {
    const entries = rulesOf(4, ["deny from 10.0.0.9", "allow 6380/tcp"]);
    expect(evaluate(entries, "deny", { ...tcp, source: "10.0.0.9" }).rule).toBe(entries[0]);
    expect(evaluate(entries, "deny", { ...tcp, source: "10.0.0.8" }).rule).toBe(entries[1]);
    expect(evaluate([], "allow", { ...tcp, source: "10.0.0.8" })).toEqual({
      verdict: "allow",
      rule: "default",
    });
  });

  it("keeps the families apart, and reads a mapped address as IPv4", () => {
    const entries = [...rulesOf(4, ["deny 6380/tcp"]), ...rulesOf(6, ["allow from fd00:1::/64"])];
    const allowed = (source: string) => isAllowed(entries, "deny", { ...tcp, source });
    expect(["fd00:1::9", "fd00:2::9", "10.0.0.1", "::ffff:10.0.0.1"].map(allowed)).toEqual([
      true,
      false,
      false,
      false,
    ]);
  });

  it("lets loopback in before any user rule, as before.rules does", () => {
    const entries = [...rulesOf(4, ["deny to any"]), ...rulesOf(6, ["deny to any"])];
    expect(evaluate(entries, "deny", { ...tcp, source: "127.0.0.1" })).toEqual({
      verdict: "allow",
      rule: "loopback",
    });
    expect(evaluate(entries, "deny", { ...tcp, source: "::1" }).verdict).toBe("allow");
    expect(evaluate(entries, "deny", { ...tcp, source: "10.0.0.5", interface: "lo" }).verdict).toBe("allow");
  });

  it("says unknown where the answer depends on what was not asked, such as the interface", () => {
    const source = "203.0.113.7";
    const verdict = (rules: string[], more = {}) =>
      evaluate(rulesOf(4, rules), "deny", { ...tcp, source, ...more }).verdict;
    expect(verdict(["allow in on eth0 to any port 6380"])).toBe("unknown");
    expect(verdict(["allow in on eth0 to any port 6380"], { interface: "eth0" })).toBe("allow");
    expect(verdict(["allow in on eth+ to any port 6380"], { interface: "eth1" })).toBe("allow");
    expect(verdict(["allow in on eth0 to any port 6380"], { interface: "eth1" })).toBe("deny");
    expect(verdict(["deny in on eth0 to any port 6380"])).toBe("deny");
    expect(verdict(["allow to 10.1.2.3 port 6380"])).toBe("unknown");
    expect(verdict(["allow to 10.1.2.3 port 6380"], { destination: "10.1.2.3" })).toBe("allow");
    expect(verdict(["allow from any port 1024:65535 to any port 6380 proto tcp"])).toBe("unknown");
    expect(verdict(["allow in on eth0 to any port 6380", "allow 6380"])).toBe("allow");
  });

  it("says unknown behind a rule that it cannot read", () => {
    const entries = rulesOf(4, ["unreadable", "allow 6380/tcp"]);
    expect(evaluate(entries, "deny", { ...tcp, source: "10.0.0.1" }).verdict).toBe("unknown");
    const other = rulesOf(4, ["unreadable out", "allow 6380/tcp"]);
    expect(evaluate(other, "deny", { ...tcp, source: "10.0.0.1" }).verdict).toBe("allow");
  });
});

describe("openings", () => {
  const found = (rules: string[], policy: "allow" | "deny" = "deny") =>
    openings(rulesOf(4, rules), policy, 6380)
      .filter(({ family }) => family === 4)
      .map(({ sources }) => sources.flatMap(subnetsOf).join(" "));

  it.each([
    [["allow from 10.0.0.0/24 to any port 6380 proto tcp"], ["10.0.0.0/24"]],
    [["deny from 10.0.0.128/25", "allow from 10.0.0.0/24"], ["10.0.0.0/25"]],
    [["deny 6380/tcp", "allow from 10.0.0.0/8"], []],
    [["deny 6380/udp", "allow from 10.0.0.0/8"], ["10.0.0.0/8"]],
    [
      ["allow from 10.0.0.0/8", "allow from 10.0.0.0/24", "allow 6380"],
      [
        "10.0.0.0/8",
        "0.0.0.0/5 8.0.0.0/7 11.0.0.0/8 12.0.0.0/6 16.0.0.0/4 32.0.0.0/3 64.0.0.0/2 128.0.0.0/1",
      ],
    ],
    [["deny in on eth0 to any port 6380", "allow 6380"], ["0.0.0.0/0"]],
    [["deny in on eth0 to any port 6380", "allow in on eth0 to any port 6380 proto tcp"], []],
    [["deny to any", "allow in on eth1"], []],
    [["allow in on lo"], []],
    // The sender chooses its source port.
    [["allow from any app Redis"], ["0.0.0.0/0"]],
    [["allow Redis"], ["0.0.0.0/0"]],
  ])("%j open the port to %j", (rules, expected) => {
    expect(found(rules)).toEqual(expected);
  });

  it("include what the default policy lets in", () => {
    expect(found(["deny from 128.0.0.0/1"], "allow")).toEqual(["0.0.0.0/1"]);
    expect(openings([], "allow", 6380).map(({ family, rule }) => [family, rule])).toEqual([
      [4, "default"],
      [6, "default"],
    ]);
  });

  it("are those of the protocol that is asked for", () => {
    expect(openings(rulesOf(4, ["allow 53/udp"]), "deny", 53)).toEqual([]);
    expect(openings(rulesOf(4, ["allow 53/udp"]), "deny", 53, "udp")).toHaveLength(1);
  });
});

describe("strangers", () => {
  it("are the sources beyond the allowed subnets", () => {
    const entries = [...rulesOf(4, ["allow from 10.0.0.0/23"]), ...rulesOf(6, ["allow 6380"])];
    const found = strangers(entries, "deny", 6380, ["10.0.0.0/24", "fd00::/8"]);
    expect(found.map(({ sources }) => sources.flatMap(subnetsOf)[0])).toEqual(["10.0.1.0/24", "::/1"]);
  });

  it("are none where several subnets together hold a rule's sources", () => {
    expect(
      strangers(rulesOf(4, ["allow from 10.0.0.0/23"]), "deny", 6380, ["10.0.0.0/24", "10.0.1.0/24"]),
    ).toEqual([]);
  });
});
