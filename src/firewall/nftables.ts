import type { Family } from "../lib/network.ts";
import { countRules } from "./iptables/tables.ts";
import { isObject } from "./nft/json.ts";
import { readRule } from "./nft/statements.ts";
import type { NftTable, NftTables } from "./nft/tables.ts";
import type { BaseChain, Gap, Rule, Ruleset } from "./ruleset.ts";

/** Tables that iptables keeps in nftables. */
const IPTABLES = new Set(["raw", "mangle", "nat", "filter", "security"]);

/** One rule of iptables' tables, as nft shows it. */
export interface Shown {
  /** False where a part of it is an extension of iptables, which nft does not print. */
  isWhole: boolean;
  rule: Rule;
}

/**
 * The chains of nft that see packets of a family, except those that iptables keeps there and shows itself, in `save`: that is
 * what iptables-save printed. `byTable` has the rules of these chains, for what iptables does not show of them. Where iptables
 * keeps its tables elsewhere, `save` is empty: packets then pass nft's tables as well.
 */
export function readNft(
  { tables }: NftTables,
  save: string,
  family: Family,
): Ruleset & { byTable: Map<string, readonly Shown[]> } {
  const own = family === 4 ? "ip" : "ip6";
  const counted = countRules(save, family);
  const [chains, gaps]: [BaseChain[], Gap[]] = [[], []];
  const byTable = new Map<string, readonly Shown[]>();
  for (const table of tables) {
    if (table.family === "bridge" && table.chains.some(({ json }) => json.hook !== undefined))
      gaps.push({
        text: `nftables table bridge ${table.name} filters what bridges pass on`,
        isWithin: false,
      });
    if (![own, "inet", "netdev"].includes(table.family) || table.isDormant) continue;
    const shown = [...counted.keys()].filter((chain) => chain.startsWith(`${table.name} `));
    if (table.family === own && IPTABLES.has(table.name) && shown.length > 0) {
      const rules = new Map(table.chains.map((chain) => [chain.name, chain.rules]));
      const isSame =
        [...rules.keys()].every((name) => counted.has(`${table.name} ${name}`)) &&
        shown.every((name) => counted.get(name) === (rules.get(name.split(" ")[1] ?? "")?.length ?? 0));
      if (!isSame)
        gaps.push({ text: `iptables and nft do not agree about table ${own} ${table.name}`, isWithin: true });
      for (const { name, rules } of isSame ? table.chains : []) {
        byTable.set(
          `${table.name} ${name}`,
          rules.map(({ expr }) => ({
            isWhole: !expr.some((statement) => isObject(statement) && "xt" in statement),
            rule: readRule(expr, table, name, family),
          })),
        );
      }
      continue;
    }
    chains.push(...baseChains(table, family));
  }
  return { chains, gaps, byTable };
}

function baseChains(table: NftTable, family: Family): BaseChain[] {
  const read = new Map<string, readonly Rule[]>();
  // Of several with a name, the first is the one whose rules are known.
  const byName = new Map(table.chains.toReversed().map((chain) => [chain.name, chain]));
  const chain = (name: string): readonly Rule[] | undefined => {
    const found = byName.get(name);
    if (found === undefined) return undefined;
    const rules = read.get(name) ?? found.rules.map(({ expr }) => readRule(expr, table, name, family));
    read.set(name, rules);
    return rules;
  };
  return table.chains.flatMap(({ name, json }): BaseChain[] => {
    const { hook, type, prio, policy } = json;
    if (hook !== "ingress" && hook !== "prerouting" && hook !== "input" && hook !== "forward") return [];
    return [
      {
        name: `nft ${table.family} ${table.name} ${name}`,
        hook,
        priority: Number(prio ?? 0),
        kind: type === "nat" ? "nat" : "filter",
        policy: policy === "drop" ? "drop" : "accept",
        ...(hook === "ingress"
          ? { devices: json.dev === undefined ? "unknown" : [json.dev].flat().map(String) }
          : {}),
        get rules() {
          return chain(name) ?? [];
        },
        chain,
      },
    ];
  });
}
