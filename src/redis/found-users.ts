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
  const options = { allChannelsByDefault: server.running?.get("acl-pubsub-default") === "allchannels" };
  const { aclUsers } = facts.redis;
  const users =
    aclUsers !== undefined
      ? aclUsers.map((line) => parseAclUser(line, options))
      : [
          ...server.config.all("user").map(({ args }) => parseAclUser(["user", ...args], options)),
          ...[...facts.configFiles.aclFiles].flatMap(([path, content]) =>
            parseAclFile(content, path, options).users.map(({ user }) => user),
          ),
        ];
  return new Map(users.map((user) => [user.name, user]));
}
