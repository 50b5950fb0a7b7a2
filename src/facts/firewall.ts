import type { Family } from "../lib/network.ts";
import type { Fact, SeenTexts } from "./fact.ts";

export interface FirewallFact {
  /** False where the host has no ufw: nothing else is known then. */
  installed: boolean;
  /** From /etc/ufw/ufw.conf, byte for byte; the rest likewise. */
  ufwConf: string;
  defaults: string;
  rules4: string;
  rules6: string;
  /** Of /etc/ufw/before.rules and before6.rules: what ufw loads ahead of the rules when it is switched on. */
  before: string;
  /** The kernel's own table of filters, as iptables-save and ip6tables-save print it: what is really filtered. */
  kernel4: string;
  kernel6: string;
  /** The same of the other iptables, `iptables-legacy-save`, where its tables are in the kernel too. */
  legacy4: string;
  legacy6: string;
  /** `iptables-save -t nat` and `ip6tables-save -t nat`. */
  nat4: string;
  nat6: string;
  /** `nft -s -j list ruleset`. */
  nftables: string;
  /** Of what nft prints for people: the lines of tables, their flags, chains, and hooks of ingress. */
  nftText: string;
  /**
   * All tables that the kernel has, of each iptables: what `readFirewall` walks through. `isLegacy` where `save` is of the one
   * that keeps nothing in nftables.
   */
  tables: Record<Family, { save: string; legacy: string; isLegacy: boolean }>;
  /** False where the host has no nft to say what else is in the kernel. */
  hasNft: boolean;
  /** By their names, without lo; none where the host did not say. */
  interfaces: readonly string[];
  /** One a line: active firewall units ("firewalld", "nftables", "netfilter-persistent"), and hooks of ufw's that are executable ("before.init"). */
  foreign: string;
  /** `docker ps --format '{{.Names}} {{.Ports}}'`. */
  dockerPorts: string;
  /** Docker is there and did not answer. */
  isDockerSilent: boolean;
}

/** Lines of one family's rules in the kernel that leave the host at most, and bytes of nft's. What is cut is told from what is whole. */
const MAX_LINES = 50_000;
const MAX_BYTES = 4_000_000;

/** ufw's files and the kernel's rules. `ufw status` is not asked: it starts Python, and reads these very files. */
export const firewallFact: Fact<FirewallFact> = {
  script: () => `
if [ -f /etc/ufw/ufw.conf ] && has ufw; then
  show_files ufw-conf /etc/ufw/ufw.conf ufw-defaults /etc/default/ufw ufw-rules4 /etc/ufw/user.rules ufw-rules6 /etc/ufw/user6.rules
  section ufw-before; grep -h '^-A ufw6\\{0,1\\}-before-input' /etc/ufw/before.rules /etc/ufw/before6.rules
fi
# All tables at once. The comments that stay name tables which iptables cannot read.
section kernel4; iptables-save | grep -v -m ${MAX_LINES} '^# [CGW]'; section kernel6; ip6tables-save | grep -v -m ${MAX_LINES} '^# [CGW]'
# The other iptables, of which this one says nothing; asking it where it is unused would load its modules. Where this one is it,
# tables of nft are none of those above, whatever they are called.
first_word /proc/net/ip_tables_names; if [ -n "$VALUE" ]; then
  if iptables -V | grep -q nf_tables; then section legacy4; iptables-legacy-save | grep -v -m ${MAX_LINES} '^#'; else section only-legacy4; fi
fi
first_word /proc/net/ip6_tables_names; if [ -n "$VALUE" ]; then
  if ip6tables -V | grep -q nf_tables; then section legacy6; ip6tables-legacy-save | grep -v -m ${MAX_LINES} '^#'; else section only-legacy6; fi
fi
if has nft; then section nft; timeout -k 1 5 nft -s -j list ruleset 2>/dev/null | head -c ${MAX_BYTES}
  # What nft 1.0 leaves out of its JSON: that a table is switched off, and whose ingress a chain is at.
  section nft-text; timeout -k 1 5 nft -s list ruleset 2>/dev/null | grep -m ${MAX_LINES} -E '^table |^[[:blank:]](flags|chain) |hook ingress'
fi
section interfaces; echo /sys/class/net/*
section foreign
if is_active firewalld.service; then echo firewalld; fi
if is_active nftables.service; then echo nftables; fi
if is_active netfilter-persistent.service; then echo netfilter-persistent; fi
for hook in before before6 after after6; do if [ -x /etc/ufw/$hook.init ]; then echo $hook.init; fi; done
section docker-ports; if has docker; then timeout -k 1 5 docker ps --format '{{.Names}} {{.Ports}}' 2>/dev/null || section docker-silent; fi
`,
  parse: ({ seen: sections }) => {
    const installed = sections.text("ufw-conf") !== undefined;
    return {
      installed,
      ufwConf: sections.text("ufw-conf") ?? "",
      defaults: sections.text("ufw-defaults") ?? "",
      rules4: sections.text("ufw-rules4") ?? "",
      rules6: sections.text("ufw-rules6") ?? "",
      before: sections.text("ufw-before") ?? "",
      kernel4: installed ? tableOf(sections, "kernel4", "filter") : "",
      kernel6: installed ? tableOf(sections, "kernel6", "filter") : "",
      legacy4: tableOf(sections, "legacy4", "filter"),
      legacy6: tableOf(sections, "legacy6", "filter"),
      nat4: rulesOf(tableOf(sections, "kernel4", "nat")),
      nat6: rulesOf(tableOf(sections, "kernel6", "nat")),
      nftables: sections.text("nft") ?? "",
      nftText: sections.text("nft-text") ?? "",
      tables: {
        4: {
          save: sections.text("kernel4") ?? "",
          legacy: sections.text("legacy4") ?? "",
          isLegacy: sections.text("only-legacy4") !== undefined,
        },
        6: {
          save: sections.text("kernel6") ?? "",
          legacy: sections.text("legacy6") ?? "",
          isLegacy: sections.text("only-legacy6") !== undefined,
        },
      },
      hasNft: sections.text("nft") !== undefined,
      interfaces: (sections.text("interfaces") ?? "")
        .split(/\s+/)
        .map((path) => path.replace(/^.*\//, ""))
        .filter((name) => name !== "" && name !== "lo" && name !== "*"),
      foreign: sections.text("foreign") ?? "",
      dockerPorts: sections.text("docker-ports") ?? "",
      isDockerSilent: sections.text("docker-silent") !== undefined,
    };
  },
};

/** One table, from its name to COMMIT, of what iptables-save prints; empty where the kernel has none. */
function tableOf(
  sections: SeenTexts,
  title: "kernel4" | "kernel6" | "legacy4" | "legacy6",
  table: string,
): string {
  const text = sections.text(title) ?? "";
  const start = text.search(new RegExp(`^\\*${table}$`, "m"));
  if (start < 0) return "";
  const end = text.indexOf("\nCOMMIT\n", start);
  return end < 0 ? text.slice(start) : text.slice(start, end + "\nCOMMIT\n".length);
}

/** The rules of a table, without its chains. */
function rulesOf(table: string): string {
  return table
    .split("\n")
    .filter((line) => line.startsWith("-A "))
    .join("\n");
}
