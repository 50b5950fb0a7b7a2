import type { Family } from "../../lib/network.ts";
import type { Gap } from "../ruleset.ts";

/** A table of `iptables-save`: its chains with their rules as they are printed. */
export interface Table {
  name: string;
  /** Undefined where a chain is no built-in one. */
  policies: Map<string, string | undefined>;
  lines: Map<string, string[]>;
}

/** How many rules each chain of each table has, as `TABLE CHAIN`. */
export function countRules(save: string, family: Family): Map<string, number> {
  return new Map(
    tablesOf(save, family).tables.flatMap(({ name, policies, lines }) =>
      [...policies.keys()].map((chain) => [`${name} ${chain}`, lines.get(chain)?.length ?? 0] as const),
    ),
  );
}

/** The tables with their lines unread, and what iptables left out. */
export function tablesOf(save: string, family: Family): { tables: Table[]; gaps: Gap[] } {
  const [tables, gaps]: [Table[], Gap[]] = [[], []];
  let table: Table | undefined;
  for (const line of save.split("\n")) {
    if (line.startsWith("*")) {
      table = { name: line.slice(1).trim(), policies: new Map(), lines: new Map() };
      tables.push(table);
    } else if (line === "COMMIT") {
      table = undefined;
    } else if (line.startsWith(":")) {
      const [name = "", policy] = line.slice(1).split(" ");
      table?.policies.set(name, policy === "-" ? undefined : policy);
    } else if (line.startsWith("-A ")) {
      const name = line.split(" ", 2)[1] ?? "";
      const lines = table?.lines.get(name);
      if (lines === undefined) table?.lines.set(name, [line]);
      else lines.push(line);
    } else if (line.startsWith("# Table ")) {
      // "# Table `filter' is incompatible, use 'nft' tool."
      gaps.push({
        text: `iptables cannot read a table of the kernel for IPv${family}: ${line.slice(2)}`,
        isWithin: false,
      });
    }
  }
  if (table !== undefined)
    gaps.push({ text: `the kernel has more rules for IPv${family} than redkeep looks at`, isWithin: true });
  return { tables, gaps };
}
