import type { HostFacts } from "../facts/probe.ts";
import type { AccessRecord } from "../record/record.ts";
import { permissions } from "../redis/acl-permissions.ts";
import type { AclUser } from "../redis/acl-user.ts";
import { foundUsers } from "../redis/found-users.ts";
import { MATRIX, type MatrixCommand } from "../redis/matrix.ts";
import type { Server } from "../redis/server.ts";

/**
 * What every user on a host may run: the answers of the server itself, or before 7.0, which has no ACL DRYRUN, of a scratch
 * server with the same users. Where that could not be started, what follows from the rules by the server's own table of
 * commands. Undefined where neither can be asked.
 */
export function accessOf({ facts, server }: { facts: HostFacts; server: Server }): AccessRecord | undefined {
  const table = server.commands;
  if (facts.redis.aclUsers === undefined || table === undefined) return undefined;
  const { access } = facts.redis;
  const isAsked = access.size > 0;
  // Without root nobody can tell a command that was taken away from one that was renamed.
  const areNamesKnown = facts.configFiles.unreadable.size === 0;
  const { aclDryrun } = server.version.capabilities;
  if (aclDryrun && !isAsked) return undefined;
  const commands = MATRIX.map((command, index) => ({ ...command, index }))
    // A subcommand of a later version would look denied.
    .filter(({ name, words }) => table.commands.has((words[0] ?? "").toLowerCase()) && isKnown(name, table));
  const users = [...foundUsers({ facts, server }).values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return {
    method: !isAsked ? "worked out from the rules" : aclDryrun ? "ACL DRYRUN" : "a scratch server",
    commands: commands.map(({ name, dangerous }) => ({ command: name, dangerous })),
    users: users.map((user) => ({
      user: user.name,
      enabled: user.enabled,
      nopass: user.nopass,
      allowed: commands.map(({ index, ...command }) =>
        isAsked
          ? answered(access.get(user.name)?.[index], command, user, areNamesKnown)
          : permitted(command, user, server, areNamesKnown),
      ),
    })),
  };
}

function isKnown(name: string, table: NonNullable<Server["commands"]>): boolean {
  const full = name.toLowerCase().replace(" ", "|");
  return !full.includes("|") || table.commands.has(full) || !table.subcommands.has(full.split("|")[0] ?? "");
}

/** What the server says. A name that it does not know any more is taken away from everybody, where all new names are known. */
function answered(
  answer: string | undefined,
  command: MatrixCommand,
  user: AclUser,
  areNamesKnown: boolean,
): boolean | null {
  if (answer === undefined) return null;
  if (/^(OK|QUEUED)$/.test(answer)) return true;
  // The key of the question is none of the user's own: it may run the command on those, where it has any.
  if (/permissions to access|No permissions to access/i.test(answer)) return reaches(command, user);
  if (/not found|unknown command/i.test(answer)) return areNamesKnown ? false : null;
  return /no permissions|NOPERM/i.test(answer) ? false : null;
}

function permitted(
  { name, needs, words }: MatrixCommand,
  user: AclUser,
  server: Server,
  areNamesKnown: boolean,
): boolean | null {
  const table = server.commands;
  if (table === undefined) return false;
  const isGone = server.config
    .all("rename-command")
    .some(({ args }) => args[0]?.toUpperCase() === words[0] && args[1] === "");
  const [command = "", subcommand] = name.toLowerCase().split(" ");
  const { selectors, ...own } = permissions(user, table);
  const may = [own, ...selectors].some(
    ({ commands }) =>
      commands.has(command) || (subcommand !== undefined && commands.has(`${command}|${subcommand}`)),
  );
  // Before 6.2 no rule speaks of channels.
  const isFree = needs === "channel" && !server.version.capabilities.aclChannels;
  const isPermitted = !isGone && may && (isFree || reaches({ needs }, user));
  return isPermitted && !areNamesKnown ? null : isPermitted;
}

function reaches({ needs }: Pick<MatrixCommand, "needs">, user: AclUser): boolean {
  return [user, ...user.selectors].some(({ allKeys, keys, allChannels, channels }) =>
    needs === "key"
      ? allKeys || keys.size > 0
      : needs === "channel"
        ? allChannels || channels.size > 0
        : true,
  );
}
