import { fraction } from "../case.ts";
import type { Figure } from "../figure.ts";
import { BACK_WITHIN, type Outcome, runLockout, Site, type Situation } from "../lockout.ts";

/** How many cases a whole run has. */
const CASES = 100;
/** Hosts at a time, beside the one that CI comes from. */
const HOSTS = 2;

const sshd = (...ports: number[]): Pick<Situation, "prepare" | "ports"> => ({
  ports,
  prepare: `printf 'Port %s\\n' ${ports.join(" ")} >/etc/ssh/sshd_config.d/ports.conf; systemctl restart ssh`,
});
const socket = (...listen: string[]): Pick<Situation, "prepare" | "ports"> => ({
  ports: listen.map(Number),
  prepare: `mkdir -p /etc/systemd/system/ssh.socket.d
    printf '[Socket]\\nListenStream=\\n' >/etc/systemd/system/ssh.socket.d/ports.conf
    printf 'ListenStream=%s\\n' ${listen.join(" ")} >>/etc/systemd/system/ssh.socket.d/ports.conf
    systemctl daemon-reload; systemctl disable -q --now ssh; systemctl start ssh.socket`,
});
/** Rules in ufw's words, of a ufw that is off. */
const off = (...rules: string[]): string => rules.map((rule) => `ufw ${rule}`).join("\n");
const on = (...rules: string[]): string => `${off(...rules)}\nufw --force enable`;
const both = (
  first: Pick<Situation, "prepare" | "ports">,
  then: string,
): Pick<Situation, "prepare" | "ports"> => ({
  ...first,
  prepare: `${first.prepare}\n${then}`,
});
const inFile = (line: string, family = ""): string =>
  `sed -i 's|^### RULES ###|### RULES ###\\n\\n-A ufw${family}-user-input ${line}|' /etc/ufw/user${family}.rules`;
const beforeRules = (line: string, family = ""): string =>
  `sed -i '/^# allow all on loopback/i -A ufw${family}-before-input ${line}' /etc/ufw/before${family}.rules`;
const noIpv6 = "sed -i 's/^IPV6=.*/IPV6=no/' /etc/default/ufw";

const ALONE = /open to you alone/;

/** sshd and firewalls as operators leave them. */
const FOUND: readonly Situation[] = [
  { name: "a stock host", ends: "changed" },
  { name: "sshd on another port", ...sshd(2222), ends: "changed" },
  { name: "sshd on two ports, come by the first", ...sshd(22, 2222), ends: "changed" },
  { name: "sshd on two ports, come by the second", ...sshd(2222, 22), ends: "changed" },
  { name: "sshd started by its socket", ...socket("22"), ends: "changed" },
  { name: "sshd started by its socket on another port", ...socket("2022"), ends: "changed" },
  {
    name: "sshd started by its socket on two ports",
    ...socket("22", "2022"),
    firewall: { other_ports: "close" },
    ends: "changed",
  },
  {
    name: "sshd takes two logins at a time, and somebody holds one open",
    prepare: `echo 'MaxStartups 2:100:4' >/etc/ssh/sshd_config.d/a.conf; systemctl restart ssh
      systemd-run -q python3 -c 'import socket, time; held = socket.create_connection(("127.0.0.1", 22)); time.sleep(600)'`,
    ends: "changed",
  },
  {
    name: "sshd listens on one address only",
    prepare: "echo ListenAddress $HOST >/etc/ssh/sshd_config.d/address.conf; systemctl restart ssh",
    ends: "changed",
  },
  {
    name: "sshd on another port, ufw off and made for 22",
    ...both(sshd(2222), off("allow 22/tcp")),
    ends: "changed",
  },
  { name: "ufw off, denies SSH", prepare: off("deny 22/tcp"), ends: "refused", says: ALONE },
  { name: "ufw off, denies SSH of any protocol", prepare: off("deny 22"), ends: "refused", says: ALONE },
  { name: "ufw off, rejects SSH", prepare: off("reject 22/tcp"), ends: "refused", says: ALONE },
  { name: "ufw off, denies the profile OpenSSH", prepare: off("deny OpenSSH"), ends: "refused", says: ALONE },
  { name: "ufw off, denies the peer", prepare: off("deny from $PEER"), ends: "changed" },
  {
    name: "ufw off, rejects the peer's network",
    prepare: off("reject from $PEER/24", "allow 22/tcp"),
    vantages: ["controller"],
  },
  {
    name: "ufw off, lets another network in",
    prepare: off("allow from 10.9.9.0/24 to any port 22"),
    vantages: ["controller"],
    ends: "changed",
  },
  { name: "ufw off, lets CI in", prepare: off("allow from $CI to any port 22 proto tcp"), ends: "changed" },
  { name: "ufw off, limits SSH", prepare: off("limit 22/tcp"), ends: "changed" },
  {
    name: "ufw off, lets all in",
    prepare: "sed -i 's/^DEFAULT_INPUT_POLICY=.*/DEFAULT_INPUT_POLICY=\"ACCEPT\"/' /etc/default/ufw",
    ends: "changed",
  },
  {
    name: "ufw off, rejects by default",
    prepare: "sed -i 's/^DEFAULT_INPUT_POLICY=.*/DEFAULT_INPUT_POLICY=\"REJECT\"/' /etc/default/ufw",
    ends: "changed",
  },
  { name: "ufw off, reject is wanted", firewall: { default: "reject" }, ends: "changed" },
  {
    name: "ufw off, denies SSH by interface",
    prepare: off("deny in on eth0 to any port 22"),
    ends: "refused",
    says: ALONE,
  },
  {
    name: "ufw off, lets SSH in by an interface that is gone",
    prepare: off("allow in on eth9 to any port 22 proto tcp"),
    vantages: ["controller"],
  },
  {
    name: "ufw off, lets SSH in to an address that is gone",
    prepare: off("allow from any to 10.9.9.9 port 22 proto tcp"),
    vantages: ["controller"],
  },
  {
    name: "ufw off, denies SSH to the host's address",
    prepare: off("deny from any to $HOST port 22 proto tcp"),
    ends: "refused",
    says: ALONE,
  },
  {
    name: "ufw off, denies what comes from high ports",
    prepare: off("deny proto tcp from any port 1024:65535 to any"),
    ends: "refused",
    says: ALONE,
  },
  {
    name: "ufw off, lines by hand among its rules",
    prepare: inFile("-p tcp --dport 22 -j DROP"),
    ends: "refused",
    says: /would drop this/,
  },
  { name: "ufw off, lines by hand that let in what they should not", prepare: inFile("-p tcp -j ACCEPT") },
  {
    name: "ufw off, a rule outside its list of rules",
    prepare: "sed -i 's/^COMMIT/-A ufw-user-input -p tcp --dport 22 -j DROP\\nCOMMIT/' /etc/ufw/user.rules",
    ends: "refused",
    says: /outside its list/,
  },
  {
    name: "ufw off, user.rules is cut off",
    prepare:
      "sed -i '/^COMMIT/,$d; /^### END/,$d' /etc/ufw/user.rules; sed -i '/ufw-user-limit/d' /etc/ufw/user.rules",
    ends: "refused",
  },
  { name: "ufw off, IPV6=no", prepare: noIpv6, ends: "refused", says: /IPV6=no/ },
  {
    name: "ufw off, IPV6=no, accepted",
    prepare: noIpv6,
    args: ["--accept", "ufw-ipv6-off"],
    firewall: { allow: ["10.77.0.0/16"] },
    ends: "changed",
  },
  {
    name: "ufw off, before.rules drops SSH",
    prepare: beforeRules("-p tcp --dport 22 -j DROP"),
    ends: "refused",
    says: /before\.rules/,
  },
  {
    name: "ufw off, before.rules drops the peer in a chain of its own",
    prepare: `${beforeRules("-j site")}; sed -i 's/^# End required lines/:site - [0:0]\\n-A site -s '$PEER' -j DROP/' /etc/ufw/before.rules`,
    ends: "refused",
    says: /before\.rules/,
  },
  {
    name: "ufw off, before.rules lets SSH in",
    prepare: beforeRules("-p tcp --dport 22 -j ACCEPT"),
    ends: "changed",
  },
  {
    name: "ufw off, before.rules drops another port",
    prepare: beforeRules("-p tcp --dport 25 -j DROP"),
    ends: "changed",
  },
  {
    name: "ufw off, before.init drops SSH",
    prepare: `printf '#!/bin/sh\\ncase $1 in start) iptables -I INPUT -p tcp --syn --dport 22 -j DROP;; stop) iptables -D INPUT -p tcp --syn --dport 22 -j DROP;; esac; true\\n' >/etc/ufw/before.init; chmod 755 /etc/ufw/before.init`,
  },
  { name: "ufw on, lets SSH in", prepare: on("allow 22/tcp"), ends: "changed" },
  {
    name: "ufw on, denies CI before it lets SSH in",
    prepare: on("deny from $CI", "allow 22/tcp"),
    vantages: ["controller"],
    ends: "changed",
  },
  { name: "ufw on, limits SSH", prepare: on("limit 22/tcp"), ends: "changed" },
  {
    name: "ufw on, lets all in and has no rule for SSH",
    prepare: on("default allow incoming"),
    ends: "changed",
  },
  {
    name: "ufw on, lets all in but a network",
    prepare: on("default allow incoming", "deny from 203.0.113.0/24 to any port 22 proto tcp"),
    ends: "changed",
  },
  {
    name: "ufw on, rejects by default",
    prepare: on("default reject incoming", "allow 22/tcp"),
    ends: "changed",
  },
  {
    name: "ufw on, reject is wanted",
    prepare: on("allow 22/tcp"),
    firewall: { default: "reject" },
    ends: "changed",
  },
  { name: "ufw on, a broad allow that SSH needs", prepare: on("allow from 128.0.0.0/1"), ends: "changed" },
  { name: "ufw on, lets every port in", prepare: on("allow 1:65535/tcp"), ends: "changed" },
  { name: "ufw on, lets the interface in", prepare: on("allow in on eth0"), ends: "changed" },
  {
    name: "ufw on, IPV6=no",
    prepare: `${noIpv6}\n${on("allow 22/tcp")}`,
    firewall: { allow: ["10.77.0.0/16"] },
    ends: "changed",
  },
  {
    name: "ufw on, Redis denied above a broad allow",
    prepare: on("deny 6379", "allow from 128.0.0.0/1"),
    ends: "changed",
  },
  {
    name: "ufw on, lines by hand let SSH in",
    prepare: `${on()}; ${inFile("-p tcp --dport 22 -j ACCEPT")}; ufw reload`,
    ends: "changed",
  },
  {
    name: "ufw on, lines by hand let SSH in, another policy is wanted",
    prepare: `${on("default reject incoming")}; ${inFile("-p tcp --dport 22 -j ACCEPT")}; ufw reload`,
  },
  {
    name: "ufw on, SSH let in by a raw rule alone",
    prepare: `iptables -I INPUT -p tcp --dport 22 -j ACCEPT\n${on()}`,
    ends: "changed",
  },
  {
    name: "ufw on, in the kernel other rules than in its files",
    prepare: `${on("allow 22/tcp")}; iptables -I ufw-user-input -s 203.0.113.5 -j ACCEPT`,
    ends: "changed",
  },
  {
    name: "ufw on in its files, off in the kernel",
    prepare: `${off("deny 22/tcp")}; sed -i 's/^ENABLED=.*/ENABLED=yes/' /etc/ufw/ufw.conf`,
  },
  {
    name: "raw rules that let only SSH in",
    prepare:
      "iptables -A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT; iptables -A INPUT -p tcp --dport 22 -j ACCEPT; iptables -A INPUT -i lo -j ACCEPT; iptables -P INPUT DROP",
  },
  {
    name: "raw rules that reject the rest",
    prepare:
      "iptables -A INPUT -i lo -j ACCEPT; iptables -A INPUT -p tcp --dport 22 -j ACCEPT; iptables -A INPUT -p tcp --syn -j REJECT",
  },
  { name: "through a jump host", jump: true, ends: "changed" },
  {
    name: "through a jump host, ufw off and made for the controller",
    jump: true,
    prepare: off("allow from $PEER to any port 22 proto tcp"),
    ends: "changed",
  },
  {
    name: "through a jump host, ufw off and made for others",
    jump: true,
    prepare: off("allow from 10.9.9.0/24 to any port 22 proto tcp"),
    vantages: ["ci"],
    ends: "changed",
  },
  { name: "through a jump host, sshd on another port", jump: true, ...sshd(2222), ends: "changed" },
  { name: "through a jump host over IPv6", jump: true, family: 6, ends: "changed" },
  { name: "IPv6", family: 6, ends: "changed" },
  { name: "IPv6, another port", family: 6, ...sshd(2222), ends: "changed" },
  { name: "IPv6, ufw off, denies SSH", family: 6, prepare: off("deny 22/tcp"), ends: "refused", says: ALONE },
  {
    name: "IPv6, ufw off, lets IPv4 in alone",
    family: 6,
    prepare: off("allow from 128.0.0.0/1 to any port 22 proto tcp"),
    ends: "changed",
  },
  {
    name: "IPv6, ufw off, denies the peer",
    family: 6,
    prepare: off("deny from $PEER", "allow 22/tcp"),
    ends: "changed",
  },
  { name: "IPv6, ufw off, limits SSH", family: 6, prepare: off("limit 22/tcp"), ends: "changed" },
  {
    name: "IPv6, ufw off, IPV6=no",
    family: 6,
    prepare: noIpv6,
    firewall: { allow: ["10.77.0.0/16"] },
    ends: "refused",
    says: /it would drop\s+all\s+IPv6/,
  },
  {
    name: "IPv6, ufw off, IPV6=no, accepted",
    family: 6,
    prepare: noIpv6,
    firewall: { allow: ["10.77.0.0/16"] },
    args: ["--accept", "ufw-ipv6-off"],
    ends: "refused",
    says: /it would drop\s+all\s+IPv6/,
  },
  {
    name: "IPv6, ufw off, before6.rules drops SSH",
    family: 6,
    prepare: beforeRules("-p tcp --dport 22 -j DROP", "6"),
    ends: "refused",
    says: /before6\.rules/,
  },
  { name: "IPv6, ufw on, lets all in", family: 6, prepare: on("default allow incoming"), ends: "changed" },
];

const dropNew = (port = 22, tool = "iptables"): string =>
  `${tool} -w -I INPUT -p tcp --dport ${port} --syn -j DROP`;
/** Somebody else shuts new logins out, keeps the open ones, and takes that back in 20 seconds. */
function byThirdParty(command: string): string {
  return `${command}; systemd-run -q --on-active=20 --timer-property=AccuracySec=100ms ${command.replace(" -I ", " -D ")}`;
}
const enable = "firewall enable";
const load = "firewall load";
const running = on("allow 22/tcp");

/** The confirmation over a new login fails, through nothing that redkeep did. */
const THIRD_PARTY: readonly Situation[] = [
  { name: "new logins dropped", strike: { at: enable, command: byThirdParty(dropNew()) } },
  {
    name: "new logins dropped once all is in place",
    strike: { at: "applied", command: byThirdParty(dropNew()) },
  },
  {
    name: "new logins reset",
    strike: {
      at: enable,
      command: byThirdParty(`${dropNew().replace("DROP", "REJECT")} --reject-with tcp-reset`),
    },
  },
  {
    name: "new logins dropped before any chain",
    strike: {
      at: enable,
      command: byThirdParty("iptables -w -t raw -I PREROUTING -p tcp --dport 22 --syn -j DROP"),
    },
  },
  {
    name: "new logins dropped, ufw on",
    prepare: running,
    strike: { at: load, command: byThirdParty(dropNew()) },
  },
  {
    name: "new logins dropped, ufw limits SSH",
    unprobed: true,
    prepare: on("limit 22/tcp"),
    strike: { at: load, command: byThirdParty(dropNew()) },
  },
  {
    name: "new logins dropped, another port",
    ...sshd(2222),
    strike: { at: enable, command: byThirdParty(dropNew(2222)) },
  },
  {
    name: "new logins dropped, through a jump host",
    jump: true,
    strike: { at: enable, command: byThirdParty(dropNew()) },
  },
  {
    name: "new logins dropped, IPv6",
    family: 6,
    strike: { at: enable, command: byThirdParty(dropNew(22, "ip6tables")) },
  },
  {
    name: "new logins dropped, sshd started by its socket",
    ...socket("22"),
    strike: { at: enable, command: byThirdParty(dropNew()) },
  },
].map((situation) => ({ ...situation, ends: "rolled-back", says: /a new login did not work/ }) as Situation);

/** redkeep itself shuts everybody out, with its look at the rules off: nothing but its nets can help. */
const BY_US: readonly Situation[] = [
  { name: "ufw off", strike: { at: enable, command: "true" }, ends: "rolled-back" },
  {
    name: "ufw off, reject",
    firewall: { default: "reject" },
    strike: { at: enable, command: "true" },
    ends: "rolled-back",
  },
  { name: "another port", ...sshd(2222), strike: { at: enable, command: "true" }, ends: "rolled-back" },
  { name: "IPv6", family: 6, strike: { at: enable, command: "true" }, ends: "rolled-back" },
  {
    name: "ufw on, lets all in",
    prepare: on("default allow incoming"),
    strike: { at: load, command: "true" },
    ends: "rolled-back",
  },
  { name: "through a jump host", jump: true, strike: { at: enable, command: "true" }, ends: "rolled-back" },
  { name: "the open session is cut too", strike: { at: enable, command: "pkill -KILL -f '^sshd: root'" } },
  {
    name: "the transaction hangs behind it",
    strike: { at: "check", command: "systemctl kill -s STOP 'redkeep-apply-*'", kill: "controller" },
  },
  { name: "the controller is killed", strike: { at: enable, command: "true", kill: "controller" } },
  {
    name: "the controller is killed, ufw on",
    prepare: on("default allow incoming"),
    strike: { at: load, command: "true", kill: "controller" },
  },
  {
    name: "the controller is killed, IPv6",
    family: 6,
    strike: { at: enable, command: "true", kill: "controller" },
  },
].map(
  (situation) => ({ ...situation, withoutAllowance: true, args: ["--accept", "ssh-peer-only"] }) as Situation,
);

/** A kill in the middle of the firewall's step: the rules are old or new, and SSH is open in both. */
const INTERRUPTED: readonly Situation[] = [0, 0.1, 0.2, 0.3, 0.5].flatMap((delay) => [
  {
    name: `killed ${delay} s into enable`,
    strike: { at: enable, delay, command: "systemctl kill -s KILL 'redkeep-apply-*' 2>/dev/null; true" },
  },
  {
    name: `what loads the rules killed ${delay} s into enable`,
    strike: { at: enable, delay, command: "pkill -KILL 'ip6?tables-resto'; true" },
  },
]);

/** The first loading of IPv6 rules takes the transaction down with it: IPv4 has the new rules, IPv6 the old ones. */
const killedBetweenFamilies = `mkdir /opt/real; cp -P /usr/sbin/ip6tables-restore /opt/real
  printf '#!/bin/sh\\nif [ ! -e /run/struck ] && ls -d /run/redkeep-* >/dev/null 2>&1; then : >/run/struck; systemctl kill -s KILL "redkeep-apply-*"; sleep 5; fi\\nexec /opt/real/ip6tables-restore "$@"\\n' >/opt/wrapper
  chmod 755 /opt/wrapper; mv /opt/wrapper /usr/sbin/ip6tables-restore`;
const legacy = `for tool in iptables ip6tables; do update-alternatives --set $tool /usr/sbin/$tool-legacy >/dev/null; done`;
const holdLock = (seconds: number): string => `systemd-run -q flock /run/xtables.lock sleep ${seconds}`;

/** The firewall's own tools fail half way, or are kept from working by somebody else's lock. */
const STUCK: readonly Situation[] = [
  {
    name: "killed between the families",
    prepare: `${on("allow 22/tcp")}\n${killedBetweenFamilies}`,
    ends: "rolled-back",
  },
  ...[5, 30, 90].flatMap((seconds): Situation[] => [
    {
      name: `xtables' lock held for ${seconds} s, ufw off`,
      prepare: legacy,
      strike: { at: "armed", command: holdLock(seconds) },
    },
    {
      name: `xtables' lock held for ${seconds} s, ufw on`,
      prepare: `${legacy}\n${running}`,
      strike: { at: "armed", command: holdLock(seconds) },
      // What redkeep may not touch for so long it cannot have put back: it says so. SSH was never closed.
      ...(seconds > 60 ? { ends: "failed", says: /not restored the firewall/ } : {}),
    },
  ]),
];

export const situations = { STUCK, FOUND, THIRD_PARTY, BY_US, INTERRUPTED };

function allCases(): Situation[] {
  const named = (kind: string, list: readonly Situation[]) =>
    list.map((one) => ({ ...one, name: `${kind}: ${one.name}` }));
  return [
    ...named("found", FOUND),
    // Twenty of them, the second ten with the strike at another moment: that may come after the confirmation.
    ...named("third party", THIRD_PARTY),
    ...named("third party, later", THIRD_PARTY.map(later)),
    ...named("by us", BY_US),
    ...named("interrupted", INTERRUPTED),
    ...named("stuck", STUCK),
  ];
}

function later({ ends: _ends, says: _says, ...situation }: Situation): Situation {
  const { strike } = situation;
  return strike === undefined
    ? situation
    : { ...situation, strike: { ...strike, delay: 0.5 * fraction(situation.name) } };
}

export const figure: Figure = {
  name: "lockouts",
  title: "Nobody is locked out: a new SSH login works from everywhere it should, without a console",
  target: `0 of ${CASES} locked out, back within ${BACK_WITHIN} s`,
  async run({ count, log }) {
    const mixed = allCases().toSorted((one, other) => fraction(one.name) - fraction(other.name));
    const queue = mixed.slice(0, count ?? mixed.length);
    const outcomes: Outcome[] = [];
    await using site = await Site.open();
    const work = async (): Promise<void> => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        const outcome = await runLockout(site, next);
        outcomes.push(outcome);
        log(lineOf(outcome));
      }
    };
    await Promise.all(Array.from({ length: HOSTS }, work));
    const problems = outcomes.flatMap(({ name, problems }) =>
      problems.map((problem) => `${name}: ${problem}`),
    );
    const worst = (of: (outcome: Outcome) => number | null) =>
      Math.max(0, ...outcomes.map((one) => of(one) ?? 0));
    const lockedOut = outcomes.filter(({ problems }) => problems.length > 0).length;
    return {
      measured: `${lockedOut} of ${outcomes.length}, longest ${worst((one) => one.secondsWithout)} s without a login`,
      ok: lockedOut === 0,
      problems,
      details: outcomes,
    };
  },
};

function lineOf({ name, status, secondsWithout, secondsToPutBack, problems }: Outcome): string {
  const seconds = [
    secondsWithout === null ? "" : `, ${secondsWithout} s without a login`,
    secondsToPutBack === null ? "" : `, put back after ${secondsToPutBack} s`,
  ].join("");
  return `${name}: ${status ?? "killed"}${seconds}${problems.map((problem) => `\n  ${problem}`).join("")}`;
}
