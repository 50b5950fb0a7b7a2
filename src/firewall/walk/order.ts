import { type Match, numbers } from "../packets.ts";
import type { Part, Rule } from "../ruleset.ts";

const CERTAIN = new Set(["always", "never", "numbers", "interface", "state", "local"]);

const isCertain = (match: Match): boolean =>
  match.kind === "either" || match.kind === "all" ? match.matches.every(isCertain) : CERTAIN.has(match.kind);

interface Order {
  order: readonly Match[];
  certain: readonly Match[];
}
const orders = new WeakMap<Part, Order>();

/** A part's matches: first what is decided at once, then sources, which may be many, and last what stays uncertain. */
export function ordered(part: Part): Order {
  const known = orders.get(part);
  if (known !== undefined) return known;
  const certain = new Set(part.matches.filter(isCertain));
  const rank = (match: Match): number =>
    !certain.has(match) ? 2 : match.kind === "numbers" && match.field === "source" ? 1 : 0;
  const order = part.matches.toSorted((a, b) => rank(a) - rank(b));
  const found = { order, certain: order.filter((match) => certain.has(match)) };
  orders.set(part, found);
  return found;
}

const grouped = new WeakMap<readonly Rule[], readonly Rule[]>();

/** Joins consecutive rules that each turn away one source: hosts ban addresses by the thousand. */
export function together(rules: readonly Rule[]): readonly Rule[] {
  const known = grouped.get(rules);
  if (known !== undefined) return known;
  const groups: Rule[] = [];
  let bans: Rule[] = [];
  const flush = () => {
    const [first] = bans;
    if (first !== undefined && bans.length === 1) groups.push(first);
    else if (first !== undefined) {
      const sources = bans.flatMap(({ matches }) =>
        matches.flatMap((match) => (match.kind === "numbers" ? match.values : [])),
      );
      groups.push({
        ...first,
        matches: [{ kind: "numbers", field: "source", values: numbers(sources), negated: false }],
      });
    }
    bans = [];
  };
  for (const rule of rules) {
    const [match, ...more] = rule.matches;
    const isBan =
      rule.verdict?.kind === "drop" &&
      rule.effects.length === 0 &&
      more.length === 0 &&
      match?.kind === "numbers" &&
      match.field === "source" &&
      !match.negated;
    if (isBan) {
      bans.push(rule);
    } else {
      flush();
      groups.push(rule);
    }
  }
  flush();
  grouped.set(rules, groups);
  return groups;
}
