import {
  makeRule,
  parseRules,
  type UfwEntry,
  type UfwRuleFields,
  type UfwRulesFile,
} from "../../src/firewall/ufw-rules.ts";
import type { Family } from "../../src/lib/network.ts";

const STOCK = { 4: "ufw", 6: "ufw6" } as const;

/** The file that Debian's package installs, with rules given in ufw's words. */
export function rulesFile(family: Family, rules: readonly string[] = []): UfwRulesFile {
  const name = STOCK[family];
  const head = `*filter\n:${name}-user-input - [0:0]\n### RULES ###\n`;
  const text = rules.map((words) => ruleText(family, words)).join("");
  return parseRules(`${head}${text}\n### END RULES ###\nCOMMIT\n`, family);
}

export function rulesOf(family: Family, rules: readonly string[]): readonly UfwEntry[] {
  return rulesFile(family, rules).entries;
}

/**
 * A rule's text in the file. "unreadable" stands for lines that ufw did not write; the profile Redis is port 6380, the
 * profile Cache ports 6379 and 16379.
 */
function ruleText(family: Family, words: string): string {
  const chain = `${STOCK[family]}-user`;
  if (words === "unreadable") return `\n-A ${chain}-input -m owner -j ${chain}-custom\n`;
  if (words === "unreadable out") return `\n-A ${chain}-output -m owner -j ACCEPT\n`;
  return parseWords(family, words)
    .map((fields) => makeRule(fields).raw)
    .join("");
}

type Fields = Parameters<typeof makeRule>[0];

function parseWords(family: Family, text: string): Fields[] {
  const words = text.split(" ");
  const fields: Partial<UfwRuleFields> = {};
  if (words[0] === "route") fields.route = words.shift() !== undefined;
  fields.action = words.shift() as UfwRuleFields["action"];
  const profiles: string[][] = [];
  let end: "source" | "destination" = "destination";
  while (words.length > 0) {
    const word = words.shift() ?? "";
    const next = () => words.shift() ?? "";
    if (word === "in" || word === "out") {
      fields.direction = word;
      if (words[0] !== "on") continue;
      next();
      fields[word === "in" ? "interfaceIn" : "interfaceOut"] = next();
    } else if (word === "log" || word === "log-all") fields.log = word;
    else if (word === "proto") fields.protocol = next();
    else if (word === "from" || word === "to") {
      end = word === "from" ? "source" : "destination";
      const subnet = next();
      if (subnet !== "any") fields[end] = subnet;
    } else if (word === "port") fields[`${end}Ports`] = next();
    else if (word === "app") fields[`${end}App`] = next();
    else if (word === "Cache") profiles.push(["tcp", "6379"], ["tcp", "16379"]);
    else if (word === "Redis") profiles.push(["any", "6380"]);
    else [fields.destinationPorts, fields.protocol] = [word.split("/")[0] ?? "", word.split("/")[1] ?? "any"];
    if (word === "Cache" || word === "Redis") fields.destinationApp = word;
  }
  const all = { family, action: "allow", ...fields } as Fields;
  if (all.sourceApp === "Redis") return [{ ...all, sourcePorts: "6380" }];
  if (profiles.length === 0) return [all];
  return profiles.map(([protocol = "", destinationPorts = ""]) => ({ ...all, protocol, destinationPorts }));
}
