import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { editedFacts, factsOf, privateNetwork, type SectionEdits } from "../support/facts.ts";
import {
  addresses,
  changeLines,
  findings,
  guards,
  planTask,
  verifyTask,
  written,
} from "../support/run-task.ts";

const firewalld = (name: string) =>
  readFileSync(join(import.meta.dirname, "../fixtures/firewalld", `${name}.json`), "utf8");
const RULES = "/etc/ufw/user.rules";
const RULES6 = "/etc/ufw/user6.rules";
const subnet = (name: string) => privateNetwork(factsOf(name)).app_subnet;
const allowOf = (name: string, more = {}) => ({ allow: [subnet(name)], ...more });
const plan = (name: string, more = {}, options = {}) =>
  planTask("firewall", allowOf(name, more), factsOf(name), options);
const tuples = (text: string) => text.split("\n").filter((line) => line.startsWith("### tuple"));

/** The port on which a hardened Redis listens, on a host whose ufw has this as its first rule in file and kernel. */
const firstRule = (tuple: string, kernel: string): SectionEdits => ({
  "ufw-rules4": (text) =>
    text.replace(
      "### RULES ###\n",
      `### RULES ###\n\n### tuple ### ${tuple} in\n-A ufw-user-input ${kernel}\n`,
    ),
  kernel4: (text) => text.replace("-A ufw-user-input ", `-A ufw-user-input ${kernel}\n-A ufw-user-input `),
});

describe("firewall", () => {
  it("lets SSH and the application's network in, then switches a stock host's ufw on", () => {
    const made = plan("stock");
    expect(addresses(made)).toEqual([
      "ufw:allow 22/tcp",
      `ufw:allow from ${subnet("stock")} to any port 6379 proto tcp`,
      "ufw:status",
    ]);
    expect(made.actions.firewall).toEqual({ enable: true, loadOnly: true, defaultPolicy: undefined });
    expect(made.restartFor).toEqual([]);
    expect(guards(made)).toEqual([]);
  });

  it("opens the port that redis.conf will have", () => {
    const facts = editedFacts("stock", {
      "config /etc/redis/redis.conf": (text) => text.replace(/^port .*$/m, "port 0\ntls-port 6390"),
    });
    expect(addresses(planTask("firewall", allowOf("stock"), facts))[1]).toContain("port 6390");
  });

  it.each(["hardened", "rewritten", "redis-6-hardened", "redis-8-hardened", "valkey-8-hardened"])(
    "plans nothing and passes every check on %s",
    (name) => {
      expect(changeLines(plan(name))).toEqual([]);
      expect(findings(verifyTask("firewall", allowOf(name), factsOf(name)))).toEqual([]);
    },
  );

  it("compares networks by their addresses, not by their spelling", () => {
    const [address] = subnet("hardened").split("/");
    const params = { allow: [`${address?.replace(/\.0$/, ".77")}/16`, ""] };
    expect(changeLines(planTask("firewall", params, factsOf("hardened")))).toEqual([]);
  });

  describe("what ufw's files bring at its next start", () => {
    const edited = (edits: SectionEdits) => editedFacts("hardened", edits);
    const found = (facts: ReturnType<typeof edited>) =>
      findings(verifyTask("firewall", allowOf("hardened"), facts));
    const planned = (facts: ReturnType<typeof edited>) => planTask("firewall", allowOf("hardened"), facts);

    it("fails the check where before.rules opens the port, until the kernel has that rule", () => {
      const line = "-A ufw-before-input -p tcp --dport 6380 -j ACCEPT";
      expect(found(edited({ "ufw-before": () => `${line}\n` }))).toEqual([
        "RK-NET-04 fail: others reach port 6380 by /etc/ufw/before.rules: allow 6380/tcp",
      ]);
      const loaded = edited({
        "ufw-before": () => `${line}\n`,
        kernel4: (text) => text.replace("-A ufw-before-input ", `${line.replace("tcp ", "tcp -m tcp ")}\n$&`),
      });
      expect(found(loaded)[0]).toMatch(/^RK-NET-04 fail: others reach port 6380 over IPv4/);
      expect(found(loaded).join("; ")).not.toContain("/etc/ufw");
    });

    it("fails the check where user.rules opens the port on disk, and is corrected", () => {
      const facts = edited({
        "ufw-rules4": (text) =>
          text.replace(
            "### RULES ###\n",
            "### RULES ###\n\n### tuple ### allow tcp 6380 0.0.0.0/0 any 0.0.0.0/0 in\n-A ufw-user-input -p tcp --dport 6380 -j ACCEPT\n",
          ),
      });
      expect(found(facts)).toEqual([
        "RK-NET-04 fail: others reach port 6380 by /etc/ufw/user.rules: allow 6380/tcp",
      ]);
      expect(addresses(planned(facts))).toEqual(["ufw:allow 6380/tcp"]);
    });

    it("fails the check where ufw.conf switches ufw off, without mention of another firewall", () => {
      const facts = edited({ "ufw-conf": (text) => text.replace("ENABLED=yes", "ENABLED=no") });
      expect(found(facts)).toEqual([
        "RK-NET-04 fail: /etc/ufw/ufw.conf does not say ENABLED=yes: the next boot loads no rules",
      ]);
      expect(guards(planned(facts))).toEqual([]);
      expect(addresses(planned(facts))).toEqual(["ufw:status"]);
    });

    it("fails the check where the stored policy lets packets in, which the plan corrects in the file alone", () => {
      const facts = edited({ "ufw-defaults": (text) => text.replace('POLICY="DROP"', 'POLICY="ACCEPT"') });
      expect(found(facts)).toEqual(["RK-NET-04 fail: /etc/default/ufw: what no rule names is let in"]);
      const made = planned(facts);
      expect(changeLines(made)).toEqual([
        "update ufw:default incoming: ACCEPT in /etc/default/ufw → deny (as the kernel has it: now in the file too)",
      ]);
      expect(written(made, "/etc/default/ufw")).toContain('DEFAULT_INPUT_POLICY="DROP"');
      expect(made.actions.firewall?.defaultPolicy).toBeUndefined();
    });
  });

  it("fails every check where ufw is off or missing", () => {
    expect(findings(verifyTask("firewall", allowOf("stock"), factsOf("stock")))).toEqual([
      "RK-NET-04 fail: ufw is inactive",
      "RK-NET-06 fail: IPv6 is not filtered",
    ]);
    const bare = editedFacts("stock", { "ufw-conf": () => undefined });
    expect(findings(verifyTask("firewall", allowOf("stock"), bare))).toEqual([
      "RK-NET-04 fail: ufw is not installed",
    ]);
    const made = planTask("firewall", allowOf("stock"), bare);
    expect(guards(made)).toEqual(["-"]);
    expect(made.refusals[0]?.remedy).toContain("apt-get install ufw");
    expect(made.refusals[0]?.remedy).toContain("firewall.backend: none");
  });

  describe("where firewalld manages the rules", () => {
    const host = (edits: SectionEdits = {}) =>
      editedFacts("stock", { foreign: () => "firewalld\n", nft: () => firewalld("1.3-default"), ...edits });
    const NO_UFW = { "ufw-conf": () => undefined };
    const command = `firewall-cmd --permanent --zone=public --add-rich-rule='rule family="ipv4" source address="${subnet("stock")}" port port="6379" protocol="tcp" accept' && firewall-cmd --reload`;

    it.each([
      ["is not installed", null, NO_UFW],
      ["is off", "other-firewall", {}],
    ])("and ufw %s, refuses the host with the command that opens the port", (_, guard, edits) => {
      const [refusal] = planTask("firewall", allowOf("stock"), host(edits)).refusals;
      expect(refusal?.guard).toBe(guard);
      expect(refusal?.found).toContain("firewalld is active (zone public)");
      expect(refusal?.remedy).toContain("firewall.backend: none for this host");
      expect(refusal?.remedy).toContain(command);
      expect(refusal?.remedy).not.toContain("install");
    });

    it("leaves the rules to firewalld where the playbook says so, and names the networks that do not get through", () => {
      const heard = host({
        ...NO_UFW,
        "config /etc/redis/redis.conf": (text) => text.replace(/^bind .*/m, "bind *"),
      });
      const asked = allowOf("stock", { backend: "none" });
      const made = planTask("firewall", asked, heard);
      expect(changeLines(made)).toEqual([]);
      expect(guards(made)).toEqual([]);
      expect(made.tasks[0]?.reason).toContain("firewalld is active (zone public)");
      expect(made.tasks[0]?.reason).toContain(command);
      expect(findings(verifyTask("firewall", asked, heard))).toEqual([
        `RK-NET-04 fail: ${subnet("stock")} does not reach port 6379: firewalld is active (zone public). To let it in: ${command}`,
      ]);
    });
  });

  describe("left to others", () => {
    const verify = (edits: SectionEdits, more = {}) =>
      verifyTask(
        "firewall",
        allowOf("stock", { backend: "none", ...more }),
        editedFacts("stock", {
          "config /etc/redis/redis.conf": (text) => text.replace(/^bind .*/m, "bind *"),
          ...edits,
        }),
      ).map(({ control, outcome, observed }) => `${control} ${outcome}: ${observed}`);
    const rules = (line: string) => `*filter\n:INPUT DROP [0:0]\n${line}\nCOMMIT\n`;
    const let4 = `-A INPUT -s ${subnet("stock")} -p tcp -m tcp --dport 6379 -j ACCEPT`;
    const both = (line: string): SectionEdits => ({ kernel4: () => rules(line), kernel6: () => rules("") });

    it("passes where the rules let in the allowed networks alone", () => {
      expect(verify(both(let4))).toEqual([
        expect.stringMatching(/^RK-NET-04 pass: as wanted: the kernel drops what no rule lets in/),
      ]);
    });

    it("is allowed by the playbook, and no pass, where the rules let others in too", () => {
      expect(verify({})).toEqual([
        "RK-NET-04 skip: others reach port 6379 over IPv4: INPUT accepts what no rule decides; " +
          "others reach port 6379 over IPv6: INPUT accepts what no rule decides",
      ]);
    });

    it("is unknown where a rule is not known to the letter", () => {
      const set = "-A INPUT -m set --match-set friends src -j ACCEPT";
      expect(verify(both(set))[0]).toMatch(/^RK-NET-04 unknown: whether .* --match-set friends/);
    });

    it("does not judge networks that the playbook does not name, nor a Redis on loopback alone", () => {
      expect(verify({}, { allow: [] })).toEqual([expect.stringContaining("RK-NET-04 skip: ")]);
      const alone = verifyTask("firewall", allowOf("stock", { backend: "none" }), factsOf("stock"));
      expect(findings(alone)).toEqual(["RK-NET-04 skip: Redis listens for the host alone"]);
    });
  });

  it("keeps the operator's rules, their order and their denials", () => {
    const made = plan("strange");
    const before = tuples(factsOf("strange").firewall.rules4);
    const after = tuples(written(made, RULES));
    expect(after.filter((line) => before.includes(line))).toEqual(
      before.filter((line) => !line.includes("7379")),
    );
    expect(after.some((line) => line.includes("deny any any 0.0.0.0/0 any 203.0.113.0/24"))).toBe(true);
    expect(made.actions.firewall).toEqual({ enable: false, loadOnly: false, defaultPolicy: undefined });
  });

  it("loads ufw's rules anew where the kernel has others", () => {
    const facts = editedFacts("hardened", {
      kernel4: (text) => text.replace(/^-A ufw-user-input .*6380.*\n/m, ""),
    });
    const made = planTask("firewall", allowOf("hardened"), facts);
    expect(changeLines(made)).toEqual([
      `update ufw:rules: ${subnet("hardened")} does not reach port 6380 → ufw's own rules, loaded anew`,
    ]);
    expect(made.actions.files).toEqual([]);
    expect(findings(verifyTask("firewall", allowOf("hardened"), facts))).toEqual([
      `RK-NET-04 fail: ${subnet("hardened")} does not reach port 6380`,
    ]);
  });

  it("rejects packets instead of dropping them where the playbook says so, and keeps the policy from before for undo", () => {
    const params = { ...allowOf("hardened"), default: "reject" };
    const made = planTask("firewall", params, factsOf("hardened"));
    expect(changeLines(made)).toEqual([
      "update ufw:default incoming: deny → reject (what no rule allows stays out)",
    ]);
    expect(made.actions.firewall).toEqual({
      enable: false,
      loadOnly: false,
      defaultPolicy: { before: "deny", after: "reject" },
    });
    expect(findings(verifyTask("firewall", params, factsOf("hardened")))).toEqual([
      "RK-NET-04 fail: what no rule names is dropped",
      "RK-NET-06 fail: what no rule names is dropped",
    ]);
    const stock = planTask("firewall", params, factsOf("stock"));
    expect(written(stock, "/etc/default/ufw")).toContain('DEFAULT_INPUT_POLICY="REJECT"');
  });

  it("closes a default policy that lets everything in", () => {
    const facts = editedFacts("hardened", {
      "ufw-defaults": (text) => text.replace('DEFAULT_INPUT_POLICY="DROP"', 'DEFAULT_INPUT_POLICY="ACCEPT"'),
      kernel4: (text) => text.replace(":INPUT DROP", ":INPUT ACCEPT"),
      kernel6: (text) => text.replace(":INPUT DROP", ":INPUT ACCEPT"),
    });
    const made = planTask("firewall", allowOf("hardened"), facts);
    expect(made.actions.firewall?.defaultPolicy).toEqual({ before: "allow", after: "deny" });
    expect(findings(verifyTask("firewall", allowOf("hardened"), facts))[0]).toMatch(
      /^RK-NET-04 fail: what no rule names/,
    );
  });

  describe("trap A4: a firewall without a rule for SSH locks everybody out", () => {
    it("opens the ports that sshd has and the one that the session came by, before it is switched on", () => {
      const facts = editedFacts("stock", {
        sshd: () => "port 2222\nport 2022\n",
        peer: () => "192.0.2.9 50000 10.0.0.5 22\n",
      });
      const rules = addresses(planTask("firewall", allowOf("stock"), facts));
      for (const port of [2222, 2022, 22]) {
        const at = rules.findIndex(
          (address) => address.includes(`${port}/tcp`) || address.includes(`port ${port}`),
        );
        expect(at).toBeGreaterThanOrEqual(0);
        expect(at).toBeLessThan(rules.indexOf("ufw:status"));
      }
    });

    it("opens where systemd listens for sshd, and calls it no other service's port", () => {
      const facts = editedFacts("stock", {
        listeners: (text) =>
          `${text}tcp LISTEN 0 4096 *:2022 *:* ino:1 sk:1 cgroup:/system.slice/ssh.socket v6only:0 <->\n`,
      });
      const made = planTask("firewall", allowOf("stock"), facts);
      expect(addresses(made)).toContain("ufw:allow 2022/tcp");
      expect(guards(made)).toEqual([]);
    });

    it("refuses where before.rules would turn the session's peer away", () => {
      const rule = "-A ufw-before-input -p tcp --dport 22 -j DROP";
      const made = planTask(
        "firewall",
        allowOf("stock"),
        editedFacts("stock", { "ufw-before": () => `${rule}\n` }),
      );
      expect(guards(made)).toEqual(["-"]);
      expect(made.refusals[0]?.found).toContain(
        "could not log in again on port 22: /etc/ufw/before.rules has",
      );
    });

    it("refuses where nobody else would get in, and opens to others what is only closed to the peer", () => {
      const withRule = (tuple: string, line: string) =>
        planTask(
          "firewall",
          allowOf("stock"),
          editedFacts("stock", { "ufw-rules4": firstRule(tuple, line)["ufw-rules4"] ?? String }),
        );
      const peer = factsOf("stock").host.sshPeer?.address;
      const denied = withRule("deny tcp 22 0.0.0.0/0 any 0.0.0.0/0", "-p tcp --dport 22 -j DROP");
      expect(guards(denied)).toEqual(["ssh-peer-only"]);
      expect(denied.refusals[0]?.found).toContain(`open to you alone, who come from ${peer}`);
      const banned = withRule(`deny any any 0.0.0.0/0 any ${peer}`, `-s ${peer} -j DROP`);
      expect(guards(banned)).toEqual([]);
      expect(addresses(banned)).toContain("ufw:allow 22/tcp");
      expect(addresses(banned)).toContain(`ufw:allow from ${peer} to any port 22 proto tcp`);
    });

    it("refuses to switch ufw on where that drops lines of its files", () => {
      const facts = editedFacts("stock", {
        "ufw-rules4": (text) =>
          text.replace("### RULES ###\n", "### RULES ###\n\n-A ufw-user-input -p tcp --dport 22 -j ACCEPT\n"),
      });
      const made = planTask("firewall", allowOf("stock"), facts);
      expect(made.refusals.map(({ found }) => found)).toEqual([
        expect.stringMatching(/^ufw would drop this from \/etc\/ufw\/user.rules when it is switched on: /),
      ]);
    });

    it("refuses to switch ufw on over another firewall", () => {
      const facts = editedFacts("stock", { kernel4: (text) => text.replace(":INPUT ACCEPT", ":INPUT DROP") });
      expect(guards(planTask("firewall", allowOf("stock"), facts))).toEqual(["other-firewall"]);
    });

    it("refuses where the session's own address is not known", () => {
      const facts = editedFacts("stock", { peer: () => "\n" });
      const made = planTask("firewall", allowOf("stock"), facts);
      expect(guards(made)).toEqual(["-"]);
      expect(made.actions.firewall).toBeUndefined();
    });

    it("fails the check where the active firewall no longer lets the SSH session in", () => {
      const facts = editedFacts("hardened", {
        kernel4: (text) => text.replace(/^-A ufw-user-input .*--dport 22 .*\n/m, ""),
      });
      expect(findings(verifyTask("firewall", allowOf("hardened"), facts))).toEqual([
        expect.stringMatching(/^RK-NET-04 fail: SSH from \S+ is not let in$/),
      ]);
    });
  });

  describe("trap A6: order decides", () => {
    it("removes an allow for everybody that somebody put above", () => {
      const made = plan("drifted");
      expect(changeLines(made)).toEqual([expect.stringMatching(/^delete ufw:allow 6380\/tcp: .* → null$/)]);
      expect(tuples(written(made, RULES)).join("\n")).not.toContain("6380 0.0.0.0/0 any 0.0.0.0/0");
      expect(tuples(written(made, RULES6)).join("\n")).not.toContain("6380");
      expect(findings(verifyTask("firewall", allowOf("drifted"), factsOf("drifted")))).toEqual([
        "RK-NET-04 fail: others reach port 6380",
        "RK-NET-06 fail: others reach port 6380",
      ]);
    });

    it("moves the application's rule above a denial that hides it", () => {
      const facts = editedFacts(
        "hardened",
        firstRule("deny tcp 6380 0.0.0.0/0 any 0.0.0.0/0", "-p tcp --dport 6380 -j DROP"),
      );
      const made = planTask("firewall", allowOf("hardened"), facts);
      const after = tuples(written(made, RULES));
      const [allow, deny] = ["allow tcp 6380", "deny tcp 6380"].map((words) =>
        after.findIndex((line) => line.includes(words)),
      );
      expect(allow).toBeGreaterThanOrEqual(0);
      expect(deny === -1 || (allow ?? 0) < (deny ?? 0)).toBe(true);
      expect(findings(verifyTask("firewall", allowOf("hardened"), facts))).toEqual([
        `RK-NET-04 fail: ${subnet("hardened")} does not reach port 6380`,
      ]);
    });

    it("fails the check for a wider network that covers the port", () => {
      const facts = editedFacts(
        "hardened",
        firstRule("allow any any 0.0.0.0/0 any 10.0.0.0/8", "-s 10.0.0.0/8 -j ACCEPT"),
      );
      expect(findings(verifyTask("firewall", allowOf("hardened"), facts))).toEqual([
        "RK-NET-04 fail: others reach port 6380",
      ]);
    });
  });

  describe("rules ahead of ufw's", () => {
    const ahead = (rule: string) =>
      verifyTask(
        "firewall",
        allowOf("hardened"),
        editedFacts("hardened", {
          kernel4: (text) => text.replace("-A INPUT -j ufw-before-logging-input", `${rule}\n$&`),
        }),
      ).filter(({ outcome }) => outcome === "fail");

    it.each([
      "-A INPUT -p tcp -m tcp --dport 6380 -j ACCEPT",
      "-A INPUT -p tcp -m multiport --dports 22,6000:7000 -j ACCEPT",
      "-A INPUT -s 203.0.113.0/24 -j ACCEPT",
    ])("fail the check where they open Redis, and roll no host back: %s", (rule) => {
      expect(ahead(rule)).toMatchObject([{ control: "RK-NET-04", isAdvisory: true }]);
      expect(ahead(rule)[0]?.observed).toContain(rule);
    });

    it.each(["-A INPUT -p tcp -m tcp --dport 9100 -j ACCEPT", "-A INPUT -s 203.0.113.9/32 -j DROP"])(
      "are left to the operator where they do not open Redis: %s",
      (rule) => {
        expect(ahead(rule)).toEqual([]);
      },
    );
  });

  it("is unknown where others decide about packets too", () => {
    const rk04 = (edits: SectionEdits) =>
      verifyTask("firewall", allowOf("hardened"), editedFacts("hardened", edits)).filter(
        ({ control, outcome }) => control === "RK-NET-04" && outcome !== "pass",
      );
    const web = rk04({ "docker-ports": () => "web 0.0.0.0:80->80/tcp\n" });
    expect(web).toMatchObject([{ outcome: "unknown", isAdvisory: true }]);
    expect(web[0]?.observed).toContain("Docker publishes port 80/tcp");
    const firewalld = rk04({ foreign: () => "firewalld\n" });
    expect(firewalld.map(({ outcome }) => outcome)).toEqual(["unknown", "unknown"]);
    expect(firewalld[0]?.observed).toContain(
      "firewalld is active, and the host has no nft to print its rules",
    );
    const mine = [
      { table: { family: "inet", name: "mine", handle: 1 } },
      {
        chain: {
          family: "inet",
          table: "mine",
          name: "in",
          type: "filter",
          hook: "input",
          prio: 0,
          policy: "accept",
        },
      },
    ];
    expect(rk04({ nft: () => JSON.stringify({ nftables: mine }) })).toMatchObject([{ outcome: "unknown" }]);
    const forwarded = "-A PREROUTING -p tcp -m tcp --dport 6380 -j DNAT --to-destination 172.17.0.2:6379\n";
    const nat = (text: string) => `*nat\n:PREROUTING ACCEPT [0:0]\n${forwarded}COMMIT\n${text}`;
    expect(rk04({ kernel4: nat })).toMatchObject([{ outcome: "fail", isAdvisory: true }]);
  });

  describe("where ufw is missing or off, judged by the other rules", () => {
    const guarded = (subnet4: string) =>
      `*filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n-A INPUT -s ${subnet4} -p tcp -m tcp --dport 6379 -j ACCEPT\nCOMMIT\n`;
    const verify = (edits: SectionEdits) =>
      verifyTask("firewall", allowOf("stock"), editedFacts("stock", edits)).map(
        ({ control, outcome, observed }) => `${control} ${outcome}: ${observed}`,
      );
    const withoutUfw = (kernel4: string, kernel6: string) =>
      verify({ "ufw-conf": () => undefined, kernel4: () => kernel4, kernel6: () => kernel6 });
    const closed6 = "*filter\n:INPUT DROP [0:0]\nCOMMIT\n";

    it("passes where the rules let in the allowed networks alone", () => {
      expect(withoutUfw(guarded(subnet("stock")), closed6)).toEqual([
        "RK-NET-04 pass: ufw is not installed; other rules do this",
      ]);
    });

    it("fails with the rule that lets others in, and the network that does not get in", () => {
      expect(withoutUfw(guarded("10.0.0.0/8"), closed6)).toEqual([
        "RK-NET-04 fail: ufw is not installed, and others reach port 6379: -A INPUT -s 10.0.0.0/8 -p tcp -m tcp --dport 6379 -j ACCEPT; " +
          `${subnet("stock")} does not reach port 6379`,
      ]);
      expect(withoutUfw(guarded(subnet("stock")), "")).toEqual(["RK-NET-04 fail: ufw is not installed"]);
    });

    it("is unknown for a rule that redkeep does not know to the letter", () => {
      const set = "-A INPUT -m set --match-set friends src -j ACCEPT";
      expect(withoutUfw(guarded(subnet("stock")).replace("COMMIT", `${set}\nCOMMIT`), closed6)).toEqual([
        `RK-NET-04 unknown: ufw is not installed, and whether others reach port 6379 is not known: ${set}`,
      ]);
    });

    it("is unknown where the host gave only a part of its rules", () => {
      const cut = guarded(subnet("stock")).replace("COMMIT\n", "");
      expect(withoutUfw(cut, closed6)[0]).toMatch(
        /^RK-NET-04 unknown: .*the kernel has more rules for IPv4 than redkeep looks at/,
      );
    });
  });

  describe("other services' ports", () => {
    const webapp = editedFacts("stock", {
      listeners: (text) =>
        `${text}tcp LISTEN 0 511 0.0.0.0:8080 0.0.0.0:* ino:1 sk:1 cgroup:/system.slice/webapp.service <->\n` +
        "tcp LISTEN 0 511 127.0.0.1:9000 0.0.0.0:* ino:2 sk:2 cgroup:/system.slice/local.service <->\n" +
        `udp UNCONN 0 0 0.0.0.0:68 0.0.0.0:* ino:3 sk:3 <->\n`,
    });

    it("are named where the firewall would cut them off, and only those", () => {
      const made = planTask("firewall", allowOf("stock"), webapp);
      expect(guards(made)).toEqual(["other-ports"]);
      expect(made.refusals[0]?.found).toBe("the firewall would cut off 8080/tcp (webapp.service)");
    });

    it("include the cluster's bus, on which the server itself listens", () => {
      const node = editedFacts("stock", {
        listeners: (text) =>
          `${text}tcp LISTEN 0 511 0.0.0.0:16379 0.0.0.0:* uid:101 ino:1 sk:1 cgroup:/system.slice/redis-server.service <->\n`,
      });
      const made = planTask("firewall", allowOf("stock"), node);
      expect(made.refusals[0]?.found).toBe("the firewall would cut off 16379/tcp (redis-server.service)");
    });

    it("stay open where the playbook keeps them, and are closed where it says so", () => {
      const kept = planTask("firewall", allowOf("stock", { other_ports: "keep" }), webapp);
      expect(guards(kept)).toEqual([]);
      expect(changeLines(kept)[0]).toBe("create ufw:allow 8080/tcp: null → webapp.service listens there");
      expect(tuples(written(kept, RULES)).join("\n")).toContain("allow tcp 8080");
      const closed = planTask("firewall", allowOf("stock", { other_ports: "close" }), webapp);
      expect(guards(closed)).toEqual([]);
      expect(addresses(closed).join("\n")).not.toContain("8080");
    });
  });

  it("refuses to open Redis to everyone", () => {
    expect(guards(planTask("firewall", { allow: ["0.0.0.0/0"] }, factsOf("stock")))).toEqual([
      "firewall-open",
    ]);
    expect(guards(planTask("firewall", { allow: ["::/0"] }, factsOf("stock")))).toEqual(["firewall-open"]);
    expect(
      planTask("firewall", { allow: ["0.0.0.0/1", "128.0.0.0/1", "10.0.0.0/8"] }, factsOf("stock")).refusals,
    ).toMatchObject([
      {
        guard: "firewall-open",
        found: "firewall.allow 0.0.0.0/1, 128.0.0.0/1 open Redis to everyone",
      },
    ]);
  });

  it.each(["0.0.0.0/0", "172.0.0.0/8"])("fails the check where only a part of %s gets in", (network) => {
    const [check] = verifyTask("firewall", { allow: [network] }, factsOf("hardened"));
    expect(check).toMatchObject({
      control: "RK-NET-04",
      outcome: "fail",
      observed: `less than half of ${network} reaches port 6380`,
    });
  });

  it("takes an empty list only where Redis listens on loopback alone", () => {
    expect(guards(planTask("firewall", { allow: [""] }, factsOf("stock")))).toEqual([]);
    expect(guards(planTask("firewall", { allow: [""] }, factsOf("hardened")))).toEqual(["firewall-empty"]);
  });

  it("refuses to enable ufw with IPV6=no, which drops all IPv6", () => {
    const facts = editedFacts("stock", { "ufw-defaults": (text) => text.replace("IPV6=yes", "IPV6=no") });
    expect(guards(planTask("firewall", allowOf("stock"), facts))).toEqual(["ufw-ipv6-off"]);
  });

  it("checks with IPV6=no which other rules let packets in over IPv6", () => {
    const dropping = (...rules: string[]) =>
      editedFacts("hardened", {
        "ufw-defaults": (text) => text.replace("IPV6=yes", "IPV6=no"),
        kernel6: () =>
          [
            "*filter",
            ":INPUT DROP [0:0]",
            ":site - [0:0]",
            "-A INPUT -i lo -j ACCEPT",
            ...rules,
            "COMMIT",
            "",
          ].join("\n"),
      });
    const found = (...rules: string[]) =>
      findings(verifyTask("firewall", allowOf("hardened"), dropping(...rules))).join("\n");
    expect(found()).toBe("");
    const site = found("-A INPUT -j site", "-A site -i eth0 -j ACCEPT");
    expect(site).toMatch(/^RK-NET-04 fail: others reach port \d+ over IPv6: -A site -i eth0 -j ACCEPT$/m);
    expect(site).toMatch(/^RK-NET-06 fail: others reach port \d+: -A site -i eth0 -j ACCEPT$/m);
    const geoip = found("-A INPUT -m geoip --source-country DE -j ACCEPT");
    expect(geoip).toMatch(/^RK-NET-04 unknown: whether others reach port .*-m geoip/m);
    expect(geoip).toMatch(/^RK-NET-06 unknown: whether others reach port .*-m geoip/m);
  });

  it("does not call the port closed to interfaces that the host does not name", () => {
    const facts = editedFacts("stock", { interfaces: () => "/sys/class/net/*\n", addresses: () => "\n" });
    const outcomes = verifyTask("firewall", { allow: ["10.0.0.0/24"] }, facts).map(
      ({ control, outcome }) => `${control} ${outcome}`,
    );
    expect(outcomes).toContain("RK-NET-06 unknown");
    expect(outcomes).not.toContain("RK-NET-06 pass");
  });

  it("does not call IPv6 dropped where the file says so and the kernel lets it in", () => {
    const facts = editedFacts("drifted", { "ufw-defaults": (text) => text.replace("IPV6=yes", "IPV6=no") });
    expect(findings(verifyTask("firewall", allowOf("drifted"), facts))).toContain(
      "RK-NET-06 fail: others reach port 6380",
    );
  });

  it("puts its own rules and a denial of the port ahead of a rule that it cannot read", () => {
    const line = "-A ufw-user-input -m owner --uid-owner 0 -j ACCEPT\n";
    const facts = editedFacts("hardened", {
      "ufw-rules4": (text) => text.replace("### RULES ###\n", `### RULES ###\n\n${line}`),
      kernel4: (text) => text.replace("-A ufw-user-input ", `${line}-A ufw-user-input `),
    });
    const text = written(planTask("firewall", allowOf("hardened"), facts), RULES);
    const order = ["--dport 22 ", `-s ${subnet("hardened")} -j ACCEPT`, "--dport 6380 -j DROP", line];
    const places = order.map((words) => text.indexOf(words));
    expect(places).not.toContain(-1);
    expect(places).toEqual([...places].sort((a, b) => a - b));
    expect(findings(verifyTask("firewall", allowOf("hardened"), facts))).toContainEqual(
      expect.stringMatching(/^RK-NET-04 unknown: .* -A ufw-user-input -m owner --uid-owner 0 -j ACCEPT$/),
    );
  });

  it("reports other firewalls, and ports that Docker publishes past ufw", () => {
    const facts = editedFacts("stock", {
      foreign: () => "firewalld\n",
      "docker-ports": () => "cache 0.0.0.0:6379->6379/tcp\n",
    });
    const reason = planTask("firewall", allowOf("stock"), facts).tasks[0]?.reason ?? "";
    expect(reason).toContain("firewalld is active");
    expect(reason).toContain("Docker publishes port 6379/tcp");
  });

  it.each([
    [{ allow: ["10.0.0.0/33"] }],
    [{ allow: ["example.com"] }],
    [{ allow: ["10.0.0.0/8; ufw disable"] }],
    [{ backend: "nftables" }],
    [{ default: "allow" }],
    [{ other_ports: "open" }],
  ])("does not take %j", (params) => {
    expect(() => planTask("firewall", params, factsOf("stock"))).toThrow();
  });
});
