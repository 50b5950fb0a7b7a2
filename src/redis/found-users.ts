import type { HostFacts } from "../facts/probe.ts";
import type { AclUser } from "./acl-user.ts";
import { parseAclFile, parseAclUser } from "./parse-acl.ts";
import type { Server } from "./server.ts";

declare const isStored: unique symbol;

/**
 * A user as root read it from a file of the host. Of the users that the playbook lacks, only these may be written: a user that
 * only the server lists may be an intruder's. Only `storedUsers` makes one.
 */
export type StoredUser = AclUser & { readonly [isStored]: true };

interface Host {
  facts: HostFacts;
  server: Server;
}

/** Users as the running server has them, or as its files have them where redkeep could not log in. */
export function foundUsers(host: Host): ReadonlyMap<string, AclUser> {
  const { aclUsers } = host.facts.redis;
  return aclUsers === undefined
    ? storedUsers(host)
    : byName(aclUsers.map((line) => parseAclUser(line, optionsOf(host.server))));
}

/**
 * Users of redis.conf and of the ACL file that redis.conf names or the server has loaded. Where the server does not say what it
 * has loaded, of every ACL file that was read.
 */
export function storedUsers({ facts, server }: Host): ReadonlyMap<string, StoredUser> {
  const { running } = server;
  const loaded = [aclFileAtStart({ facts, server }), running?.get("aclfile")];
  const files = [...facts.configFiles.aclFiles].filter(
    ([path]) => running === undefined || loaded.includes(path),
  );
  return byName(usersIn(files, server));
}

const SHIPPED_DEFAULT = "user default on nopass ~* &* +@all";

/** Users after a restart without changes: those that live only in memory are gone. */
export function usersAtStart({ facts, server }: Host): ReadonlyMap<string, AclUser> {
  const path = aclFileAtStart({ facts, server });
  const users = byName<AclUser>(
    usersIn(
      [...facts.configFiles.aclFiles].filter(([file]) => file === path),
      server,
    ),
  );
  if (users.has("default")) return users;
  // An ACL file without a line for it makes it what Redis ships, whatever requirepass says. Without an ACL file it is what
  // requirepass makes it, as it most likely is now.
  const byDefault =
    path !== undefined && facts.configFiles.aclFiles.has(path)
      ? parseAclUser(SHIPPED_DEFAULT)
      : foundUsers({ facts, server }).get("default");
  if (byDefault !== undefined) users.set("default", byDefault);
  return users;
}

/** The ACL file that the next start loads where it could not be read, such as one with a relative path; undefined for none. */
export function unreadAclFile(host: Host): string | undefined {
  const path = aclFileAtStart(host);
  return path === undefined || host.facts.configFiles.aclFiles.has(path) ? undefined : path;
}

/** The command line is stronger than the file. */
function aclFileAtStart({ facts, server }: Host): string | undefined {
  const words = facts.service.arguments;
  const at = words.lastIndexOf("--aclfile");
  return (at === -1 ? server.config.get("aclfile")?.[0] : words[at + 1]) || undefined;
}

function usersIn(files: Iterable<[path: string, content: string]>, server: Server): StoredUser[] {
  const options = optionsOf(server);
  const users = [
    ...server.config.all("user").map(({ args }) => parseAclUser(["user", ...args], options)),
    ...[...files].flatMap(([path, content]) =>
      parseAclFile(content, path, options).users.map(({ user }) => user),
    ),
  ];
  return users as StoredUser[];
}

function byName<User extends AclUser>(users: readonly User[]): Map<string, User> {
  return new Map(users.map((user) => [user.name, user]));
}

function optionsOf({ running }: Server): { allChannelsByDefault: boolean } {
  return { allChannelsByDefault: running?.get("acl-pubsub-default") === "allchannels" };
}
