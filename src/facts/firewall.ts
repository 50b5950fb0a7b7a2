import type { Fact } from "./fact.ts";

export interface FirewallFact {
  /** False where the host has no ufw: nothing else is known then. */
  installed: boolean;
  /** From /etc/ufw/ufw.conf, byte for byte; the rest likewise. */
  ufwConf: string;
  defaults: string;
  rules4: string;
  rules6: string;
  /** The kernel's own rules, as iptables-save prints them: what is really filtered. */
  kernel4: string;
  kernel6: string;
  /** Other firewalls, and ports that Docker publishes past ufw. */
  foreign: string;
  dockerPorts: string;
}

/** ufw's files and the kernel's rules. `ufw status` is not asked: it starts Python, and reads these very files. */
export const firewallFact: Fact<FirewallFact> = {
  script: () => `
if [ -f /etc/ufw/ufw.conf ] && has ufw; then
  section ufw-conf; cat /etc/ufw/ufw.conf
  section ufw-defaults; cat /etc/default/ufw
  section ufw-rules4; cat /etc/ufw/user.rules
  section ufw-rules6; cat /etc/ufw/user6.rules
  section kernel4; iptables-save -t filter 2>/dev/null
  section kernel6; ip6tables-save -t filter 2>/dev/null
fi
section foreign; for unit in firewalld nftables; do if systemctl -q is-active $unit; then echo $unit; fi; done
section docker-ports; if has docker; then timeout 5 docker ps --format '{{.Names}} {{.Ports}}' 2>/dev/null; fi
`,
  parse: (sections) => ({
    installed: sections.text("ufw-conf") !== undefined,
    ufwConf: sections.text("ufw-conf") ?? "",
    defaults: sections.text("ufw-defaults") ?? "",
    rules4: sections.text("ufw-rules4") ?? "",
    rules6: sections.text("ufw-rules6") ?? "",
    kernel4: sections.text("kernel4") ?? "",
    kernel6: sections.text("kernel6") ?? "",
    foreign: sections.text("foreign") ?? "",
    dockerPorts: sections.text("docker-ports") ?? "",
  }),
};
