import type { HostFacts } from "../facts/probe.ts";
import { type AclUser, parseAclFile, parseAclUser } from "./acl-rule.ts";
import type { Server } from "./server.ts";

/** Users as the running server has them; from its files where redkeep could not log in. */
export function foundUsers({
  facts,
  server,
}: {
  facts: HostFacts;
  server: Server;
}): ReadonlyMap<string, AclUser> {
  const { aclUsers } = facts.redis;
  const users =
    aclUsers !== undefined
      ? aclUsers.map((line) => parseAclUser(line, optionsOf(server)))
      : usersIn(facts.configFiles.aclFiles, server);
  return new Map(users.map((user) => [user.name, user]));
}

/** Users as a start will have them, where nothing is changed: those that live only in memory are gone. */
export function usersAtStart({
  facts,
  server,
}: {
  facts: HostFacts;
  server: Server;
}): ReadonlyMap<string, AclUser> {
  const path = server.config.get("aclfile")?.[0];
  const loaded = [...facts.configFiles.aclFiles].filter(([file]) => file === path);
  const users = new Map(usersIn(loaded, server).map((user) => [user.name, user]));
  const byDefault = foundUsers({ facts, server }).get("default");
  // Without a line of its own it is what requirepass makes it, as it most likely is now.
  if (!users.has("default") && byDefault !== undefined) users.set("default", byDefault);
  return users;
}

function usersIn(files: Iterable<[path: string, content: string]>, server: Server): AclUser[] {
  const options = optionsOf(server);
  return [
    ...server.config.all("user").map(({ args }) => parseAclUser(["user", ...args], options)),
    ...[...files].flatMap(([path, content]) =>
      parseAclFile(content, path, options).users.map(({ user }) => user),
    ),
  ];
}

function optionsOf({ running }: Server): { allChannelsByDefault: boolean } {
  return { allChannelsByDefault: running?.get("acl-pubsub-default") === "allchannels" };
}
