import { didYouMean } from "../lib/errors.ts";

/** The commands of one server by category, as its own `ACL CAT` names them. */
export interface CommandTable {
  categories: ReadonlyMap<string, ReadonlySet<string>>;
  /** Every command and subcommand: `get`, `config`, `config|get`. Before 7.0 there are no subcommands. */
  commands: ReadonlySet<string>;
  subcommands: ReadonlyMap<string, readonly string[]>;
  /** Commands that Redis runs whatever the rules say. */
  alwaysAllowed: ReadonlySet<string>;
}

/**
 * Builds the table from the replies to `ACL CAT` and `ACL CAT <category>`. Every command is in `slow` or
 * `fast`, so the union is complete; names are the original ones also where commands are renamed. Commands of modules may be missing.
 */
export function commandTable(replies: ReadonlyMap<string, readonly string[]>): CommandTable {
  const categories = new Map<string, ReadonlySet<string>>();
  const commands = new Set<string>();
  const subcommands = new Map<string, string[]>();
  for (const [category, names] of replies) {
    categories.set(category.toLowerCase(), new Set(names));
    for (const name of names) commands.add(name);
  }
  for (const name of commands) {
    const [container = ""] = name.split("|");
    if (container === name) continue;
    const names = subcommands.get(container);
    if (names === undefined) subcommands.set(container, [name]);
    else names.push(name);
  }
  // Measured: 7.0 runs these four for any user. 6.0, which has no subcommands, exempts only AUTH.
  const exempt = subcommands.size > 0 ? ["auth", "hello", "quit", "reset"] : ["auth"];
  return {
    categories,
    commands,
    subcommands,
    alwaysAllowed: new Set(exempt.filter((name) => commands.has(name))),
  };
}

/** How many of them redkeep judges: it computes and compares what every user may run. */
const MOST_PAIRS = 2_000_000;
/** Redis 8 with its modules has about 500, and the rules of the longest user of redkeep's own are 30 words. */
const MOST_COMMANDS = 5_000;
const MOST_WORDS = 200_000;

/**
 * Says, as a sentence, that a server has more users, commands or rules than redkeep judges; undefined where it has not.
 * Whoever may change a server's users could otherwise keep the controller busy while the other hosts wait.
 *
 * @param lines users, as `parseAclUser` takes them
 */
export function tooManyRules(lines: readonly string[], table: CommandTable | undefined): string | undefined {
  const commands = table?.commands.size ?? 0;
  let [users, words] = [0, 0];
  for (const line of lines) {
    users += line.split("(").length;
    words += line.split(" ").length;
  }
  if (commands > MOST_COMMANDS) return `it has ${commands} commands, and redkeep judges ${MOST_COMMANDS}`;
  if (words > MOST_WORDS)
    return `the rules of its users are ${words} words, and redkeep judges ${MOST_WORDS}`;
  if (users * commands > MOST_PAIRS)
    return `it has ${users} users and selectors, and redkeep judges ${Math.floor(MOST_PAIRS / commands)} on a server with ${commands} commands`;
  return undefined;
}

/** `config|get` as a command and its subcommand or first argument. */
export function splitOnce(name: string): [string, string | undefined] {
  const at = name.indexOf("|");
  return at === -1 ? [name, undefined] : [name.slice(0, at), name.slice(at + 1)];
}

/**
 * Command rules that this server does not know and `ACL SETUSER` would refuse. Only for rules from a playbook: rules found
 * on a host may name a module's commands, which the table lacks.
 */
export function unknownRules(rules: readonly string[], table: CommandTable): string[] {
  return rules.flatMap((rule) => {
    const name = rule.slice(1).toLowerCase();
    if (name === "@all" || table.commands.has(name)) return [];
    if (name.startsWith("@")) {
      if (table.categories.has(name.slice(1))) return [];
      const known = [...table.categories.keys()].map((category) => `@${category}`);
      return [`${rule}: this server has no such category.${didYouMean(name, known)}`];
    }
    const [command, argument] = splitOnce(name);
    const hasSubcommands = table.subcommands.has(command);
    if (argument !== undefined && table.commands.has(command) && !hasSubcommands) return [];
    const what = hasSubcommands ? "subcommand" : "command";
    return [`${rule}: this server has no such ${what}.${didYouMean(name, table.commands)}`];
  });
}
