import type { Family } from "../lib/network.ts";
import { shellProgram } from "../shell/program.ts";
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

/** ufw's files and the kernel's rules. `ufw status` is not asked: it starts Python, and reads these very files. */
export const firewallFact: Fact<FirewallFact> = {
  script: () => shellProgram("probe/firewall.sh"),
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
