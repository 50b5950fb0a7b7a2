import { memoized } from "../lib/memoized.ts";
import { type CommandTable, splitOnce } from "./acl-commands.ts";
import type { AclSelector, AclUser, KeyAccess } from "./acl-user.ts";

/** What one selector permits on one server. */
export interface Permissions {
  /** Commands and subcommands, lower case; also `select|0` where only that first argument is permitted. */
  commands: ReadonlySet<string>;
  /** Whether commands that a module adds later are permitted too. */
  futureCommands: boolean;
  allKeys: boolean;
  keys: ReadonlyMap<string, KeyAccess>;
  allChannels: boolean;
  channels: ReadonlySet<string>;
}

/** What the rules of a user permit, and what each of its selectors permits in addition. */
export function permissions(
  user: AclUser,
  table: CommandTable,
): Permissions & { selectors: readonly Permissions[] } {
  return {
    ...selectorPermissions(user, table),
    selectors: user.selectors.map((s) => selectorPermissions(s, table)),
  };
}

function selectorPermissions(selector: AclSelector, table: CommandTable): Permissions {
  const { allKeys, keys, allChannels, channels, rules } = selector;
  return { ...allowedBy(rules, table), allKeys, keys, allChannels, channels };
}

interface Allowed {
  commands: ReadonlySet<string>;
  futureCommands: boolean;
}

const allowedIn = new WeakMap<CommandTable, (rules: string) => Allowed>();

/** `evaluateRules`, memoized over all users and hosts with the same rules. The rules have no blanks. */
function allowedBy(rules: readonly string[], table: CommandTable): Allowed {
  const allowed =
    allowedIn.get(table) ?? memoized(1_000, (text) => evaluateRules(text.split(" ").filter(Boolean), table));
  allowedIn.set(table, allowed);
  return allowed(rules.join(" "));
}

/**
 * What is left when the rules are applied in order, as ACLSetSelector in src/acl.c does; unknown names, such as a module's,
 * count as they stand. From the last rule to the first: what a later one decided, no earlier one changes, and so a user with
 * any number of rules costs each command once.
 */
function evaluateRules(rules: readonly string[], table: CommandTable): Allowed {
  const decided = new Map<string, boolean>();
  /** With all of their subcommands; categories, too. */
  const whole = new Set<string>();
  const firstArgs = new Map<string, Set<string>>();
  let futureCommands = false;

  const decide = (name: string, allow: boolean): void => {
    if (whole.has(name)) return;
    whole.add(name);
    for (const command of [name, ...(table.subcommands.get(name) ?? [])])
      if (!decided.has(command)) decided.set(command, allow);
  };

  for (const rule of rules.toReversed()) {
    const allow = rule.startsWith("+");
    const name = rule.slice(1);
    if (name === "@all") {
      futureCommands = allow;
      if (allow) for (const command of table.commands) if (!decided.has(command)) decided.set(command, true);
      break;
    }
    if (name.startsWith("@")) {
      if (whole.has(name)) continue;
      whole.add(name);
      for (const command of table.categories.get(name.slice(1)) ?? []) decide(command, allow);
    } else {
      const [command = "", argument] = splitOnce(name);
      if (argument === undefined || table.commands.has(name)) decide(name, allow);
      else if (allow && !whole.has(command)) {
        const names = firstArgs.get(command);
        if (names === undefined) firstArgs.set(command, new Set([name]));
        else names.add(name);
      }
    }
  }

  const allowed = new Set<string>();
  for (const [command, isAllowed] of decided) if (isAllowed) allowed.add(command);
  for (const [command, names] of firstArgs) {
    if (!allowed.has(command)) for (const name of names) allowed.add(name);
  }
  // A container runs nothing by itself; only COMMAND does.
  for (const container of table.subcommands.keys()) if (container !== "command") allowed.delete(container);
  for (const name of table.alwaysAllowed) allowed.add(name);
  return { commands: allowed, futureCommands };
}
