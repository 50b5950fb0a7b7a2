import type { HostFacts } from "../facts/probe.ts";
import { excerpt } from "../lib/secret.ts";
import { firstOf } from "../lib/words.ts";
import { type Impact, STAYS_IN_MEMORY } from "../record/record.ts";
import type { AclUser } from "../redis/acl-user.ts";
import { addressOf } from "../redis/clients.ts";
import { diffUsers } from "../redis/diff-users.ts";
import { foundUsers, storedUsers, unreadAclFile, usersAtStart } from "../redis/found-users.ts";
import { rightsInWords } from "../redis/rights-in-words.ts";
import type { Server } from "../redis/server.ts";
import type { Refusal } from "../resources/kind.ts";
import type { MemoryOnlyUser } from "./plan.ts";

/*
 * Users whom `ACL SETUSER` made on the running server, and whom no file has. One may be an application's, set up in a hurry, or an
 * intruder's. So redkeep writes none of them into a file, says who each is, and lets a restart end one only if you accept that.
 */

interface Host {
  facts: HostFacts;
  server: Server;
}

/** How many are described in full; the others are counted, since a client can make any number. */
const FEW = 10;
const ADDRESSES = 3;

/**
 * The users of a host that live only in memory, sorted by name. None where the server does not list its users.
 *
 * @param next the users that the files will have; by default those with which Redis would start today
 * @param removesUnlisted whether the playbook removes the users that it does not list
 */
export function memoryOnlyUsers(
  { facts, server }: Host,
  {
    next = usersAtStart({ facts, server }),
    restarts,
    removesUnlisted = false,
  }: { next?: ReadonlyMap<string, AclUser> | undefined; restarts: boolean; removesUnlisted?: boolean },
): MemoryOnlyUser[] {
  if (facts.redis.aclUsers === undefined) return [];
  const stored = storedUsers({ facts, server });
  return [...foundUsers({ facts, server }).values()]
    .filter(({ name }) => !next.has(name) && !(removesUnlisted && stored.has(name)))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map((user) => ({ user, fate: removesUnlisted ? "removed" : restarts ? "ends" : "stays" }));
}

/** Why Redis must not be restarted: it would end users that nobody said should go. */
export function* memoryOnlyRefusals(host: Host, users: readonly MemoryOnlyUser[]): Iterable<Refusal> {
  const ending = users.filter(({ fate }) => fate === "ends");
  const refusal = (found: string): Refusal => ({
    guard: "memory-only-users",
    found,
    remedy:
      "name it in acl.users where it is yours, and run the acl task; where it is not, find out who made it (CLIENT LIST, ACL LOG). Accept to let the restart end it: no file has it, and no rollback brings it back",
  });
  for (const { user } of ending.slice(0, FEW))
    yield refusal(`${whoIs(host, user)}. The restart that this run needs ends it`);
  if (ending.length > FEW) yield refusal(`${ending.length - FEW} more users live only in memory`);
}

const ENDS = `${STAYS_IN_MEMORY}-ends`;

const FATES: Readonly<Record<MemoryOnlyUser["fate"], { kind: Impact["kind"]; sentence: string }>> = {
  stays: {
    kind: STAYS_IN_MEMORY,
    sentence:
      "It stays until Redis restarts; redkeep never writes it down. Name it in acl.users where it is yours; else look at who made it, and remove it (ACL DELUSER).",
  },
  ends: { kind: ENDS, sentence: "The restart of this run ends it: no file has it." },
  removed: { kind: ENDS, sentence: "It is removed: acl.unlisted is remove." },
};

/** Each of them, in a sentence: who it is, what it may do, who uses it now and what becomes of it. */
export function memoryOnlyImpacts(host: Host, users: readonly MemoryOnlyUser[]): Impact[] {
  const told = users.slice(0, FEW).map(({ user, fate }): Impact => {
    const { kind, sentence } = FATES[fate];
    return { kind, detail: `${whoIs(host, user)}.${loggedIn(host, user)} ${sentence}` };
  });
  const [next] = users.slice(FEW);
  if (next !== undefined)
    told.push({
      kind: FATES[next.fate].kind,
      detail: `${users.length - FEW} more users live only in memory (ACL LIST).`,
    });
  return told;
}

/** Users whose rules in memory are not those of their file: the restart brings back the file's. */
export function* rulesAtRestart(
  { facts, server }: Host,
  next: ReadonlyMap<string, AclUser>,
  listed: readonly string[],
): Iterable<Impact> {
  const table = server.commands;
  if (table === undefined || facts.redis.aclUsers === undefined) return;
  for (const user of foundUsers({ facts, server }).values()) {
    const stored = next.get(user.name);
    if (user.name === "default" || stored === undefined || listed.includes(user.name)) continue;
    const differences = diffUsers(stored, user, table);
    if (differences.length > 0)
      yield {
        kind: "memory-only-rules",
        detail: `${shownName(user)} has other rules in memory than in its file (${firstOf(differences, 3, "; ")}): the restart brings back those of the file.`,
      };
  }
}

function whoIs(host: Host, user: AclUser): string {
  return `${shownName(user)} ${aboutMemoryOnly(host, user)}`;
}

/** `user "eve"` */
export function shownName({ name }: AclUser): string {
  return `user "${excerpt(name, 60)}"`;
}

/** `lives only in memory, and may be an intruder's: every command on every key and channel, with a password` */
export function aboutMemoryOnly(host: Host, user: AclUser): string {
  const file = unreadAclFile(host);
  const where =
    file === undefined
      ? "lives only in memory"
      : `is in memory, and whether ${excerpt(file, 100)} has it could not be read`;
  return `${where}, and may be an intruder's: ${rightsInWords(user, host.server.commands)}`;
}

function loggedIn({ facts }: Host, { name }: AclUser): string {
  const clients = facts.redis.clients.filter((client) => client.user === name);
  const sources = [...new Set(clients.map((client) => addressOf(client).source))];
  if (sources.length === 0) return "";
  const more = sources.length > ADDRESSES ? ` and ${sources.length - ADDRESSES} more` : "";
  return ` Logged in now: ${sources.slice(0, ADDRESSES).join(", ")}${more}.`;
}
