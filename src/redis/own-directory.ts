import { dirname } from "node:path/posix";
import type { HostFacts } from "../facts/probe.ts";
import type { ServiceFact } from "../facts/service.ts";
import type { Refusal } from "../plan/desired.ts";
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

/** Directories for data or logs whose owner is somebody else than the service's user: the server may have named them to have them changed. */
export function* ownerRefusals(
  { files: { dataDirectory, logFile, paths } }: Pick<HostFacts, "files">,
  owners: ReadonlySet<string>,
): Iterable<Refusal> {
  for (const directory of new Set([dataDirectory, dirname(logFile)].filter(isRedisOwn))) {
    const found = paths.get(directory);
    if (found === undefined || owners.has(found.owner)) continue;
    yield {
      guard: null,
      found: `${directory}, which the server names for its data or log, is ${found.owner}'s and not the service user's`,
      remedy: `give it to the service's user, or correct dir and logfile: redkeep changes no folder of others'`,
    };
  }
}
