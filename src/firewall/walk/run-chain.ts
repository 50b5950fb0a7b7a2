import { costOf, type Packets, type RuleName, split } from "../packets.ts";
import type { BaseChain, Part, Rule, Verdict } from "../ruleset.ts";
import { apply } from "./effects.ts";
import { MAX_SETS, type Outcome, spend, TooMany } from "./effort.ts";
import { ordered, together } from "./order.ts";
import type { Host } from "./passage.ts";

/** Jumps within jumps: the kernel itself stops at 16 (nftables) or at a chain's second visit (iptables). */
export const MAX_DEPTH = 64;

interface Place {
  chain: BaseChain;
  host: Host;
  /** Whether an accept here is the last word on letting packets in. */
  decides: boolean;
}

/** Runs packets through a chain. Returns those that come back undecided. */
export function run(
  rules: readonly Rule[],
  packets: readonly Packets[],
  place: Place,
  outcome: Outcome,
  depth: number,
): Packets[] {
  let here = [...packets];
  const returned: Packets[] = [];
  for (const rule of together(rules)) {
    if (here.length === 0) break;
    if (here.length + returned.length > MAX_SETS) throw new TooMany();
    spend(outcome, here.length);
    // A rule that does nothing needs no packets told apart.
    if (rule.verdict === undefined && rule.effects.length === 0 && rule.afterwards === undefined) continue;
    here = [...take([rule], rule, here, place, outcome, returned, depth)];
  }
  return [...here, ...returned];
}

/** The packets that a rule's parts leave for the next rule. Of the parts, the first that matches counts. */
function take(
  parts: readonly Part[],
  name: RuleName,
  packets: readonly Packets[],
  place: Place,
  outcome: Outcome,
  returned: Packets[],
  depth: number,
): Packets[] {
  let left = packets;
  const past: Packets[] = [];
  for (const part of parts) {
    if (left.length === 0) break;
    const { matching, rest } = ask(part, name, left, outcome);
    left = rest;
    if (matching.length === 0) continue;
    const changed = matching.map((set) =>
      part.effects.reduce((before, effect) => apply(effect, before, name, place.host), set),
    );
    past.push(
      ...(part.afterwards === undefined
        ? decide(name, part.verdict, changed, place, outcome, returned, depth)
        : take(part.afterwards, name, changed, place, outcome, returned, depth)),
    );
    if (past.length > MAX_SETS) throw new TooMany();
  }
  return [...left, ...past];
}

/** The packets that a part of a rule is for, and the others. */
function ask(
  part: Part,
  { text }: RuleName,
  packets: readonly Packets[],
  outcome: Outcome,
): { matching: Packets[]; rest: Packets[] } {
  const { order, certain } = ordered(part);
  const charge = (steps: number) => spend(outcome, steps);
  const isOther = (set: Packets): boolean =>
    certain.some((match) => {
      charge(costOf(set, match));
      return split(set, match, text, charge).yes.length === 0;
    });
  // Packets that certainly do not match are not split, and a doubt about them does not count.
  const [matchable, rest]: [Packets[], Packets[]] = [[], []];
  for (const set of packets) (isOther(set) ? rest : matchable).push(set);
  let matching = matchable;
  for (const match of order) {
    for (const set of matching) charge(costOf(set, match));
    const answers = matching.map((set) => split(set, match, text, charge));
    matching = answers.flatMap(({ yes }) => yes);
    rest.push(...answers.flatMap(({ no }) => no));
    if (matching.length + rest.length > MAX_SETS) throw new TooMany();
  }
  return { matching, rest };
}

/** What of the matching packets goes on to the next rule. */
function decide(
  { chain, text }: RuleName,
  verdict: Verdict | undefined,
  matching: Packets[],
  place: Place,
  outcome: Outcome,
  returned: Packets[],
  depth: number,
): Packets[] {
  const name = { chain, text };
  const lose = () => outcome.lost.push(...matching.map((set) => ({ ...set, letIn: name })));
  switch (verdict?.kind) {
    case undefined:
      return matching;
    case "accept":
      outcome.accepted.push(...matching.map((set) => (place.decides ? { ...set, letIn: name } : set)));
      return [];
    case "drop":
      outcome.dropped.push(...matching);
      return [];
    case "return":
      returned.push(...matching);
      return [];
    case "jump":
    case "goto": {
      const rules = depth > MAX_DEPTH ? undefined : place.chain.chain(verdict.chain);
      if (rules === undefined) {
        lose();
        return [];
      }
      const before = [outcome.accepted, outcome.dropped, outcome.lost].map(({ length }) => length);
      let back = run(rules, matching, place, outcome, depth + 1);
      const after = [outcome.accepted, outcome.dropped, outcome.lost].map(({ length }) => length);
      // A chain that decides and changes nothing gives back the packets as they went in, however it told them apart.
      if (before.join() === after.join() && !hasEffects(rules, place.chain)) back = matching;
      if (verdict.kind === "jump") return back;
      returned.push(...back);
      return [];
    }
    default:
      lose();
      return [];
  }
}

const effects = new WeakMap<readonly Part[], boolean>();

/** Whether a chain, or one that it leads to, changes packets that go on. */
function hasEffects(rules: readonly Part[], chain: BaseChain, depth = 0): boolean {
  const known = effects.get(rules);
  if (known !== undefined) return known;
  // Packets never get this deep.
  if (depth > MAX_DEPTH) return true;
  // A chain that leads back here adds nothing.
  effects.set(rules, false);
  const found = rules.some(({ effects: own, verdict, afterwards = [] }) => {
    if (own.length > 0 || hasEffects(afterwards, chain, depth)) return true;
    if (verdict?.kind !== "jump" && verdict?.kind !== "goto") return false;
    return hasEffects(chain.chain(verdict.chain) ?? [], chain, depth + 1);
  });
  effects.set(rules, found);
  return found;
}
