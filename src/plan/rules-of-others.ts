import type { HostFacts } from "../facts/probe.ts";
import { concernsPort } from "../firewall/evaluate.ts";
import { describeEntry, describeRule, parseRules, type UfwEntry } from "../firewall/ufw-rules.ts";
import type { Family } from "../lib/network.ts";
import type { KeptState } from "./kept-state.ts";

/** Where ufw keeps the rules that its users add. */
export const UFW_RULES = { 4: "/etc/ufw/user.rules", 6: "/etc/ufw/user6.rules" } as const;

/** What others did to ufw's rules of one family, in ufw's own words. */
export interface RulesOfOthers {
  path: string;
  family: Family;
  /** No run of redkeep wrote them. */
  added: readonly string[];
  /** Runs of redkeep left them, and somebody took them away. */
  gone: readonly string[];
}

export interface OthersInput {
  facts: HostFacts;
  state: KeptState;
  /** Those of Redis and sshd: of a run whose text is gone, a rule for one of them counts as redkeep's. */
  ports: readonly number[];
}

/** The rule in words, however somebody comments on it. */
export function ruleInWords(entry: UfwEntry): string {
  return entry.kind === "rule" ? describeRule(entry, { comment: false }) : describeEntry(entry);
}

/**
 * The rules that a way back to before these runs would take from others or bring back against them. Files go back whole, so
 * nothing else keeps such a rule. Only files with something of others'.
 */
export function rulesOfOthers({ facts, state, ports }: OthersInput): RulesOfOthers[] {
  return ([4, 6] as const).flatMap((family) => {
    const path = UFW_RULES[family];
    const steps = state.steps.get(path) ?? [];
    const text = (name: string | undefined) =>
      name === undefined ? undefined : facts.kept.backups.get(name);
    const original = entriesOf(text(steps[0]?.found), family);
    if (original === undefined) return [];
    const now = parseRules(nowOf(facts, family), family).entries;
    const ours = new Set(
      steps.flatMap(({ found, left }, index) => {
        const before = new Set(entriesOf(text(found), family)?.map(ruleInWords));
        const written = entriesOf(text(left), family);
        const next = steps[index + 1];
        const after =
          written ??
          (next === undefined ? now : (entriesOf(text(next.found), family) ?? now)).filter((entry) =>
            ports.some((port) => concernsPort(entry, port)),
          );
        return after.map(ruleInWords).filter((words) => !before.has(words));
      }),
    );
    const left = new Set(entriesOf(text(steps.at(-1)?.left), family)?.map(ruleInWords));
    const then = original.map(ruleInWords);
    const is = now.map(ruleInWords);
    const added = is.filter((words) => !ours.has(words) && !then.includes(words));
    const gone = then.filter((words) => left.has(words) && !is.includes(words));
    return added.length + gone.length === 0
      ? []
      : [{ path, family, added: [...new Set(added)], gone: [...new Set(gone)] }];
  });
}

/**
 * What others did to a file of ufw's since the last run left it, as the host compares it: the same rules in other words of the
 * file are no change. Undefined where it has the rules that the run left.
 */
export function rulesSince(facts: HostFacts, state: KeptState, path: string): RulesOfOthers | undefined {
  const family = ([4, 6] as const).find((one) => UFW_RULES[one] === path);
  if (family === undefined) return undefined;
  const left = facts.kept.backups.get(state.steps.get(path)?.at(-1)?.left ?? "") ?? "";
  const now = nowOf(facts, family);
  if (ruleLines(now) === ruleLines(left)) return undefined;
  const [was, is] = [left, now].map((text) => parseRules(text, family).entries.map(describeEntry));
  return {
    path,
    family,
    added: (is ?? []).filter((words) => was?.includes(words) !== true),
    gone: (was ?? []).filter((words) => is?.includes(words) !== true),
  };
}

function nowOf({ firewall }: HostFacts, family: Family): string {
  return family === 4 ? firewall.rules4 : firewall.rules6;
}

function entriesOf(text: string | undefined, family: Family): readonly UfwEntry[] | undefined {
  return text === undefined ? undefined : parseRules(text, family).entries;
}

/** What `rules` of transaction.sh compares. */
function ruleLines(text: string): string {
  return text
    .split("\n")
    .filter((line) => /^(### tuple|-A ufw6?-user-input)/.test(line))
    .join("\n");
}
