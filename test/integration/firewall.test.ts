import { afterAll, beforeAll, describe, it } from "vitest";
import { type LabHost, startHost } from "./support/lab.ts";
import { LabProgram } from "./support/lab-program.ts";
import { onHost } from "./support/observe.ts";
import { openProject, type Project } from "./support/project.ts";

/** Hosts whose firewall is off: what was done to them by hand, and what is asked of redkeep beside its own rules. */
const SITUATIONS: readonly { name: string; prepare: string; asked?: object; args?: string[] }[] = [
  { name: "as the package installs it", prepare: "true" },
  {
    name: "nothing logged, everything let in by default",
    prepare: "ufw logging off; ufw default allow incoming; ufw allow 22/tcp; ufw deny 8080",
  },
  {
    name: "much logged, rules of many kinds, and rejected by default",
    prepare: `ufw logging medium; ufw allow OpenSSH; ufw limit 2222/tcp comment 'ssh, limited'; ufw allow log 443/tcp
      ufw reject log-all from 192.0.2.0/24; ufw allow in on eth0 to any port 8080 proto tcp
      ufw route allow in on eth0 out on eth1; ufw deny out 25/tcp; ufw allow from 2001:db8::/64 to any port 443 proto tcp`,
    asked: { default: "reject" },
  },
  { name: "more logged", prepare: "ufw logging high; ufw default reject outgoing; ufw allow out to any" },
  { name: "all logged", prepare: "ufw logging full; ufw default reject incoming; ufw allow 22" },
  { name: "on before, and switched off", prepare: "ufw allow 22/tcp; ufw --force enable; ufw disable" },
  {
    name: "rules of its own before and after ufw's",
    prepare: `ufw allow 22/tcp
      printf '*mangle\\n-F PREROUTING\\n-A PREROUTING -i eth0 -s 10.8.0.0/24 -j MARK --set-mark 8\\nCOMMIT\\n' >>/etc/ufw/before.rules
      sed -i '/^COMMIT/i -A ufw-after-input -p udp --dport 9999 -j ufw-skip-to-policy-input' /etc/ufw/after.rules`,
  },
  {
    name: "a module to load",
    prepare: "sed -i 's/^IPT_MODULES=.*/IPT_MODULES=\"nf_conntrack_ftp\"/' /etc/default/ufw",
  },
  {
    name: "a file that does not end its last line",
    prepare: 'printf %s "$(cat /etc/ufw/after.rules)" >/etc/ufw/after.rules',
  },
  {
    name: "no IPv6",
    prepare: "sed -i 's/^IPV6=.*/IPV6=no/' /etc/default/ufw; ufw allow 22/tcp",
    asked: { allow: ["10.77.0.0/16"] },
    args: ["--accept", "ufw-ipv6-off"],
  },
];

/**
 * What the kernel filters, chain by chain in the order of its rules, and ufw's files, byte for byte. With IPV6=no ufw writes
 * user6.rules without the rules that it did not read: redkeep leaves them there.
 */
const firewallOf = (host: LabHost): Promise<string> =>
  onHost(
    host,
    `for family in ip ip6; do
       "\${family}tables-save" | sed -n -e 's/ \\[[0-9:]*\\]$//' -e '/^[*:-]/p' | sort -s -k 1,2
     done
     cd /etc/ufw; tail -n +1 user.rules ufw.conf /etc/default/ufw; grep -q ^IPV6=no /etc/default/ufw || cat user6.rules; stat -c '%n %U:%G %a' *; ufw status verbose`,
  );

/** Takes whoever comes, and lets them go. */
const SERVER = `import socket
server = socket.create_server(("", 8080), backlog=4096)
while True: server.accept()[0].close()`;

/**
 * Clients that connect again and again, from the first line that they are told to the next, and some hundred times in any case: a busy
 * machine lets them do less while it works. They go without a goodbye: a port that is
 * in TIME_WAIT on the host may turn the next client away that gets it.
 */
const CLIENTS = `import json, socket, struct, sys, threading, time
address, made, failures, over = json.loads(sys.stdin.readline()), [], [], threading.Event()
def connect():
    with socket.create_connection((address, 8080), 60) as client:
        client.recv(1)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
def repeat():
    while not over.is_set():
        try:
            connect()
            made.append(True)
        except OSError as error: failures.append(str(error))
while True:
    try:
        connect()
        break
    except ConnectionRefusedError: time.sleep(0.05)
clients = [threading.Thread(target=repeat) for _ in range(4)]
for client in clients: client.start()
print(json.dumps("begun"), flush=True)
sys.stdin.readline()
during = len(made)
while len(made) < 400 and not failures: time.sleep(0.05)
over.set()
for client in clients: client.join()
print(json.dumps({"during": during, "made": len(made), "failures": failures[:20]}), flush=True)`;

/**
 * Counts the clients' packets and the answers ahead of iptables' rules and behind them. A client cannot tell a packet that the
 * firewall dropped from one that a busy machine lost.
 */
const COUNTERS = `nft -f - <<'END'
table inet counted {
  chain ahead { type filter hook input priority -10; tcp dport 8080 counter; }
  chain behind { type filter hook input priority 10; tcp dport 8080 counter; }
  chain answers-ahead { type filter hook output priority -10; tcp sport 8080 counter; }
  chain answers-behind { type filter hook output priority 10; tcp sport 8080 counter; }
}
END`;
const counted = (host: LabHost) =>
  onHost(host, "nft list table inet counted | sed -n 's/.* counter packets \\([0-9]*\\) .*/\\1/p'");

describe.concurrent("a firewall that redkeep switches on", () => {
  it.for(SITUATIONS)(
    "has the rules that ufw would have loaded: $name",
    async ({ prepare, asked, args = [] }, { expect }) => {
      await using host = await startHost();
      using project = openProject({ "redis-01": host });
      await onHost(host, prepare);
      const playbook = project.playbook("firewall.yml", [
        { firewall: { allow: [host.subnet, "2001:db8:1::/64"], ...asked } },
      ]);
      const run = await project.run("apply", playbook, "--yes", ...args);
      expect(run.host("redis-01")).toMatchObject({ status: "changed", error: null });
      const made = await firewallOf(host);
      expect(made).toContain("Status: active");
      for (const command of [
        "ufw disable; ufw --force enable",
        "ufw reload",
        "ufw disable; sed -i s/^ENABLED=.*/ENABLED=yes/ /etc/ufw/ufw.conf; systemctl restart ufw",
      ]) {
        await onHost(host, command);
        expect(await firewallOf(host), command).toBe(made);
      }
      expect((await project.run("apply", playbook, "--yes", ...args)).host("redis-01").status).toBe(
        "unchanged",
      );
    },
  );

  // Rules of others ahead of ufw's, and everything that can turn away whoever is to be let in.
  it.for([
    { name: "as the package installs it", prepare: "true", asked: {} },
    {
      name: "rules of others, and all the rest rejected",
      prepare: `ufw default reject outgoing; ufw allow out to any
        iptables -N f2b-sshd; iptables -A INPUT -p tcp --dport 2222 -j f2b-sshd; iptables -A f2b-sshd -j RETURN`,
      asked: { default: "reject" },
    },
  ])(
    "turns no allowed client away while its rules are loaded: $name",
    async ({ prepare, asked }, { expect }) => {
      await using host = await startHost();
      using project = openProject({ "redis-01": host });
      await onHost(
        host,
        `ufw allow 22/tcp; ufw allow 8080/tcp; ${prepare}
         ${COUNTERS}
         systemd-run -q python3 -c '${SERVER}'`,
      );
      const playbook = project.playbook("firewall.yml", [{ firewall: { allow: [host.subnet], ...asked } }]);
      await using clients = new LabProgram("beside", CLIENTS);
      await clients.ask(host.ip);
      const run = await project.run("apply", playbook, "--yes");
      expect(run.host("redis-01")).toMatchObject({ status: "changed", error: null });
      expect(await clients.ask("over")).toEqual({
        during: expect.toSatisfy((during) => during > 100),
        made: expect.toSatisfy((made) => made >= 400),
        failures: [],
      });
      const [ahead, behind, answersAhead, answersBehind] = (await counted(host)).split("\n").map(Number);
      expect(ahead).toBeGreaterThan(1_000);
      expect([behind, answersBehind]).toEqual([ahead, answersAhead]);
      expect(await onHost(host, "iptables -S; ip6tables -S")).not.toContain("redkeep");
    },
  );

  it("is started by ufw itself where ufw would do more than load its files", async ({ expect }) => {
    await using host = await startHost();
    using project = openProject({ "redis-01": host });
    await onHost(host, "sed -i '/^LOGLEVEL/d' /etc/ufw/ufw.conf");
    const playbook = project.playbook("firewall.yml", [{ firewall: { allow: [host.subnet] } }]);
    const run = await project.run("apply", playbook, "--yes");
    expect(run.host("redis-01")).toMatchObject({ status: "changed", error: null });
    expect(await host.readFile("/etc/ufw/ufw.conf")).toContain("LOGLEVEL=low");
    expect(await onHost(host, "ufw status verbose")).toContain("Logging: on (low)");
  });
});

/** Where a stranger gets in beside ufw's own rules: iptables' words, with FAMILY for what begins the names of ufw's chains. */
const HOLES: readonly { name: string; rules: string[] }[] = [
  ...["before-logging", "before", "after", "after-logging", "reject", "track"].map((place) => ({
    name: `an ACCEPT in ufw-${place}-input`,
    rules: [`-I FAMILY-${place}-input -p tcp --dport 6379 -j ACCEPT`],
  })),
  {
    name: "a jump from ufw-before-input into a chain of somebody's",
    rules: ["-N site", "-A site -p tcp -j ACCEPT", "-I FAMILY-before-input -j site"],
  },
  { name: "everything but udp", rules: ["-A FAMILY-after-input ! -p udp -j ACCEPT"] },
  {
    name: "a chain of fail2ban's name that accepts",
    rules: ["-N f2b-x", "-A f2b-x -j ACCEPT", "-I INPUT -p tcp -j f2b-x"],
  },
  {
    name: "another port sent to Redis', and let in for it",
    rules: [
      "-t nat -A PREROUTING -p tcp --dport 8080 -j REDIRECT --to-ports 6379",
      "-A FAMILY-after-input -m conntrack --ctstate DNAT -j ACCEPT",
    ],
  },
];

describe("RK-NET-04 where ufw's own rules are as wanted", () => {
  let host: LabHost;
  let project: Project;
  let playbook: string;
  beforeAll(async () => {
    host = await startHost();
    project = openProject({ "redis-01": host });
    playbook = project.playbook("firewall.yml", [{ firewall: { allow: [host.subnet] } }]);
    await project.run("apply", playbook, "--yes");
    await onHost(host, "iptables-save >/run/rules4; ip6tables-save >/run/rules6");
  });
  afterAll(async () => {
    project?.[Symbol.dispose]();
    await host?.[Symbol.asyncDispose]();
  });

  /** What verify finds of the control, but for passes; what others' rules are there at all is named beside it. */
  const found = async (): Promise<string[]> => {
    const run = await project.run("verify", playbook);
    return run
      .host("redis-01")
      .checks.filter(({ control, outcome }) => control === "RK-NET-04" && outcome !== "pass")
      .filter(({ expected }) => expected !== "ufw alone decides about incoming packets")
      .map(({ outcome, observed }) => `${outcome}: ${observed}`);
  };
  /** Runs iptables with these rules, and puts back what was before. */
  const withRules = async <T>(commands: string[], look: () => Promise<T>): Promise<T> => {
    await onHost(host, ["set -e", ...commands].join("\n"));
    try {
      return await look();
    } finally {
      await onHost(
        host,
        "iptables -t nat -F; ip6tables -t nat -F; iptables-restore </run/rules4; ip6tables-restore </run/rules6; nft delete table inet site || true",
      );
    }
  };

  it("passes", async ({ expect }) => {
    expect(await found()).toEqual([]);
  });

  it.for(HOLES)("fails for $name, in either family", async ({ rules }, { expect }) => {
    const load = (tool: string, family: string) =>
      rules.map((rule) => `${tool} ${rule.replaceAll("FAMILY", family)}`);
    for (const [family, commands] of [
      ["IPv4", load("iptables", "ufw")],
      ["IPv6", load("ip6tables", "ufw6")],
    ] as const) {
      const [only, ...more] = await withRules(commands, found);
      expect(more).toEqual([]);
      expect(only).toMatch(
        new RegExp(`^fail: others reach port 6379 over ${family}: .*-j (ACCEPT|REDIRECT)`),
      );
    }
  });

  it("fails for an ACCEPT in ufw-not-local", async ({ expect }) => {
    const rules = ["iptables -I ufw-not-local -p tcp --dport 6379 -j ACCEPT"];
    expect(await withRules(rules, found)).toEqual([
      "fail: others reach port 6379 over IPv4: -A ufw-not-local -p tcp -m tcp --dport 6379 -j ACCEPT",
    ]);
  });

  it("is unknown, with the rule, where the rules alone cannot tell", async ({ expect }) => {
    const rules = ["iptables -I INPUT -p tcp -m recent --rcheck --name knocked -j ACCEPT"];
    expect(await withRules(rules, found)).toEqual([
      expect.stringMatching(
        /^unknown: whether others reach port 6379 over IPv4 is not known: -A INPUT .* --name knocked /,
      ),
    ]);
  });

  it("fails for a rule that nft has put into iptables' table, as nft prints it", async ({ expect }) => {
    const rules = [
      "nft 'add set ip filter site { type ipv4_addr; elements = { 203.0.113.9 }; }'",
      "nft insert rule ip filter INPUT ip saddr @site tcp dport 6379 accept",
    ];
    expect(await withRules(rules, found)).toEqual([
      "fail: others reach port 6379 over IPv4: nft ip filter INPUT: ip saddr @site tcp dport 6379 accept",
    ]);
  });

  it("passes where another nft table keeps out whom a rule lets in", async ({ expect }) => {
    const rules = [
      "iptables -I INPUT -p tcp --dport 6379 -j ACCEPT; ip6tables -I INPUT -p tcp --dport 6379 -j ACCEPT",
      `nft -f - <<'E'
table inet site { chain in { type filter hook input priority 10; policy accept
ip saddr != ${host.subnet} tcp dport 6379 drop
meta nfproto ipv6 tcp dport 6379 drop
}
}
E`,
    ];
    expect(await withRules(rules, found)).toEqual([]);
  });
});
