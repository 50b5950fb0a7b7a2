import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { managerOf } from "../../src/firewall/manager.ts";
import { editedFacts, factsOf, type SectionEdits } from "../support/facts.ts";

const recorded = (name: string) =>
  readFileSync(join(import.meta.dirname, "../fixtures/firewalld", `${name}.json`), "utf8");
const managed = (edits: SectionEdits, cameIn = "eth0") => managerOf(editedFacts("stock", edits), cameIn);
const firewalld = (name: string): SectionEdits => ({
  foreign: () => "firewalld\n",
  nft: () => recorded(name),
});
const table = (name: string, policy: string) =>
  JSON.stringify({
    nftables: [
      { table: { family: "inet", name, handle: 1 } },
      { chain: { family: "inet", table: name, name: "in", type: "filter", hook: "input", prio: 0, policy } },
    ],
  });

describe("managerOf", () => {
  it("is undefined on a host whose rules turn nobody away", () => {
    expect(managerOf(factsOf("stock"))).toBeUndefined();
    expect(managed({ foreign: () => "nftables\n", nft: () => table("filter", "accept") })).toBeUndefined();
    expect(managed({ foreign: () => "netfilter-persistent\n" })).toBeUndefined();
  });

  it("is undefined where ufw was switched off, although its chains are still there", () => {
    const left =
      "*filter\n:INPUT ACCEPT [0:0]\n:ufw-before-input - [0:0]\n:ufw-user-input - [0:0]\n-A INPUT -j ufw-before-input\nCOMMIT\n";
    expect(managed({ kernel4: () => left })).toBeUndefined();
  });

  it("names firewalld with its zones, in the order in which packets meet them", () => {
    expect(managed(firewalld("1.3-default"))?.text).toBe("firewalld is active (zone public)");
    expect(managed(firewalld("0.9-rich"))?.text).toBe("firewalld is active (zones trusted, public)");
    expect(managed(firewalld("2.3-rich"))?.text).toBe("firewalld is active (zones trusted, public)");
    expect(managed({ foreign: () => "firewalld\n" })?.text).toBe("firewalld is active");
  });

  it("gives one firewall-cmd command for each zone that the networks come to", () => {
    const opening = (name: string, networks: string[], cameIn?: string) =>
      managed(firewalld(name), cameIn)?.opening(networks, [6380]);
    const rule = (source: string, family = "ipv4") =>
      `--add-rich-rule='rule family="${family}" source address="${source}" port port="6380" protocol="tcp" accept'`;
    expect(opening("1.3-default", ["10.0.0.0/24", "fd00::/64"])).toBe(
      `firewall-cmd --permanent --zone=public ${rule("10.0.0.0/24")} ${rule("fd00::/64", "ipv6")} && firewall-cmd --reload`,
    );
    for (const name of ["0.9-rich", "2.3-rich"])
      expect(opening(name, ["10.77.3.9", "10.0.0.0/24"])).toBe(
        `firewall-cmd --permanent --zone=trusted ${rule("10.77.3.9")} && ` +
          `firewall-cmd --permanent --zone=public ${rule("10.0.0.0/24")} && firewall-cmd --reload`,
      );
  });

  it("reads the zones where firewalld writes iptables rules", () => {
    const rules =
      "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -j INPUT_ZONES\n-A INPUT_ZONES -s 10.9.0.0/16 -g IN_internal\n" +
      "-A INPUT_ZONES -i eth1 -g IN_dmz\n-A INPUT_ZONES -g IN_public\n-A IN_public -j IN_public_allow\nCOMMIT\n";
    const edits = { foreign: () => "firewalld\n", "ufw-conf": () => "ENABLED=no\n", kernel4: () => rules };
    const of = (network: string, cameIn: string) =>
      /--zone=(\S+)/.exec(managed(edits, cameIn)?.opening([network], [6379]) ?? "")?.[1];
    expect(managed(edits)?.text).toBe("firewalld is active (zones internal, dmz, public)");
    expect(of("10.9.1.0/24", "eth0")).toBe("internal");
    expect(of("10.0.0.0/24", "eth1")).toBe("dmz");
    expect(of("10.0.0.0/24", "eth0")).toBe("public");
  });

  it("puts no zone or chain name into a command that a shell would misread", () => {
    const zone = (name: string) =>
      recorded("1.3-default").replaceAll("filter_IN_public", `filter_IN_${name}`);
    for (const name of ["x;reboot", "$(id)", "a b", "-e", "policy_x"]) {
      const made = managed({ foreign: () => "firewalld\n", nft: () => zone(name) });
      expect(made?.text).toBe("firewalld is active");
      expect(made?.opening(["10.0.0.0/24"], [6380])).toMatch(/^firewall-cmd --permanent --add-rich-rule='/);
    }
    const odd = managed({ foreign: () => "nftables\n", nft: () => table("x; reboot", "drop") });
    expect(odd?.text).not.toContain("reboot");
    expect(odd?.opening(["10.0.0.0/24"], [6380])).not.toContain("reboot");
  });

  it("names nftables.service with the chain that turns packets away", () => {
    const made = managed({ foreign: () => "nftables\n", nft: () => table("mine", "drop") });
    expect(made?.text).toBe(
      "nftables.service is active, and its rules (chain inet mine in) turn away what none of them lets in",
    );
    expect(made?.opening(["10.0.0.0/24", "10.1.0.0/24", "fd00::/64"], [6379, 6380])).toBe(
      "write into chain inet mine in of /etc/nftables.conf, ahead of what turns away: " +
        "ip saddr { 10.0.0.0/24, 10.1.0.0/24 } tcp dport { 6379, 6380 } accept; " +
        "ip6 saddr { fd00::/64 } tcp dport { 6379, 6380 } accept; then systemctl reload nftables",
    );
  });

  it("names the service that loads iptables' rules, where one is known", () => {
    const kernel4 = () => "*filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\nCOMMIT\n";
    const byHand = managed({ kernel4 });
    expect(byHand?.text).toBe("the kernel drops what no rule lets in, and that is not ufw's doing");
    expect(byHand?.opening(["10.0.0.0/24", "fd00::/64"], [6380])).toBe(
      "iptables -I INPUT -s 10.0.0.0/24 -p tcp --dport 6380 -j ACCEPT; " +
        "ip6tables -I INPUT -s fd00::/64 -p tcp --dport 6380 -j ACCEPT; and write it wherever these rules are loaded from at boot",
    );
    const kept = managed({ kernel4, foreign: () => "netfilter-persistent\n" });
    expect(kept?.text).toContain("netfilter-persistent");
    expect(kept?.opening(["10.0.0.0/24"], [6380])).toMatch(/ -j ACCEPT; netfilter-persistent save$/);
  });

  it("gives an nft command where an nft table drops, since iptables cannot overrule it", () => {
    const byHand = managed({ nft: () => table("mine", "drop") });
    expect(byHand?.opening(["10.0.0.0/24"], [6380])).toBe(
      "nft insert rule inet mine in ip saddr { 10.0.0.0/24 } tcp dport { 6380 } accept; " +
        "and write it wherever these rules are loaded from at boot",
    );
  });

  it("names ufw where it is active", () => {
    const made = managerOf(factsOf("hardened"));
    expect(made?.text).toBe("ufw is active");
    expect(made?.opening(["10.0.0.0/24"], [6380])).toBe(
      "ufw allow from 10.0.0.0/24 to any port 6380 proto tcp",
    );
  });
});
