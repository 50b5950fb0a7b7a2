import { listOf } from "../../lib/words.ts";
import { permissions } from "../../redis/acl-permissions.ts";
import { isPermitted, SCRIPTS_NEED } from "../../redis/acl-presets.ts";
import type { Context } from "./parameters.ts";
import { originOf } from "./passwords.ts";
import { playbookUsers } from "./users.ts";

export function channelNotes({ params, server }: Context): string[] {
  const limited = params.users
    .filter(({ channels = [] }) => channels.length > 0 && !channels.includes("*"))
    .map(({ name }) => name);
  if (server.version.capabilities.aclChannels || limited.length === 0) return [];
  return [`${server.version.name} knows no channel rules: ${limited.join(", ")} may use every channel`];
}

/** Users of the playbook who may run some of the commands that clients need together for a script. */
export function scriptNotes(context: Context): string[] {
  const table = context.server.commands;
  if (table === undefined) return [];
  return playbookUsers(context).flatMap(({ user }) => {
    const { commands } = permissions(user, table);
    const may = (name: string) => isPermitted({ commands }, name);
    const missing = SCRIPTS_NEED.filter((name) => !may(name));
    if (missing.length === 0 || !["eval", "evalsha"].some(may)) return [];
    const words = (names: readonly string[], last: string) =>
      listOf(
        names.map((name) => name.replace("|", " ").toUpperCase()),
        last,
      );
    return [
      `user ${user.name} may run ${words(SCRIPTS_NEED.filter(may), "and")} and not ${words(missing, "or")}: client libraries send them together, so say scripts: true`,
    ];
  });
}

export function loginNotes(context: Context): string[] {
  const { facts, params } = context;
  const shared = params.users.filter(({ name }) => originOf(context, name)?.of === "all");
  const notes = shared.map(
    ({ name }) =>
      `user ${name} still has the password that all servers share, which opens the others too: it gets its own`,
  );
  return facts.redis.user === undefined
    ? [
        ...notes,
        `no login to Redis (${facts.redis.loginError ?? "unknown"}): the users' lines are rewritten, which needs a restart; the restart removes users that live only in memory, and without a login redkeep cannot list them`,
      ]
    : notes;
}
