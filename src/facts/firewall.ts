import type { Fact } from "./fact.ts";

export interface FirewallFact {
  /** False where the host has no ufw: nothing else is known then. */
  installed: boolean;
  /** From /etc/ufw/ufw.conf, byte for byte; the rest likewise. */
  ufwConf: string;
  defaults: string;
  rules4: string;
  rules6: string;
  /** /etc/ufw/before.rules and before6.rules: what ufw loads ahead of the rules when it is switched on. */
  before4: string;
  before6: string;
  /** The kernel's own rules, as iptables-save prints them: what is really filtered. */
  kernel4: string;
  kernel6: string;
  /** As `ForeignTexts` has them. */
  legacy4: string;
  legacy6: string;
  nat4: string;
  nat6: string;
  nftables: string;
  foreign: string;
  dockerPorts: string;
  /** Docker is there and did not answer. */
  isDockerSilent: boolean;
}

/** ufw's files and the kernel's rules. `ufw status` is not asked: it starts Python, and reads these very files. */
export const firewallFact: Fact<FirewallFact> = {
  script: () => `
if [ -f /etc/ufw/ufw.conf ] && has ufw; then
  section ufw-conf; cat /etc/ufw/ufw.conf
  section ufw-defaults; cat /etc/default/ufw
  section ufw-rules4; cat /etc/ufw/user.rules
  section ufw-rules6; cat /etc/ufw/user6.rules
  section ufw-before4; grep '^-A ufw-before-input' /etc/ufw/before.rules
  section ufw-before6; grep '^-A ufw6-before-input' /etc/ufw/before6.rules
  section kernel4; iptables-save -t filter 2>/dev/null
  section kernel6; ip6tables-save -t filter 2>/dev/null
fi
section nat4; iptables-save -t nat 2>/dev/null | grep '^-A ' | head -n 5000
section nat6; ip6tables-save -t nat 2>/dev/null | grep '^-A ' | head -n 5000
# The other iptables, of which this one says nothing; asking it where it is unused would load its modules.
if grep -q . /proc/net/ip_tables_names && iptables -V | grep -q nf_tables; then section legacy4; iptables-legacy-save -t filter; fi
if grep -q . /proc/net/ip6_tables_names && iptables -V | grep -q nf_tables; then section legacy6; ip6tables-legacy-save -t filter; fi
section nftables; if has nft; then timeout 5 nft -s list ruleset 2>/dev/null | grep -E '^table |hook (input|prerouting|ingress) |dnat |redirect '; fi
section foreign; set -- $(systemctl is-active firewalld nftables)
case \${1-} in active|reloading) echo firewalld;; esac; case \${2-} in active|reloading) echo nftables;; esac
for hook in before before6 after after6; do if [ -x /etc/ufw/$hook.init ]; then echo $hook.init; fi; done
section docker-ports; if has docker; then timeout 5 docker ps --format '{{.Names}} {{.Ports}}' 2>/dev/null || section docker-silent; fi
`,
  parse: (sections) => ({
    installed: sections.text("ufw-conf") !== undefined,
    ufwConf: sections.text("ufw-conf") ?? "",
    defaults: sections.text("ufw-defaults") ?? "",
    rules4: sections.text("ufw-rules4") ?? "",
    rules6: sections.text("ufw-rules6") ?? "",
    before4: sections.text("ufw-before4") ?? "",
    before6: sections.text("ufw-before6") ?? "",
    kernel4: sections.text("kernel4") ?? "",
    kernel6: sections.text("kernel6") ?? "",
    legacy4: sections.text("legacy4") ?? "",
    legacy6: sections.text("legacy6") ?? "",
    nat4: sections.text("nat4") ?? "",
    nat6: sections.text("nat6") ?? "",
    nftables: sections.text("nftables") ?? "",
    foreign: sections.text("foreign") ?? "",
    dockerPorts: sections.text("docker-ports") ?? "",
    isDockerSilent: sections.text("docker-silent") !== undefined,
  }),
};
