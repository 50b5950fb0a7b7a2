import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { evaluate } from "../../src/firewall/evaluate.ts";
import { parseBeforeRules, parseKernelRules } from "../../src/firewall/kernel-rules.ts";
import { parseRules } from "../../src/firewall/ufw-rules.ts";

const fixture = (name: string) =>
  readFileSync(new URL(`../fixtures/ufw/kinds/${name}`, import.meta.url), "utf8");
const kernel = { 4: fixture("iptables-save.txt"), 6: fixture("ip6tables-save.txt") };
const files = { 4: fixture("user.rules"), 6: fixture("user6.rules") };
const hosts = {
  4: [
    "10.0.0.7",
    "10.0.0.9",
    "10.9.0.1",
    "10.55.0.1",
    "10.77.0.1",
    "203.0.113.66",
    "198.51.100.1",
    "192.168.1.1",
  ],
  6: ["fd00:1::1", "2001:db8::7", "2001:db8::8"],
};

describe("parseKernelRules", () => {
  it.each([4, 6] as const)("decides as the IPv%s file does that ufw loaded", (family) => {
    const { active, defaultIncoming, entries } = parseKernelRules(kernel[family], family);
    expect([active, defaultIncoming]).toEqual([true, "deny"]);
    const inFile = parseRules(files[family], family).entries;
    for (const source of hosts[family]) {
      for (const destinationPort of [
        22, 25, 80, 2222, 2224, 6379, 6380, 6381, 6382, 6390, 6393, 6500, 9999,
      ]) {
        for (const protocol of ["tcp", "udp"] as const) {
          for (const name of ["eth0", "eth1"]) {
            const destination = family === 4 ? "10.1.2.3" : "fd00:1::3";
            const path = { destination, sourcePort: 40_000, interface: name };
            const packet = { protocol, source, destinationPort, ...path };
            const expected = evaluate(inFile, "deny", packet).verdict;
            expect(evaluate(entries, "deny", packet).verdict, JSON.stringify(packet)).toBe(expected);
          }
        }
      }
    }
  });

  it("says inactive where nothing leads to ufw's chains, as after `ufw disable`", () => {
    expect(parseKernelRules(kernel[4].replace("-A INPUT -j ufw-before-input\n", ""), 4).active).toBe(false);
    expect(parseKernelRules("", 4)).toEqual({ active: false, defaultIncoming: undefined, entries: [] });
  });

  it("reads the policy that holds, not the one in the file", () => {
    expect(parseKernelRules(kernel[4].replace(":INPUT DROP", ":INPUT ACCEPT"), 4).defaultIncoming).toBe(
      "allow",
    );
    const rejecting = `${kernel[4]}-A ufw-reject-input -j REJECT --reject-with icmp-port-unreachable\n`;
    expect(parseKernelRules(rejecting, 4).defaultIncoming).toBe("reject");
  });

  it.each([
    "-A ufw-user-input ! -s 10.0.0.0/8 -p tcp -m tcp --dport 6380 -j ACCEPT",
    "-A ufw-user-input -p tcp -m owner --uid-owner 0 -j ACCEPT",
    "-A ufw-user-input -j elsewhere",
    "-A ufw-user-input -s 10.0.0.0/255.0.255.0 -j ACCEPT",
    "-A ufw-user-input -p tcp -m conntrack --ctstate NEW -j ACCEPT",
  ])("calls %s unknown", (line) => {
    expect(parseKernelRules(line, 4).entries.map(({ kind }) => kind)).toEqual(["unknown"]);
  });
});

describe("parseBeforeRules", () => {
  const verdict = (line: string, family: 4 | 6 = 4) =>
    evaluate(parseBeforeRules(line, family), "allow", {
      protocol: "tcp",
      source: family === 4 ? "203.0.113.7" : "2001:db8::7",
      destinationPort: 22,
    }).verdict;

  it.each([
    ["-A ufw-before-input -p tcp --dport 22 -j DROP", "deny"],
    ["  -A ufw-before-input -s 203.0.113.0/24 -j REJECT", "reject"],
    ["-A ufw-before-input -p tcp -m conntrack --ctstate NEW --dport 22 -j DROP", "deny"],
    ["-A ufw-before-input -p tcp --dport 22 -j ACCEPT\n-A ufw-before-input -j DROP", "allow"],
    ["-A ufw-before-input -j site", "unknown"],
    ["-A ufw-before-input ! -s 10.0.0.0/8 -p tcp --dport 22 -j DROP", "unknown"],
  ])("decide about new connections by: %s", (line, expected) => {
    expect(verdict(line)).toBe(expected);
  });

  // As ufw 0.36 ships them.
  it.each([
    "-A ufw-before-input -i lo -j ACCEPT",
    "-A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
    "-A ufw-before-input -m conntrack --ctstate INVALID -j ufw-logging-deny",
    "-A ufw-before-input -m conntrack --ctstate INVALID -j DROP",
    "-A ufw-before-input -p icmp --icmp-type echo-request -j ACCEPT",
    "-A ufw-before-input -p udp --sport 67 --dport 68 -j ACCEPT",
    "-A ufw-before-input -j ufw-not-local",
    "-A ufw-before-forward -j DROP",
    "# -A ufw-before-input -j DROP",
  ])("say nothing about new connections as shipped: %s", (line) => {
    expect(parseBeforeRules(line, 4)).toEqual([]);
  });

  it("say nothing about new connections as shipped for IPv6", () => {
    const shipped = `-A ufw6-before-input -m rt --rt-type 0 -j DROP
-A ufw6-before-input -p icmpv6 --icmpv6-type echo-reply -j ACCEPT
-A ufw6-before-input -p icmpv6 --icmpv6-type 141 -m hl --hl-eq 255 -s fe80::/10 -j ACCEPT
-A ufw6-before-input -p udp -s fe80::/10 --sport 547 -d fe80::/10 --dport 546 -j ACCEPT
-A ufw6-before-input -p udp -d ff02::fb --dport 5353 -j ACCEPT`;
    expect(parseBeforeRules(shipped, 6)).toEqual([]);
    expect(verdict(`${shipped}\n-A ufw6-before-input -p tcp --dport 22 -j DROP`, 6)).toBe("deny");
  });
});
