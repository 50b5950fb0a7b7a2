import { describeEntry, type UfwEntry } from "../../firewall/ufw-rules.ts";
import type { ChangeRecord } from "../../record/record.ts";
import { ruleInWords } from "../rules-of-others.ts";
import type { NowAndThen } from "./now-and-then.ts";

/** What ufw gets back and loses: that it is on, its policy and its rules. */
export function firewallChanges(way: NowAndThen): ChangeRecord[] {
  const words = (entries: readonly UfwEntry[]) => new Set(entries.map(describeEntry));
  const rule = (
    action: "create" | "delete",
    { text, isOthers }: { text: string; isOthers: boolean },
  ): ChangeRecord => ({
    address: `ufw:${text}`,
    action,
    before: action === "delete" ? `goes${isOthers ? "; no run that the host keeps wrote it" : ""}` : null,
    after: action === "create" ? `comes back${isOthers ? "; somebody took it away" : ""}` : null,
    restart: false,
  });
  const steps = ([4, 6] as const).flatMap((family) => {
    const { before, after } = way.rules[family];
    const [now, then] = [words(before), words(after)];
    const others = way.others.find((one) => one.family === family);
    const stepsOf = (action: "create" | "delete", from: readonly UfwEntry[], known: ReadonlySet<string>) =>
      from
        .filter((entry) => !known.has(describeEntry(entry)))
        .map((entry) => ({
          family,
          action,
          text: describeEntry(entry),
          isOthers:
            (action === "delete" ? others?.added : others?.gone)?.includes(ruleInWords(entry)) === true,
        }));
    return [...stepsOf("create", after, now), ...stepsOf("delete", before, then)];
  });
  // ufw shows a rule for any address once, though it stands in both files. Where one family alone changes, the text says which.
  const rules = (action: "create" | "delete") => {
    const found = Map.groupBy(
      steps.filter((step) => step.action === action),
      ({ text }) => text,
    );
    return [...found].map(([text, [first, ...more]]) => {
      const other = first?.family === 4 ? 6 : 4;
      const { before, after } = way.rules[other];
      const stays = [before, after].every((entries) => words(entries).has(text));
      const isOthers = [first, ...more].some((step) => step?.isOthers === true);
      return rule(action, { text: stays ? `${text} (v${first?.family})` : text, isOthers });
    });
  };
  const update = (address: string, before: string, after: string): ChangeRecord => ({
    address,
    action: "update",
    before,
    after,
    restart: false,
  });
  return [
    ...(way.goesOff ? [update("ufw:status", "active", "inactive")] : []),
    ...(way.policy.before === way.policy.after || way.goesOff
      ? []
      : [update("ufw:default incoming", way.policy.before, way.policy.after)]),
    ...rules("create"),
    ...rules("delete"),
  ];
}
