import { listOf } from "../lib/words.ts";
import type { CommandTable } from "./acl-commands.ts";
import { describeRules } from "./acl-in-words.ts";
import { dangerousFor } from "./acl-presets.ts";
import type { AclUser } from "./acl-user.ts";

/**
 * What a user may do, as one says it: `every command on every key and channel, with a password`.
 *
 * @param table undefined where the server's commands are not known: then no dangerous ones are named
 */
export function rightsInWords(user: AclUser, table: CommandTable | undefined): string {
  const dangerous = table === undefined || user.rules[0] === "+@all" ? [] : dangerousFor(user, table);
  return [
    `${describeRules(user.rules)} on ${reachOf(user)}`,
    dangerous.length === 0
      ? ""
      : `dangerous ones among them: ${listOf(dangerous.map((name) => name.replace("|", " ").toUpperCase()))}`,
    user.selectors.length === 0 ? "" : "and more by selectors",
    user.problems.length === 0 ? "" : "and rules that redkeep cannot read",
    user.enabled ? loginOf(user) : "but it is off",
  ]
    .filter(Boolean)
    .join(", ");
}

function reachOf({ allKeys, keys, allChannels, channels }: AclUser): string {
  if (allKeys && allChannels) return "every key and channel";
  const patterns = (what: string, list: readonly string[]) =>
    list.length === 0 ? [] : [`${what} ${listOf(list)}`];
  const reached = [
    ...(allKeys ? ["every key"] : patterns("keys", [...keys.keys()])),
    ...(allChannels ? ["every channel"] : patterns("channels", [...channels])),
  ];
  return reached.length === 0 ? "no key" : reached.join(" and ");
}

function loginOf({ nopass, passwords }: AclUser): string {
  if (nopass) return "without a password";
  return passwords.size === 0 ? "without a password that lets it in" : "with a password";
}
