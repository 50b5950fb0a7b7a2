import { listOf } from "../lib/words.ts";
import { type AclUser, channelWords, keyWords } from "./acl-user.ts";

/** A user in a few words: `~app:* &app:*, read and write, not admin or dangerous; password ••••`. */
export function describeUser(user: AclUser): string {
  const reach = [...keyWords(user), ...channelWords(user)].join(" ");
  const parts = [
    user.enabled ? "" : "off",
    user.enabled || user.passwords.size > 0 ? "" : "no password",
    user.enabled ? reach || "no keys" : reach,
    describeRules(user.rules),
    user.selectors.length === 0 ? "" : `and ${user.selectors.length} selectors`,
  ];
  const login = user.nopass ? "any password" : user.passwords.size === 0 ? "" : "password ••••";
  const text = parts.filter((part) => part !== "").join(", ");
  return login === "" ? text : `${text}; ${login}`;
}

/** The rules in words: `every command`, `read and write, not admin`. */
export function describeRules([base, ...all]: readonly string[]): string {
  // The last rule for a name counts.
  const lastWord = new Map(all.map((rule, index) => [rule.slice(1), index]));
  const rules = all.filter((rule, index) => lastWord.get(rule.slice(1)) === index);
  const names = (sign: string, of = rules) =>
    of.flatMap((rule) => (rule.startsWith(sign) ? [rule.slice(sign.length)] : []));
  const lastDenial = rules.findLastIndex((rule) => rule.startsWith("-@"));
  const categories = names("+@", lastDenial < 0 ? rules : rules.slice(0, lastDenial));
  // A category that is allowed after the last denial is allowed whole, whatever was denied of it before.
  const whole = lastDenial < 0 ? [] : names("+@", rules.slice(lastDenial));
  // Each server lists commands in an order of its own: the same user has to read the same on all hosts.
  const single = names("+")
    .filter((name) => !name.startsWith("@"))
    .sort();
  const denied = names("-")
    .sort()
    .map((name) => name.replace(/^@/, ""));
  const not = denied.length === 0 ? "" : `, not ${listOf(denied, "or")}`;
  const but = `${not}${whole.length === 0 ? "" : `, and all of ${listOf(whole)}`}`;
  if (base === "+@all") return `every command${but}`;
  if (single.length + categories.length + whole.length === 0) return "no commands";
  if (categories.length === 0)
    return `only ${listOf([...single, ...whole.map((name) => `all of ${name}`)])}${not}`;
  return `${listOf(categories)}${but}${single.length === 0 ? "" : `, and ${listOf(single)}`}`;
}
