import { globMatcher } from "../inventory/glob.ts";
import type { CommandTable } from "../redis/acl-commands.ts";
import { type Permissions, permissions } from "../redis/acl-permissions.ts";
import type { AclUser } from "../redis/acl-user.ts";

/** What users may do on one server, worked out once for each of them. */
export class Access {
  readonly #table: CommandTable | undefined;
  readonly #permitted = new Map<AclUser, readonly Permissions[]>();

  constructor(table: CommandTable | undefined) {
    this.#table = table;
  }

  /** @param command as INFO commandstats names it: `get`, `config|get`. True where the server's commands are not known. */
  mayRun(user: AclUser, command: string): boolean {
    if (this.#table === undefined) return true;
    const isKnown = this.#table.commands.has(command);
    const [container = ""] = command.split("|");
    return this.#permissions(user).some(
      ({ commands, futureCommands }) =>
        commands.has(command) ||
        // Before 7.0 a subcommand is a first argument; a module's commands are in no category.
        (!isKnown && (this.#table?.commands.has(container) ? commands.has(container) : futureCommands)),
    );
  }

  /** Whether it reads or writes the key by one of its patterns. */
  reachesKey(user: AclUser, key: string): boolean {
    return [user, ...user.selectors].some(
      ({ allKeys, keys }) => allKeys || [...keys.keys()].some((pattern) => keyMatcher(pattern)(key)),
    );
  }

  /** May run every command, including those that are added later. */
  isUnbounded(user: AclUser): boolean {
    return user.rules[0] === "+@all";
  }

  #permissions(user: AclUser): readonly Permissions[] {
    if (this.#table === undefined) return [];
    let permitted = this.#permitted.get(user);
    if (permitted === undefined) {
      const { selectors, ...own } = permissions(user, this.#table);
      permitted = [own, ...selectors];
      this.#permitted.set(user, permitted);
    }
    return permitted;
  }
}

/** Redis' patterns are those of a shell but for `[^a]` and for `\*`, a star that is meant. */
export function keyMatcher(pattern: string): (key: string) => boolean {
  return globMatcher(
    pattern.replace(/\\(.)|\[\^/g, (_, meant?: string) =>
      meant === undefined ? "[!" : "*?[".includes(meant) ? `[${meant}]` : meant,
    ),
  );
}
