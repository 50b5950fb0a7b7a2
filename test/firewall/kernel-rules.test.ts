import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { evaluate } from "../../src/firewall/evaluate.ts";
import { parseKernelRules } from "../../src/firewall/kernel-rules.ts";
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
  ])("takes %s for unknown", (line) => {
    expect(parseKernelRules(line, 4).entries.map(({ kind }) => kind)).toEqual(["unknown"]);
  });
});
