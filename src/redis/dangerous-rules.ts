import { KNOWN_COMMANDS } from "./known-names.ts";

/** Commands in @admin or @dangerous of one of the measured servers, as their ACL CAT lists them; INFO, which clients need, is not among them. */
const DANGEROUS: ReadonlySet<string> = new Set([
  ..."acl bgrewriteaof bgsave client|kill client|list client|no-evict client|pause client|unblock".split(" "),
  ..."client|unpause cluster commandlog|get commandlog|len commandlog|reset config debug failover".split(" "),
  ..."flushall flushdb keys lastsave latency migrate module monitor pfdebug pfselftest psync".split(" "),
  ..."replconf replicaof restore restore-asking role save shutdown slaveof slowlog sort sort_ro".split(" "),
  ..."swapdb sync".split(" "),
]);

/** Commands that stop, replace or take away the scripts and functions of others; Redis has them in @scripting alone. */
export const AGAINST_SCRIPTS: ReadonlySet<string> = new Set(
  "script|flush script|kill script|debug function|delete function|flush function|kill function|load function|restore".split(
    " ",
  ),
);

/** Categories that hold none of them. */
const HARMLESS_CATEGORIES: ReadonlySet<string> = new Set(
  "hash string bitmap geo stream pubsub blocking transaction".split(" "),
);

/**
 * Whether a rule that a playbook adds to a user may give it a command of @admin or @dangerous, or one against others' scripts. To
 * run scripts is another control's matter (RK-ACL-07). A name that no measured server knows may be anything.
 */
export function grantsDanger(rule: string): boolean {
  const text = rule.toLowerCase();
  if (!text.startsWith("+")) return false;
  if (text.startsWith("+@")) return !HARMLESS_CATEGORIES.has(text.slice(2));
  const name = text.slice(1);
  const [command = ""] = name.split("|");
  if (DANGEROUS.has(name) || DANGEROUS.has(command) || AGAINST_SCRIPTS.has(name)) return true;
  const parts = [...DANGEROUS, ...AGAINST_SCRIPTS];
  const hasDangerousParts = name === command && parts.some((one) => one.startsWith(`${name}|`));
  return hasDangerousParts || !KNOWN_COMMANDS.has(command);
}
