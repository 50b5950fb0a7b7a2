import type { ServiceFact } from "../facts/service.ts";
import type { Server } from "./server.ts";

/** A directory of Redis' own, such as /etc/redis or /srv/valkey/data: never /etc, /var/log or /srv themselves. */
export function isRedisOwn(directory: string): boolean {
  const [root, first, ...below] = directory.split("/");
  return (
    root === "" && first !== "" && below.some((name) => /redis|valkey/i.test(name)) && !below.includes("..")
  );
}

/** A name that only a log has. Outside Redis' own directories, redkeep treats only such files as its log. */
export function isLogName(path: string): boolean {
  return /\.log$|redis[^/]*$|valkey[^/]*$/i.test(path);
}

/**
 * The users whose data and logs redkeep may give another owner or mode: the unit's user, now and after the plan. The server
 * names these paths, and could name anybody's files.
 */
export function ownersOf(
  { properties }: Pick<ServiceFact, "properties">,
  { user }: Pick<Server, "user">,
  wanted: string = user,
): Set<string> {
  return new Set([properties.get("User") || "root", user, wanted]);
}
