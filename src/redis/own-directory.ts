import type { ServiceFact } from "../facts/service.ts";
import type { Server } from "./server.ts";

/** A directory of Redis' own, such as /etc/redis or /srv/valkey/data: never /etc, /var/log or /srv themselves. */
export function isRedisOwn(directory: string): boolean {
  const [root, first, ...below] = directory.split("/");
  return (
    root === "" && first !== "" && below.some((name) => /redis|valkey/i.test(name)) && !below.includes("..")
  );
}

/** A name that a log has: where Redis writes it outside of its own directories, nothing else is one. */
export function isLogName(path: string): boolean {
  return /\.log$|redis[^/]*$|valkey[^/]*$/i.test(path);
}

/**
 * Who may own data and logs whose owner or mode redkeep sets: the unit's user, and the one that it gets. The server names these
 * paths, and could name anybody's.
 */
export function ownersOf(
  { properties }: Pick<ServiceFact, "properties">,
  { user }: Pick<Server, "user">,
  wanted: string = user,
): Set<string> {
  return new Set([properties.get("User") || "root", user, wanted]);
}
