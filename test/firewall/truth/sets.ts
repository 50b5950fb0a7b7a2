import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/**
 * Rule sets for packets to judge. The host has Redis on 6380. 10.77.1.0/24 and fd77:1::/64 may reach it; whoever comes from
 * 10.77.2.0/24, fd77:2::/64 (by eth0) or 10.77.3.0/24, fd77:3::/64 (by eth1) may not. Behind its docker0 a container,
 * 172.17.0.2 and fd17::2, has a Redis on 6379.
 */
export interface RuleSet {
  name: string;
  /** Shell, run on the host as root, with the words of `PRELUDE`. */
  script: string;
  /** The rules alone cannot answer the questions: only "unknown" is right. */
  isUnknown?: boolean;
  /** Whether the host's iptables is iptables-legacy, which keeps nothing in nftables. */
  isLegacy?: boolean;
}

export const ALLOWED = ["10.77.1.0/24", "fd77:1::/64"];

/** Shell functions for what many sets begin with. `/run/truth` has what a real ufw loads for the networks above. */
export const PRELUDE = `
both() { iptables "$@"; ip6tables "$@"; }
rule() { both -A INPUT "$@"; }
redis() { rule -p tcp --dport 6380 "$@"; }
allow() { iptables -A "$1" -s 10.77.1.0/24 -p tcp --dport 6380 -j ACCEPT; ip6tables -A "$1" -s fd77:1::/64 -p tcp --dport 6380 -j ACCEPT; }
drop() { both -P INPUT DROP; }
stock() { rule -i lo -j ACCEPT; rule -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT; rule -p tcp --dport 22 -j ACCEPT; }
guarded() { stock; allow INPUT; drop; }
ufw() { iptables-restore </run/truth/ufw4; ip6tables-restore </run/truth/ufw6; }
hole() { verb=$1 chain=$2; shift 2; iptables "$verb" "ufw-$chain" "$@"; ip6tables "$verb" "ufw6-$chain" "$@"; }
docker() {
  iptables-restore <<E
*nat
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A DOCKER -i docker0 -j RETURN
COMMIT
*filter
:FORWARD DROP [0:0]
:DOCKER - [0:0]
:DOCKER-ISOLATION-STAGE-1 - [0:0]
:DOCKER-ISOLATION-STAGE-2 - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-ISOLATION-STAGE-1
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A FORWARD -i docker0 -o docker0 -j ACCEPT
-A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2
-A DOCKER-ISOLATION-STAGE-1 -j RETURN
-A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP
-A DOCKER-ISOLATION-STAGE-2 -j RETURN
-A DOCKER-USER -j RETURN
COMMIT
E
}
publish() { # the host's port
  iptables -t nat -A DOCKER ! -i docker0 -p tcp -m tcp --dport "$1" -j DNAT --to-destination 172.17.0.2:6379
  iptables -A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 6379 -j ACCEPT
}
legacy() { iptables-legacy "$@"; ip6tables-legacy "$@"; }
`;

const set = (name: string, script: string): RuleSet => ({ name, script });
/** The rules alone do not give the answer. */
const unknown = (name: string, script: string): RuleSet => ({ name, script, isUnknown: true });
/** The host's `iptables` is iptables-legacy. */
const onLegacy = (name: string, script: string, more: Partial<RuleSet> = {}): RuleSet => ({
  name,
  script,
  isLegacy: true,
  ...more,
});
/** Tables of nft with the names of iptables', as another iptables has left them, and a rule in each. */
const named = (rule: string): string =>
  `for f in ip ip6; do nft "add table $f filter; add chain $f filter INPUT { type filter hook input priority 0; }; add rule $f filter INPUT ${rule}"; done`;
/** A table of nft by hand, with these rules in its input chain. */
const inet = (
  name: string,
  rules: string,
  { policy = "drop", more = "", isUnknown = false } = {},
): RuleSet => ({
  name: `nft inet: ${name}`,
  script: `nft -f - <<'E'
table inet filter {
  ${more}
  chain input {
    type filter hook input priority filter; policy ${policy};
    iif "lo" accept
    ct state vmap { established : accept, related : accept, invalid : drop }
    meta l4proto { icmp, ipv6-icmp } accept
    tcp dport 22 accept
    ${rules.trim().split("\n").join("\n    ")}
  }
}
E`,
  ...(isUnknown ? { isUnknown } : {}),
});

const NFT_ALLOW = "ip saddr 10.77.1.0/24 tcp dport 6380 accept\nip6 saddr fd77:1::/64 tcp dport 6380 accept";

/** What real hosts with firewalld have: see the README there. */
const RECORDED = join(import.meta.dirname, "../../fixtures/firewalld");
const FIREWALLD = readdirSync(RECORDED)
  .filter((file) => file.endsWith(".nft"))
  .map((file) => file.replace(/\.nft$/, ""));

export const SETS: readonly RuleSet[] = [
  // iptables alone
  set("no rules at all", "true"),
  set("policy DROP, nothing else", "drop"),
  set("the allowed networks, then DROP", "guarded"),
  set("the allowed networks, then REJECT at the end", "stock; allow INPUT; rule -j REJECT"),
  set("an allow for everybody behind the narrow one", "guarded; redis -j ACCEPT"),
  set("a DROP for the port ahead of the allow", "stock; redis -j DROP; allow INPUT; drop"),
  set("the port dropped, then everything accepted", "redis -j DROP; rule -j ACCEPT"),
  set("one stranger's network let in", "guarded; iptables -A INPUT -s 10.77.2.0/24 -j ACCEPT"),
  set("one stranger banned, all others in", "iptables -A INPUT -s 10.77.2.9 -j DROP; redis -j ACCEPT; drop"),
  set("everything but udp", "guarded; rule ! -p udp -j ACCEPT"),
  set("everything but tcp", "guarded; rule ! -p tcp -j ACCEPT"),
  set("udp alone on the port", "guarded; rule -p udp --dport 6380 -j ACCEPT"),
  set(
    "all but the allowed network dropped",
    "iptables -A INPUT ! -s 10.77.1.0/24 -p tcp --dport 6380 -j DROP; ip6tables -A INPUT ! -s fd77:1::/64 -p tcp --dport 6380 -j DROP",
  ),
  set(
    "all but one stranger's network accepted",
    "iptables -A INPUT ! -s 10.77.2.0/24 -p tcp -j ACCEPT; drop",
  ),
  set("a hole over IPv6 alone", "guarded; ip6tables -A INPUT -p tcp --dport 6380 -j ACCEPT"),
  set(
    "IPv6 not filtered",
    "iptables -A INPUT -s 10.77.1.0/24 -p tcp --dport 6380 -j ACCEPT; iptables -P INPUT DROP",
  ),
  set("by one interface", "guarded; redis -i eth1 -j ACCEPT"),
  set("by a pattern of interfaces", "guarded; redis -i eth+ -j ACCEPT"),
  set("by an interface that is not there", "guarded; redis -i wg0 -j ACCEPT"),
  set("not by one interface", "guarded; redis ! -i eth0 -j ACCEPT"),
  set("dropped by one interface, policy ACCEPT", "redis -i eth0 -j DROP"),
  set(
    "dropped by all interfaces, one after the other",
    "redis -i eth0 -j DROP; redis -i eth1 -j DROP; redis -i docker0 -j DROP",
  ),
  set(
    "to one of the host's addresses",
    "guarded; iptables -A INPUT -d 10.77.3.1 -p tcp --dport 6380 -j ACCEPT",
  ),
  unknown(
    "to another address than the host's",
    "guarded; iptables -A INPUT -d 10.99.0.1 -p tcp --dport 6380 -j ACCEPT",
  ),
  set("a list of ports", "guarded; rule -p tcp -m multiport --dports 22,6000:7000 -j ACCEPT"),
  set("a list of ports, negated", "guarded; rule -p tcp -m multiport ! --dports 22,80 -j ACCEPT"),
  set(
    "a list of ports without this one",
    "guarded; rule -p tcp -m multiport --dports 22,7000:8000 -j ACCEPT",
  ),
  set("a port on either side", "guarded; rule -p tcp -m multiport --ports 6380 -j ACCEPT"),
  set("not this port", "guarded; rule -p tcp ! --dport 6380 -j ACCEPT"),
  set("by the sender's port", "guarded; rule -p tcp --sport 1024:65535 --dport 6380 -j ACCEPT"),
  set(
    "a range of addresses",
    "guarded; iptables -A INPUT -m iprange --src-range 10.77.2.1-10.77.2.20 -j ACCEPT",
  ),
  set(
    "not a range of addresses",
    "guarded; iptables -A INPUT -p tcp -m iprange ! --src-range 10.77.2.1-10.77.2.20 -j ACCEPT",
  ),
  set("new connections by state", "guarded; rule -p tcp -m state --state NEW -m tcp --dport 6380 -j ACCEPT"),
  set("new connections by conntrack", "guarded; rule -p tcp -m conntrack --ctstate NEW -j ACCEPT"),
  set("all states but new", "guarded; rule -p tcp -m conntrack ! --ctstate NEW -j ACCEPT"),
  set(
    "states but those of broken connections",
    "guarded; rule -p tcp -m conntrack ! --ctstate INVALID -j ACCEPT",
  ),
  set(
    "untracked ones let in, none of them there",
    "guarded; rule -m conntrack --ctstate UNTRACKED -j ACCEPT",
  ),
  set("the first packet by its flags", "guarded; rule -p tcp --syn --dport 6380 -j ACCEPT"),
  set(
    "strange flags dropped, the port open",
    "rule -p tcp --tcp-flags ALL NONE -j DROP; rule -p tcp --tcp-flags ALL FIN,PSH,URG -j DROP; rule -p tcp --tcp-flags SYN,FIN SYN,FIN -j DROP; redis -j ACCEPT; drop",
  ),
  set(
    "new ones without SYN dropped, the port open",
    "rule -p tcp ! --syn -m conntrack --ctstate NEW -j DROP; redis -j ACCEPT; drop",
  ),
  set("a limit on what gets in", "guarded; redis -m limit --limit 10/sec --limit-burst 50 -j ACCEPT"),
  set(
    "a limit on what is dropped",
    "redis -m limit --limit 1/hour --limit-burst 1 -j RETURN; redis -j DROP; drop",
  ),
  set(
    "a limit for each address",
    "guarded; redis -m hashlimit --hashlimit-upto 50/sec --hashlimit-burst 50 --hashlimit-mode srcip --hashlimit-name r -j ACCEPT",
  ),
  set(
    "too many connections dropped, else open",
    "redis -m connlimit --connlimit-above 90 -j REJECT; redis -j ACCEPT; drop",
  ),
  set(
    "who comes often is dropped, else open",
    "redis -m conntrack --ctstate NEW -m recent --set --name r; redis -m recent --update --seconds 30 --hitcount 20 --name r -j DROP; redis -j ACCEPT; drop",
  ),
  unknown("who has knocked gets in", "guarded; redis -m recent --rcheck --name knocked -j ACCEPT"),
  set(
    "a time of day that is always",
    "guarded; redis -m time --timestart 00:00 --timestop 23:59:59 -j ACCEPT",
  ),
  set("a TTL that all have", "guarded; iptables -A INPUT -p tcp -m ttl --ttl-gt 1 --dport 6380 -j ACCEPT"),
  unknown("the start of its bytes", 'guarded; iptables -A INPUT -p tcp -m u32 --u32 "6&0xFF=0x6" -j ACCEPT'),
  set(
    "a string, and then a plain allow",
    "guarded; redis -m string --string x --algo bm -j LOG; redis -j ACCEPT",
  ),
  unknown("a socket that is there already", "guarded; redis -m socket -j ACCEPT"),
  unknown("a target that queues for a program", "redis -j NFQUEUE --queue-bypass; drop"),
  set("loopback's addresses, from wherever", "guarded; iptables -A INPUT -s 127.0.0.0/8 -j ACCEPT"),
  set("the host's own address as a source", "guarded; iptables -A INPUT -s 10.77.2.1 -j ACCEPT"),
  set("the host's own kind of address", "guarded; redis -m addrtype --dst-type LOCAL -j ACCEPT"),
  set("broadcasts alone", "guarded; iptables -A INPUT -p tcp -m addrtype --dst-type BROADCAST -j ACCEPT"),
  set("what is sent to this host alone", "guarded; redis -m pkttype --pkt-type unicast -j ACCEPT"),
  set("what is sent to many", "guarded; redis -m pkttype --pkt-type broadcast -j ACCEPT"),
  set("a comment that looks like a rule", 'guarded; redis -m comment --comment "-j ACCEPT" -j DROP'),

  // chains
  set(
    "through a chain of somebody's",
    "guarded; both -N site; rule -j site; both -A site -p tcp --dport 6380 -j ACCEPT",
  ),
  set(
    "a chain that returns before its ACCEPT",
    "guarded; both -N site; rule -j site; both -A site -j RETURN; both -A site -j ACCEPT",
  ),
  set(
    "a chain that returns for some",
    "guarded; both -N site; rule -j site; iptables -A site -s 10.77.2.0/24 -j RETURN; both -A site -p tcp --dport 6380 -j ACCEPT",
  ),
  set(
    "a goto, whose end is the policy",
    "stock; both -N site; rule -p tcp -g site; allow INPUT; redis -j ACCEPT; both -A site -p tcp --dport 1 -j ACCEPT; drop",
  ),
  set(
    "a goto within a chain",
    "guarded; both -N a; both -N b; rule -j a; both -A a -g b; both -A a -j DROP; both -A b -p udp -j ACCEPT; redis -j ACCEPT",
  ),
  set(
    "five chains deep",
    "guarded; for c in a b c d e; do both -N $c; done; rule -j a; both -A a -j b; both -A b -p tcp -j c; both -A c -j d; both -A d --protocol tcp --dport 6380 -j e; both -A e -j ACCEPT",
  ),
  set("a return from INPUT itself", "redis -j RETURN; both -A INPUT -j ACCEPT; drop"),

  // raw, mangle, nat, security
  set(
    "dropped in raw",
    "iptables -t raw -A PREROUTING -p tcp --dport 6380 ! -s 10.77.1.0/24 -j DROP; ip6tables -t raw -A PREROUTING -p tcp --dport 6380 ! -s fd77:1::/64 -j DROP",
  ),
  set("accepted in raw, dropped in filter", "both -t raw -A PREROUTING -j ACCEPT; guarded"),
  set(
    "not tracked, and let in by state",
    "both -t raw -A PREROUTING -p tcp --dport 6380 -j NOTRACK; stock; rule -p tcp -m conntrack --ctstate NEW -j ACCEPT; drop",
  ),
  set(
    "not tracked, and untracked let in",
    "both -t raw -A PREROUTING -p tcp --dport 6380 -j CT --notrack; stock; rule -m conntrack --ctstate UNTRACKED -j ACCEPT; drop",
  ),
  set(
    "states asked in raw, where there are none",
    "both -t raw -A PREROUTING -m conntrack --ctstate NEW -j DROP; redis -j ACCEPT; drop",
  ),
  ...[
    ["a TTL", "iptables", "-m ttl --ttl-eq 1", "TTL --ttl-set 1"],
    ["a class", "iptables", "-m dscp --dscp 0x0a", "DSCP --set-dscp 0x0a"],
    ["a hop limit", "ip6tables", "-m hl --hl-eq 1", "HL --hl-set 1"],
    ["a kind of service", "ip6tables", "-m tos --tos 0x10", "TOS --set-tos 0x10"],
  ].map(([what, tool, match, target]) =>
    unknown(
      `${what} dropped, given to all, and let in`,
      `drop; ${tool} -t raw -A PREROUTING ${match} -j DROP; ${tool} -t mangle -A PREROUTING -j ${target}; ${tool} -A INPUT ${match} -j ACCEPT`,
    ),
  ),
  set(
    "a mark of mangle lets in",
    "both -t mangle -A PREROUTING -p tcp --dport 6380 -j MARK --set-mark 7; guarded; rule -m mark --mark 7 -j ACCEPT",
  ),
  set("a mark that nobody sets", "guarded; rule -m mark --mark 7 -j ACCEPT"),
  set("packets without a mark", "guarded; rule -p tcp -m mark --mark 0 -j ACCEPT"),
  set(
    "marks by their bits, as Kubernetes has them",
    "both -t mangle -A PREROUTING -p tcp --dport 6380 -j MARK --or-mark 0x4000; both -t mangle -A PREROUTING -j MARK --or-mark 0x1; guarded; rule -m mark --mark 0x4000/0x4000 -j ACCEPT",
  ),
  set(
    "a bit of a mark dropped",
    "both -t mangle -A PREROUTING -p tcp --dport 6380 -j MARK --set-xmark 0x8000/0x8000; rule -m mark --mark 0x8000/0x8000 -j DROP",
  ),
  set(
    "a mark kept with the connection",
    "both -t mangle -A PREROUTING -p tcp --dport 6380 -j MARK --set-mark 9; both -t mangle -A PREROUTING -j CONNMARK --save-mark; both -t mangle -A PREROUTING -j MARK --set-mark 0; guarded; rule -m connmark --mark 9 -j ACCEPT",
  ),
  set("dropped in mangle", "both -t mangle -A INPUT -p tcp --dport 6380 -j DROP"),
  set("dropped in security", "both -t security -A INPUT -p tcp --dport 6380 -j DROP; redis -j ACCEPT"),
  set(
    "another port redirected to Redis'",
    "both -t nat -A PREROUTING -p tcp --dport 8080 -j REDIRECT --to-ports 6380; redis -j ACCEPT; drop",
  ),
  set(
    "another port redirected, which filter closes",
    "both -t nat -A PREROUTING -p tcp --dport 8080 -j REDIRECT --to-ports 6380; guarded",
  ),
  set(
    "another port redirected, let in for it",
    "both -t nat -A PREROUTING -p tcp --dport 8080 -j REDIRECT --to-ports 6380; guarded; rule -m conntrack --ctstate DNAT -j ACCEPT",
  ),
  unknown(
    "an address that no interface has, redirected and let in for it",
    "iptables -t nat -A PREROUTING -d 10.88.0.9/32 -p tcp --dport 6380 -j REDIRECT; guarded; iptables -A INPUT -m conntrack --ctstate DNAT -j ACCEPT",
  ),
  set(
    "an address that no interface has, redirected, which filter closes",
    "iptables -t nat -A PREROUTING -d 10.88.0.9/32 -p tcp -j REDIRECT; guarded",
  ),
  set(
    "an address that no interface has, redirected to another port",
    "iptables -t nat -A PREROUTING -d 10.88.0.9/32 -p tcp --dport 6380 -j REDIRECT --to-ports 22; guarded; iptables -A INPUT -m conntrack --ctstate DNAT -j ACCEPT",
  ),
  unknown(
    "addresses that a route may make the host's",
    "guarded; iptables -A INPUT -d 10.88.0.0/24 -j ACCEPT",
  ),
  set(
    "addresses of others, dropped or sent to all",
    "guarded; iptables -A INPUT -d 10.88.0.0/24 -j DROP; iptables -A INPUT -d 224.0.0.0/4 -j ACCEPT; iptables -A INPUT -d 10.77.2.255 -j ACCEPT; iptables -A INPUT -d 127.0.0.0/8 -j ACCEPT",
  ),
  set(
    "Redis' port redirected to one that is closed",
    "both -t nat -A PREROUTING -p tcp --dport 6380 -j REDIRECT --to-ports 9; redis -j ACCEPT; drop",
  ),
  set(
    "sent on to the host's other address",
    "iptables -t nat -A PREROUTING -p tcp --dport 8080 -j DNAT --to-destination 10.77.3.1:6380; guarded; iptables -A INPUT -d 10.77.3.1 -p tcp -m tcp --dport 6380 -j ACCEPT",
  ),
  set(
    "nat that begins with an ACCEPT",
    "both -t nat -A PREROUTING -p tcp -j ACCEPT; both -t nat -A PREROUTING -p tcp --dport 8080 -j REDIRECT --to-ports 6380; redis -j ACCEPT; drop",
  ),
  set(
    "a way back that is checked, as firewalls of routers do",
    "both -t raw -A PREROUTING -m rpfilter --invert -j DROP; guarded",
  ),
  set(
    "a way back that is checked, the port open",
    "both -t raw -A PREROUTING -m rpfilter --invert -j DROP; redis -j ACCEPT; drop",
  ),

  // ufw, and the places of its files
  set("ufw for the allowed networks", "ufw"),
  ...[
    "before-logging-input",
    "after-input",
    "after-logging-input",
    "reject-input",
    "track-input",
    "before-input",
    "user-input",
  ].map((chain) => set(`ufw: an ACCEPT in ${chain}`, `ufw; hole -A ${chain} -p tcp --dport 6380 -j ACCEPT`)),
  set("ufw: an ACCEPT in not-local", "ufw; iptables -I ufw-not-local -p tcp --dport 6380 -j ACCEPT"),
  set(
    "ufw: an ACCEPT behind not-local's returns",
    "ufw; iptables -A ufw-not-local -p tcp --dport 6380 -j ACCEPT",
  ),
  set("ufw: all but udp in after-input", "ufw; hole -A after-input ! -p udp -j ACCEPT"),
  set(
    "ufw: a chain of somebody's from before-input",
    "ufw; both -N site; hole -I before-input -j site; both -A site -p tcp --dport 6000:7000 -j ACCEPT",
  ),
  set(
    "ufw: skip-to-policy accepts",
    "ufw; hole -F skip-to-policy-input; hole -A skip-to-policy-input -j ACCEPT; hole -A after-input -p tcp --dport 6380 -j ufw-skip-to-policy-input 2>/dev/null || ip6tables -A ufw6-after-input -p tcp --dport 6380 -j ufw6-skip-to-policy-input",
  ),
  set("ufw: allow to everybody", "ufw; hole -I user-input -p tcp --dport 6380 -j ACCEPT"),
  set(
    "ufw: limit to everybody",
    "ufw; iptables -A ufw-user-input -p tcp --dport 6380 -m conntrack --ctstate NEW -m recent --set; iptables -A ufw-user-input -p tcp --dport 6380 -m conntrack --ctstate NEW -m recent --update --seconds 30 --hitcount 6 -j ufw-user-limit; iptables -A ufw-user-input -p tcp --dport 6380 -j ufw-user-limit-accept",
  ),
  set("ufw: the allowed network denied above", "ufw; hole -I user-input -p tcp --dport 6380 -j DROP"),
  set("ufw: policy ACCEPT", "ufw; both -P INPUT ACCEPT"),
  set("ufw: a rule ahead of it", "ufw; both -I INPUT -p tcp --dport 6380 -j ACCEPT"),
  set("ufw: a rule behind it", "ufw; rule -p tcp --dport 6380 -j ACCEPT"),

  // fail2ban
  set(
    "fail2ban: a chain for sshd",
    "guarded; both -N f2b-sshd; both -I INPUT -p tcp -m multiport --dports 22 -j f2b-sshd; iptables -A f2b-sshd -s 10.77.1.9 -j REJECT; both -A f2b-sshd -j RETURN",
  ),
  set(
    "fail2ban: all ports, one of ours banned",
    "guarded; both -N f2b-redis; both -I INPUT -p tcp -j f2b-redis; iptables -A f2b-redis -s 10.77.1.9 -j REJECT --reject-with icmp-port-unreachable; both -A f2b-redis -j RETURN",
  ),
  set(
    "fail2ban: the port open, one stranger banned",
    "both -N f2b-redis; rule -p tcp -j f2b-redis; iptables -A f2b-redis -s 10.77.2.9 -j DROP; both -A f2b-redis -j RETURN; redis -j ACCEPT; drop",
  ),
  set(
    "fail2ban: an f2b-x that accepts",
    "guarded; both -N f2b-x; both -I INPUT -p tcp -j f2b-x; both -A f2b-x -j ACCEPT",
  ),
  set(
    "fail2ban: ufw beside it",
    "ufw; both -N f2b-sshd; both -I INPUT -p tcp -m multiport --dports 22 -j f2b-sshd; both -A f2b-sshd -j RETURN",
  ),
  set(
    "fail2ban: its table of nft",
    `guarded; nft -f - <<'E'
table inet f2b-table {
  set addr-set-redis { type ipv4_addr; elements = { 10.77.1.9, 192.0.2.66 }; }
  chain f2b-chain { type filter hook input priority filter - 1; policy accept;
    tcp dport { 6380 } ip saddr @addr-set-redis reject with icmp type port-unreachable
  }
}
E`,
  ),
  set(
    "five hundred bans, then open",
    "for i in $(seq 1 250); do echo -A INPUT -s 198.51.100.$i -j DROP; echo -A INPUT -s 203.0.113.$i -j DROP; done >/tmp/bans; { echo '*filter'; cat /tmp/bans; echo COMMIT; } | iptables-restore; redis -j ACCEPT; drop",
  ),

  // Docker and Kubernetes
  set("Docker: nothing published, policy ACCEPT", "docker"),
  set("Docker: nothing published, guarded", "docker; guarded"),
  set("Docker: the host's port published", "docker; publish 6380; guarded"),
  set("Docker: another port published", "docker; publish 8443; guarded"),
  set(
    "Docker: published, and DOCKER-USER keeps strangers out",
    "docker; publish 6380; iptables -I DOCKER-USER ! -s 10.77.1.0/24 ! -i docker0 -j DROP; guarded",
  ),
  set(
    "Docker: published, and DOCKER-USER drops one interface",
    "docker; publish 6380; iptables -I DOCKER-USER -i eth1 -j DROP; guarded",
  ),
  set(
    "Docker: published with ufw",
    "ufw; docker_ufw() { iptables-restore -n; }; iptables -t nat -N DOCKER; iptables -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER; iptables -t nat -A DOCKER ! -i docker0 -p tcp --dport 6380 -j DNAT --to-destination 172.17.0.2:6379; iptables -I FORWARD -o docker0 -j ACCEPT; iptables -I FORWARD -i docker0 -j ACCEPT",
  ),
  set(
    "Docker: published, and FORWARD drops",
    "docker; iptables -t nat -A DOCKER ! -i docker0 -p tcp --dport 6380 -j DNAT --to-destination 172.17.0.2:6379; guarded",
  ),
  set(
    "Docker: published on one address of the host",
    "docker; iptables -t nat -A DOCKER -d 10.77.2.1 ! -i docker0 -p tcp --dport 6380 -j DNAT --to-destination 172.17.0.2:6379; iptables -A DOCKER -d 172.17.0.2 ! -i docker0 -o docker0 -p tcp --dport 6379 -j ACCEPT; guarded",
  ),
  set(
    "Docker over IPv6",
    "guarded; ip6tables -t nat -A PREROUTING -p tcp --dport 6380 -j DNAT --to-destination [fd17::2]:6379",
  ),
  set(
    "Docker's drops in raw, as from version 28",
    "docker; publish 6380; iptables -t raw -A PREROUTING -d 172.17.0.2/32 ! -i docker0 -j DROP; guarded",
  ),
  set(
    "Kubernetes: kube-proxy's chains and marks",
    `guarded; iptables-restore -n <<E
*nat
:KUBE-SERVICES - [0:0]
:KUBE-SVC-X - [0:0]
:KUBE-SEP-X - [0:0]
:KUBE-MARK-MASQ - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A KUBE-SERVICES -d 10.96.0.1/32 -p tcp -m comment --comment "default/kubernetes:https cluster IP" -m tcp --dport 443 -j KUBE-SVC-X
-A KUBE-SVC-X ! -s 10.244.0.0/16 -d 10.96.0.1/32 -p tcp -m tcp --dport 443 -j KUBE-MARK-MASQ
-A KUBE-SVC-X -j KUBE-SEP-X
-A KUBE-SEP-X -p tcp -m tcp -j DNAT --to-destination 172.17.0.2:6379
-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
COMMIT
*filter
:KUBE-FIREWALL - [0:0]
-I INPUT -j KUBE-FIREWALL
-A KUBE-FIREWALL -m comment --comment "block incoming localnet connections" ! -s 127.0.0.0/8 -d 127.0.0.0/8 -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP
-A KUBE-FIREWALL -m mark --mark 0x8000/0x8000 -j DROP
COMMIT
E`,
  ),
  unknown(
    "Kubernetes: one of two at random",
    "guarded; iptables -t nat -A PREROUTING -p tcp --dport 6380 -m statistic --mode random --probability 0.00000000047 -j DNAT --to-destination 172.17.0.2:6379",
  ),

  // clouds and control panels
  set(
    "Oracle's cloud image",
    "rule -m state --state RELATED,ESTABLISHED -j ACCEPT; iptables -A INPUT -p icmp -j ACCEPT; rule -i lo -j ACCEPT; rule -p tcp -m state --state NEW -m tcp --dport 22 -j ACCEPT; iptables -A INPUT -j REJECT --reject-with icmp-host-prohibited; ip6tables -A INPUT -j REJECT --reject-with icmp6-adm-prohibited",
  ),
  set(
    "Oracle's cloud image, the port added behind",
    "rule -p tcp -m state --state NEW -m tcp --dport 22 -j ACCEPT; iptables -A INPUT -j REJECT --reject-with icmp-host-prohibited; ip6tables -A INPUT -j REJECT; redis -j ACCEPT",
  ),
  set(
    "Oracle's cloud image, the port added above",
    "stock; redis -m state --state NEW -j ACCEPT; iptables -A INPUT -j REJECT --reject-with icmp-host-prohibited; ip6tables -A INPUT -j REJECT",
  ),
  set(
    "Google's guest agent",
    "iptables -A INPUT -p icmp -j ACCEPT; iptables -A INPUT -i lo -j ACCEPT; iptables -t nat -A PREROUTING -d 10.128.0.9/32 -p tcp -j REDIRECT",
  ),
  set(
    "Amazon's metadata kept from users",
    "iptables -A OUTPUT -d 169.254.169.254/32 -m owner ! --uid-owner 0 -j REJECT",
  ),
  set(
    "RHEL's old lokkit",
    "rule -m state --state ESTABLISHED,RELATED -j ACCEPT; rule -i lo -j ACCEPT; rule -m state --state NEW -m tcp -p tcp --dport 22 -j ACCEPT; rule -m state --state NEW -m tcp -p tcp --dport 6380 -j ACCEPT; rule -j REJECT; both -A FORWARD -j REJECT",
  ),
  set(
    "CSF's chains",
    "drop; for c in LOCALINPUT INVALID DENYIN ALLOWIN LOGDROPIN INVDROP; do both -N $c; done; rule ! -i lo -j LOCALINPUT; rule -i lo -j ACCEPT; rule -p tcp ! -i lo -j INVALID; rule -m conntrack --ctstate RELATED,ESTABLISHED ! -i lo -j ACCEPT; rule -p tcp -m conntrack --ctstate NEW -m tcp --dport 22 ! -i lo -j ACCEPT; rule ! -i lo -j LOGDROPIN; both -A LOCALINPUT ! -i lo -j ALLOWIN; both -A LOCALINPUT ! -i lo -j DENYIN; iptables -A ALLOWIN -s 10.77.1.0/24 ! -i lo -j ACCEPT; ip6tables -A ALLOWIN -s fd77:1::/64 ! -i lo -j ACCEPT; both -A INVALID -m conntrack --ctstate INVALID -j INVDROP; both -A INVALID -p tcp -m tcp --tcp-flags FIN,SYN,RST,PSH,ACK,URG NONE -j INVDROP; both -A INVALID -p tcp -m tcp --tcp-flags FIN,SYN FIN,SYN -j INVDROP; both -A INVDROP -j DROP; both -A LOGDROPIN -m limit --limit 30/min -j LOG; both -A LOGDROPIN -j DROP",
  ),
  set(
    "CSF's chains, with the port among those open to all",
    "drop; both -N LOGDROPIN; rule -p tcp -m conntrack --ctstate NEW -m multiport --dports 22,80,443,6380 ! -i lo -j ACCEPT; rule ! -i lo -j LOGDROPIN; both -A LOGDROPIN -j DROP",
  ),
  set(
    "Tailscale's chains",
    "guarded; both -N ts-input; both -I INPUT -j ts-input; iptables -A ts-input -s 100.115.92.0/23 ! -i tailscale0 -j RETURN; iptables -A ts-input -s 100.64.0.0/10 ! -i tailscale0 -j DROP; both -A ts-input -i tailscale0 -j ACCEPT; both -A ts-input -p udp -m udp --dport 41641 -j ACCEPT",
  ),
  set(
    "libvirt's chains",
    "guarded; both -N LIBVIRT_INP; both -I INPUT -j LIBVIRT_INP; both -A LIBVIRT_INP -i virbr0 -p udp -m udp --dport 53 -j ACCEPT; both -A LIBVIRT_INP -i virbr0 -p tcp -m tcp --dport 53 -j ACCEPT",
  ),
  set(
    "iptables-legacy alone",
    "legacy -A INPUT -i lo -j ACCEPT; iptables-legacy -A INPUT -s 10.77.1.0/24 -p tcp --dport 6380 -j ACCEPT; ip6tables-legacy -A INPUT -s fd77:1::/64 -p tcp --dport 6380 -j ACCEPT; legacy -P INPUT DROP",
  ),
  set("iptables-legacy open, the other guarded", "legacy -A INPUT -j ACCEPT; guarded"),
  set(
    "iptables-legacy guarded, the other open",
    "legacy -A INPUT -p tcp --dport 6380 -j DROP; redis -j ACCEPT",
  ),
  set(
    "iptables-legacy redirects",
    "legacy -t nat -A PREROUTING -p tcp --dport 8080 -j REDIRECT --to-ports 6380; redis -j ACCEPT; drop",
  ),

  onLegacy("iptables is iptables-legacy", "guarded"),
  onLegacy("iptables is iptables-legacy, open", "guarded; redis -j ACCEPT"),
  onLegacy(
    "iptables is iptables-legacy and opens the port, the other has as many rules",
    `drop; redis -j ACCEPT; ${named("tcp dport 22 accept")}`,
  ),
  onLegacy(
    "iptables is iptables-legacy and closed in the other's place",
    `rule -p tcp -j ACCEPT; ${named("tcp dport 6380 drop")}`,
  ),

  // nft
  inet("the allowed networks", NFT_ALLOW),
  inet("open", "tcp dport 6380 accept"),
  inet("open to one family by its protocol", "meta nfproto ipv6 tcp dport 6380 accept"),
  inet("a set of ports", `${NFT_ALLOW}\ntcp dport { 22, 80, 6000-7000 } accept`),
  inet("not these ports", `${NFT_ALLOW}\ntcp dport != { 22, 80 } accept`),
  inet("a named set with intervals", "ip saddr @admins tcp dport 6380 accept", {
    more: "set admins { type ipv4_addr; flags interval; elements = { 10.77.1.0/24, 10.77.2.0-10.77.2.20 }; }",
  }),
  inet("an empty set", "ip saddr @admins accept", { more: "set admins { type ipv4_addr; }" }),
  inet("a set that packets fill", "ip saddr @seen accept", {
    more: "set seen { type ipv4_addr; flags dynamic, timeout; timeout 1m; }",
    isUnknown: true,
  }),
  inet("a map of verdicts", "tcp dport vmap { 6380 : jump redis, 80 : accept }", {
    more: "chain redis { ip saddr 10.77.1.0/24 accept\n ip6 saddr fd77:1::/64 accept\n ip saddr 10.77.3.9 accept\n }",
  }),
  inet("a named map by interface", "iifname vmap @zones", {
    more: 'chain public { tcp dport 6380 accept\n }\n map zones { type ifname : verdict; elements = { "eth1" : jump public, "wg0" : accept }; }',
  }),
  inet("a goto to a chain without an end", "goto site", {
    policy: "accept",
    more: "chain site { tcp dport 80 accept\n }",
  }),
  inet("source and port together", "ip saddr . tcp dport { 10.77.1.9 . 6380, 10.77.2.9 . 6380 } accept"),
  inet("smaller ports dropped, policy accept", "tcp dport < 1024 drop", { policy: "accept" }),
  inet("greater ports dropped, policy accept", "tcp dport >= 1024 drop", { policy: "accept" }),
  inet("by flags", `${NFT_ALLOW}\ntcp flags & (fin|syn|rst|ack) == syn tcp dport 6380 accept`),
  inet("new states", `${NFT_ALLOW}\nct state new tcp dport 6380 accept`),
  inet(
    "a limit over which all is dropped",
    "tcp dport 6380 limit rate over 900/second drop\ntcp dport 6380 accept",
  ),
  inet("a limit up to which all gets in", "tcp dport 6380 limit rate 900/second accept"),
  inet(
    "a meter for each address",
    "tcp dport 6380 add @m { ip saddr limit rate over 900/second } drop\ntcp dport 6380 accept",
    {
      more: "set m { type ipv4_addr; size 65535; flags dynamic; }",
    },
  ),
  inet("a mark and who has it", "tcp dport 6380 meta mark set 0x7\nmeta mark 0x7 accept"),
  inet("the kind of address", `${NFT_ALLOW}\nfib daddr type local tcp dport 6380 accept`),
  inet(
    "broadcasts dropped, then open",
    "fib daddr type { broadcast, multicast } drop\ntcp dport 6380 accept",
  ),
  inet("rejected at the end, policy accept", `${NFT_ALLOW}\nreject with icmpx type admin-prohibited`, {
    policy: "accept",
  }),
  inet("interfaces by a pattern", `${NFT_ALLOW}\niifname "eth*" tcp dport 6380 accept`),
  inet("everything but one interface", `${NFT_ALLOW}\niifname != "eth0" tcp dport 6380 accept`),
  inet("a mark set by the rule that asks for none", "tcp dport 6380 meta mark 0 meta mark set 1 accept"),
  inet(
    "a connection's mark set by the rule that asks for none",
    "tcp dport 6380 ct mark 0 ct mark set 1 accept",
  ),
  inet(
    "a mark set by a rule that ends ahead of its verdict",
    "meta mark set 7 tcp dport 22 accept\nmeta mark 7 accept",
  ),
  inet("rejected over IPv4 alone", "tcp dport 6380 reject with icmp type port-unreachable", {
    policy: "accept",
  }),
  inet("rejected over IPv6 alone", "tcp dport 6380 reject with icmpv6 type port-unreachable", {
    policy: "accept",
  }),
  inet("rejected over both", "tcp dport 6380 reject with icmpx type port-unreachable", { policy: "accept" }),
  inet("reset", "tcp dport 6380 reject with tcp reset", { policy: "accept" }),
  ...(["add", "update"] as const).map((op) =>
    inet(
      `sources put into a set and dropped, which ${op} does for one family`,
      `tcp dport 6380 ${op} @seen { ip saddr } drop`,
      {
        policy: "accept",
        more: "set seen { type ipv4_addr; size 65535; flags dynamic; }",
        isUnknown: true,
      },
    ),
  ),
  inet("IPv6's sources put into a set and dropped", "tcp dport 6380 update @seen { ip6 saddr } drop", {
    policy: "accept",
    more: "set seen { type ipv6_addr; size 65535; flags dynamic; }",
    isUnknown: true,
  }),
  inet("a set that is full", "tcp dport 6380 add @seen { ip saddr } drop", {
    policy: "accept",
    more: "set seen { type ipv4_addr; size 1; flags dynamic; }",
    isUnknown: true,
  }),
  inet("a mark from a map without an element", "meta mark set tcp dport map { 22 : 0x1 } drop", {
    policy: "accept",
    isUnknown: true,
  }),
  inet(
    "a priority from a map without an element",
    "tcp dport 6380 meta priority set ip dscp map { cs1 : 1:1 } drop",
    {
      policy: "accept",
      isUnknown: true,
    },
  ),
  inet("a mark taken from the connection's", "ct mark set 7\nmeta mark set ct mark\nmeta mark 7 accept"),
  inet("a mark of a connection that there is none of yet", "accept", {
    more: "chain early { type filter hook prerouting priority raw; ct mark != 5 drop\n }",
  }),
  inet("protocols by a range", "meta l4proto 1-17 accept", { isUnknown: true }),
  inet("protocols by a set of ranges", "meta l4proto @most accept", {
    more: "set most { type inet_proto; flags interval; elements = { 1-17 }; }",
    isUnknown: true,
  }),
  inet("families by a range", "meta nfproto 0-12 accept", { isUnknown: true }),
  inet("kinds of packets by a range", "meta pkttype 0-2 accept", { isUnknown: true }),
  inet("IPv6's next header dropped, policy accept", "ip6 nexthdr tcp tcp dport 6380 drop", {
    policy: "accept",
    isUnknown: true,
  }),
  inet("IPv6's next header accepted", "ip6 nexthdr tcp tcp dport 6380 accept"),
  inet("interfaces by a name that ends in a plus", 'iifname "eth+" tcp dport 6380 drop', {
    policy: "accept",
  }),
  inet("a map that says continue", "tcp dport vmap { 6380 : continue } accept"),
  inet("a map that says continue to another port", "tcp dport vmap { 8080 : continue } accept"),
  inet("a map that says continue, then a drop", "tcp dport vmap { 6380 : continue, 1-1023 : accept } drop", {
    policy: "accept",
  }),
  inet(
    "three lists of sources and ports",
    Array.from({ length: 3 }, () => "ip saddr . tcp dport @pairs")
      .join(" ")
      .concat(" accept"),
    {
      more: "set pairs { type ipv4_addr . inet_service; elements = { 10.77.1.9 . 6380, 10.77.2.9 . 6380, 10.77.3.9 . 22 }; }",
    },
  ),
  inet("a hash of the source", `${NFT_ALLOW}\njhash ip saddr mod 2 == 0 accept`, { isUnknown: true }),
  ...[4, 6].map((family) =>
    set(
      `nft: IPv${family} alone sent on to another machine`,
      `nft -f - <<'E'
table inet n { chain p { type nat hook prerouting priority dstnat; tcp dport 6380 dnat ${family === 4 ? "ip to 10.99.0.9:6380" : "ip6 to [fd99::9]:6380"}
}
}
table inet f { chain f { type filter hook forward priority 0; policy drop;
}
}
E`,
    ),
  ),
  set(
    "nft: two tables, one of them drops",
    `nft -f - <<'E'
table inet a { chain i { type filter hook input priority 0; policy accept; tcp dport 6380 accept
}
}
table inet b { chain i { type filter hook input priority 10; policy accept; tcp dport 6380 ip saddr != 10.77.1.0/24 drop
}
}
E`,
  ),
  set(
    "nft: a table for IPv4 alone",
    `nft -f - <<'E'
table ip mine { chain i { type filter hook input priority 0; policy drop; tcp dport 22 accept
}
}
E`,
  ),
  set(
    "nft: dropped at ingress",
    `nft -f - <<'E'
table netdev early { chain i { type filter hook ingress device "eth0" priority 0; policy accept; tcp dport 6380 drop
}
}
E`,
  ),
  set(
    "nft: dropped in prerouting",
    `nft -f - <<'E'
table inet early { chain p { type filter hook prerouting priority raw; policy accept; tcp dport 6380 ip saddr 10.77.2.0/24 drop
}
}
E`,
  ),
  set(
    "nft: not tracked, ct state new lets in",
    `nft -f - <<'E'
table inet t { chain p { type filter hook prerouting priority raw; tcp dport 6380 notrack
}
chain i { type filter hook input priority 0; policy drop; ct state new accept
}
}
E`,
  ),
  set(
    "nft: redirected",
    `nft -f - <<'E'
table inet n { chain p { type nat hook prerouting priority dstnat; tcp dport 8080 redirect to :6380
}
}
table inet f { chain i { type filter hook input priority 0; policy drop; ct status dnat accept
}
}
E`,
  ),
  set(
    "nft: sent on to the container",
    `nft -f - <<'E'
table ip n { chain p { type nat hook prerouting priority dstnat; tcp dport 6380 dnat to 172.17.0.2:6379
}
}
E
guarded`,
  ),
  set(
    "nft: a table that is dormant",
    `nft -f - <<'E'
table inet off { flags dormant; chain i { type filter hook input priority 0; policy drop;
}
}
E`,
  ),
  set(
    "nft beside iptables: it drops what iptables accepts",
    `redis -j ACCEPT; drop; nft -f - <<'E'
table inet mine { chain i { type filter hook input priority 5; policy accept; tcp dport 6380 drop
}
}
E`,
  ),
  set(
    "nft beside iptables: it accepts what iptables drops",
    `guarded; nft -f - <<'E'
table inet mine { chain i { type filter hook input priority -5; policy accept; tcp dport 6380 accept
}
}
E`,
  ),
  set(
    "nft: a rule of its own in iptables' table",
    "guarded; nft 'add set ip filter x { type ipv4_addr; elements = { 10.77.2.9 }; }'; nft add rule ip filter INPUT ip saddr @x tcp dport 6380 accept",
  ),
  set(
    "nft: a DROP of its own in iptables' table",
    "nft 'add table ip filter'; iptables -A INPUT -p udp -j DROP; nft 'add set ip filter x { type ipv4_addr; elements = { 10.77.2.9 }; }'; nft add rule ip filter INPUT ip saddr @x tcp dport 6380 drop; redis -j ACCEPT",
  ),
  set(
    "Debian's sample for a workstation",
    `nft -f - <<'E'
table inet filter {
  chain input { type filter hook input priority 0;
    iif lo accept
    ct state established,related accept
    ip6 nexthdr icmpv6 icmpv6 type { nd-neighbor-solicit, nd-router-advert, nd-neighbor-advert } accept
    counter drop
  }
}
E`,
  ),
  ...FIREWALLD.map((name) =>
    set(`firewalld ${name}`, `nft -f - <<'E'\n${readFileSync(join(RECORDED, `${name}.nft`), "utf8")}\nE`),
  ),
];
