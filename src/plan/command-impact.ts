import type { Client } from "../facts/redis.ts";
import type { Impact } from "../record/record.ts";
import { isForScripts } from "../redis/acl-presets.ts";
import type { AclUser } from "../redis/acl-user.ts";
import { addressOf, clientsOf } from "../redis/clients.ts";
import { type Audience, heirsOf, namesOf, sinceStart, times } from "./audience.ts";
import { changesOf } from "./plan.ts";

/** What redkeep itself asks: the server's counts of these tell nothing about others. Before 7.0 subcommands are not counted apart. */
const OWN =
  /^(acl(\|.*)?|auth|client|client\|(list|setname|kill)|command(\|(docs|info))?|config|config\|get|echo|hello|info|ping|randomkey)$/;

/** What redkeep runs besides where it changes a host: from its first change on, the counts of these tell as little. */
const OWN_CHANGES = /^(bgrewriteaof|bgsave|config\|(set|rewrite)|dbsize)$/;

/** No rule binds these: whoever may connect may send them. */
const UNBOUND = /^(quit|reset)$/;

/** What to do without a command, where there is more to say than how to allow it. */
const INSTEAD: Readonly<Record<string, string>> = {
  keys: "Use SCAN",
  flushall: "Delete by SCAN and UNLINK",
  flushdb: "Delete by SCAN and UNLINK",
  shutdown: "Use systemctl stop",
  sort: "Sort in the client",
  save: "Let the server save by its own save points",
  bgsave: "Let the server save by its own save points",
  monitor: "Use SLOWLOG, or a proxy that logs",
};

/** Commands that were run, and that some or all of their users lose: how often, by whom last, and what to do instead. */
export function commandImpacts(audience: Audience): Impact[] {
  const { facts } = audience;
  const hasChangedHost = facts.transaction.last !== undefined;
  const isOurs = (name: string) =>
    OWN.test(name) || UNBOUND.test(name) || (hasChangedHost && OWN_CHANGES.test(name));
  const calls = new Map(
    [...facts.redis.commandCalls].filter(([name, number]) => number > 0 && !isOurs(name)),
  );
  const clients = Map.groupBy(clientsOf(facts), ({ command }) => command);
  const commands = new Set([...calls.keys(), ...clients.keys()]);
  commands.delete("NULL");
  return [...commands]
    .map((command) => ({ command, number: calls.get(command) ?? 0, last: clients.get(command) ?? [] }))
    .toSorted((a, b) => b.number - a.number || (a.command < b.command ? -1 : 1))
    .flatMap(({ command, number, last }) => impactOn(command, number, last, audience));
}

function impactOn(command: string, calls: number, last: readonly Client[], audience: Audience): Impact[] {
  const gone = takenAway(command, audience);
  const loss =
    gone === undefined
      ? lossOf(command, calls, last, audience)
      : { fate: gone, isOf: () => true, only: undefined };
  if (loss === undefined) return [];
  const name = command.replace("|", " ").toUpperCase();
  const losers = last.filter(({ user }) => loss.isOf(user));
  if (calls === 0 && losers.length === 0) return [];
  const who = loss.only === undefined || calls === 0 ? "" : `user ${loss.only} `;
  const ran =
    calls === 0 ? name : who === "" ? `${name} ran ${times(calls)}` : `${who}ran ${name} ${times(calls)}`;
  const since = calls === 0 ? "" : ` since Redis started${sinceStart(audience.facts)}`;
  const instead = INSTEAD[command];
  const rule = isForScripts(command) ? "scripts: true" : `allow: [+${command}]`;
  // A hint about the playbook helps nobody in a rollback.
  const isTold = gone === undefined && audience.plan.after.isGivenBack !== true;
  const allow = isTold ? `where it is needed, ${rule}` : "";
  const advice = [instead, allow].filter(Boolean).join("; ");
  return [
    {
      kind: "command-denied",
      detail: `${ran}${since}${lastBy(losers)}: ${loss.fate}.${advice === "" ? "" : ` ${advice.charAt(0).toUpperCase()}${advice.slice(1)}.`}`,
    },
  ];
}

function lastBy(clients: readonly Client[]): string {
  const names = [
    ...new Set(
      clients.map((client) => {
        const known = [client.name, `user ${client.user}`].filter(Boolean).join(", ");
        return `${addressOf(client).source} (${known})`;
      }),
    ),
  ];
  if (names.length === 0) return "";
  return `, last by ${names.slice(0, 3).join(", ")}${names.length > 3 ? ` and ${names.length - 3} more` : ""}`;
}

/** Renamed or disabled for everybody by this plan. */
function takenAway(command: string, { plan }: Audience): string | undefined {
  const [container = ""] = command.split("|");
  const change = changesOf(plan).find(
    ({ address }) => address.toLowerCase() === `redis.conf:rename-command ${container}`,
  );
  if (change === undefined) return undefined;
  return change.after === "taken away"
    ? "taken away from everybody"
    : "renamed, and root alone can read the new name";
}

/** The users whose new rules take the command away; undefined where everybody who may have run it still may, or moves to a user who may. */
function lossOf(
  command: string,
  calls: number,
  last: readonly Client[],
  audience: Audience,
): { fate: string; isOf: (user: string) => boolean; only: string | undefined } | undefined {
  const { before, after, access, server } = audience;
  // Commands that a replica's own clients did not send came from its primary, which no user's rules restrict.
  const isReplicated =
    server.role === "slave" && server.commands?.categories.get("write")?.has(command) === true;
  if (server.commands === undefined || (isReplicated && last.length === 0)) return undefined;
  const able = [...before.values()].filter((user) => user.enabled && access.mayRun(user, command));
  const heirs = heirsOf(audience);
  const losers = able.filter((user) => {
    const next = after.get(user.name);
    const successors = next?.enabled === true ? [next] : heirs;
    return !successors.some((successor) => access.mayRun(successor, command));
  });
  if (losers.length === 0) return undefined;
  // A removed user without a successor loses everything: the sentences about clients say that.
  if (calls === 0 && heirs.length === 0 && !losers.some(({ name }) => after.get(name)?.enabled))
    return undefined;
  const staying = losers.filter(({ name }) => after.get(name)?.enabled === true);
  const still = [...after.values()].filter((user) => user.enabled && access.mayRun(user, command));
  return {
    fate:
      calls === 0 || staying.length < losers.length
        ? onlyFor(still)
        : `denied to ${usersOf(staying)} from now on`,
    isOf: (user) => losers.some(({ name }) => name === user),
    only: able.length === 1 ? able[0]?.name : undefined,
  };
}

function onlyFor(still: readonly AclUser[]): string {
  return still.length === 0 ? "denied to everybody from now on" : `only ${namesOf(still)} may from now on`;
}

function usersOf(users: readonly AclUser[]): string {
  return `user ${namesOf(users)}`;
}
