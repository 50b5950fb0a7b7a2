import type { Family } from "../lib/network.ts";
import { BARE, basic, MODULES, type Option, takeOptions } from "./iptables/matches.ts";
import { type Table, tablesOf } from "./iptables/tables.ts";
import { readTarget } from "./iptables/targets.ts";
import type { Match } from "./packets.ts";
import type { BaseChain, Rule, Ruleset } from "./ruleset.ts";

/** Where the kernel calls each table's built-in chains (`include/uapi/linux/netfilter_ipv4.h`). */
const HOOKS = { PREROUTING: "prerouting", INPUT: "input", FORWARD: "forward" } as const;
const PRIORITIES = new Map([
  ["raw", -300],
  ["mangle", -150],
  ["nat", -100],
  ["filter", 0],
  ["security", 50],
]);
/** Source NAT comes last, when all else is decided. */
const NAT_INPUT_PRIORITY = 100;

/** Replaces a rule where another source says its effect more exactly. */
export type Correct = (table: string, chain: string, index: number, rule: Rule) => Rule;

/**
 * All tables of `iptables-save` (family 4) or `ip6tables-save` (family 6). Rules are read when a packet gets to their chain:
 * hosts of containers have them by the thousand.
 */
export function readIptables(
  save: string,
  family: Family,
  correct: Correct = (_table, _chain, _index, rule) => rule,
): Ruleset {
  const { tables, gaps } = tablesOf(save, family);
  const chains = tables.flatMap(({ name: table, policies, lines }): BaseChain[] => {
    const priority = PRIORITIES.get(table);
    const read = new Map<string, readonly Rule[]>();
    const chain = (name: string): readonly Rule[] | undefined => {
      if (!policies.has(name)) return undefined;
      const known =
        read.get(name) ??
        (lines.get(name) ?? []).map((line, i) =>
          correct(table, name, i, readRule(line, family, { name: table, policies })),
        );
      read.set(name, known);
      return known;
    };
    return [...policies].flatMap(([name, policy]): BaseChain[] => {
      const hook = HOOKS[name as keyof typeof HOOKS];
      if (policy === undefined || hook === undefined || priority === undefined) return [];
      return [
        {
          name: table === "filter" ? name : `${table} ${name}`,
          hook,
          priority: table === "nat" && hook === "input" ? NAT_INPUT_PRIORITY : priority,
          kind: table === "nat" ? "nat" : "filter",
          policy: policy === "DROP" ? "drop" : "accept",
          get rules() {
            return chain(name) ?? [];
          },
          chain,
        },
      ];
    });
  });
  return { chains, gaps };
}

/** A line as iptables-save prints it. What is not known to the letter becomes an unknown match or an unknown verdict. */
function readRule(text: string, family: Family, table: Pick<Table, "name" | "policies">): Rule {
  const words = text.match(/"(?:[^"\\]|\\.)*"|\S+/g) ?? [];
  const matches: Match[] = [];
  let at = 2;
  let target: string | undefined;
  let isGoto = false;
  while (at < words.length) {
    const negated = words[at] === "!";
    if (negated) at++;
    const word = words[at++] ?? "";
    if (word === "-j" || word === "-g") {
      isGoto = word === "-g";
      target = words[at++] ?? "";
      break;
    }
    if (word === "-m") {
      const module = words[at++] ?? "";
      const options = new Map<string, Option>();
      at = takeOptions(words, at, options);
      matches.push(...(MODULES.get(module)?.(options, family) ?? [{ kind: "unknown" as const }]));
    } else {
      const value = BARE.has(word) ? "" : (words[at++] ?? "");
      matches.push(basic(word, value, negated, family));
    }
  }
  const options = new Map<string, Option>();
  takeOptions(words, at, options, false);
  const isReadable = words.slice(2).filter((word) => word === "-j" || word === "-g").length <= 1;
  const { effects = [], verdict } = isReadable
    ? readTarget(target, isGoto, options, table)
    : { verdict: { kind: "unknown" as const } };
  return {
    chain: words[1] ?? "",
    text,
    matches: matches.filter(({ kind }) => kind !== "always"),
    effects,
    verdict,
  };
}
