import { redisWord } from "../facts/redis-script.ts";
import type { Attributes } from "../lib/attributes.ts";
import type { ChangeRecord } from "../record/record.ts";
import { describeUser } from "../redis/acl-in-words.ts";
import { type AclUser, renderAclUser } from "../redis/acl-user.ts";
import { diffUsers } from "../redis/diff-users.ts";
import { foundUsers, type StoredUser } from "../redis/found-users.ts";
import { parseAclFile } from "../redis/parse-acl.ts";
import type { Server } from "../redis/server.ts";
import type { Draft, Kind } from "./kind.ts";
import { MASK } from "./setting.ts";

declare module "./kind.ts" {
  interface Kinds {
    "acl-file": {
      wants: WantedUsers;
      /** Redis commands for a server that is not restarted, each a list of words. */
      does: { liveAcl: string[][] };
    };
  }
}

interface WantedUsers {
  path: string;
  /** The default user and those of the playbook, in order. */
  users: readonly AclUser[];
  /** Others, which a file of the host has: they stay as that file has them, behind the playbook's. */
  kept?: readonly StoredUser[];
  /** Who is neither goes, out of memory too. */
  removesUnlisted?: boolean;
  /** The names of those that the playbook has. */
  listed?: readonly string[];
  /** Users whose password is only made at apply. */
  generated: readonly string[];
  /** Users with a password here that this controller never had: it may be newer than the one that it has. */
  unknownPasswords?: readonly string[];
  /** Users whose login the running server refuses: only a restart loads their line, right as it may be. */
  refused?: readonly string[];
  attributes: Attributes;
}

/**
 * The file of users, and the users that the running server has.
 *
 * The way back puts the old file into its place; a server that was not restarted gets its own old users by `ACL SETUSER`.
 */
export const aclFile: Kind<"acl-file"> = {
  differ: (wanted, draft) => {
    const { path, users, kept = [], attributes } = wanted;
    const { facts, server, actions, effects } = draft;
    const inNewFile = new Map([...users, ...kept].map((user) => [user.name, user]));
    effects.users = inNewFile;
    effects.listed = wanted.listed ?? [];
    effects.unknownPasswords = wanted.unknownPasswords ?? [];
    draft.removesUnlisted = wanted.removesUnlisted ?? false;
    const content = facts.configFiles.aclFiles.get(path);
    const parsed = content === undefined ? undefined : parseAclFile(content, path);
    const found: Found = {
      server,
      inFile: new Map(parsed?.users.map(({ user }) => [user.name, user])),
      running: facts.redis.aclUsers === undefined ? undefined : foundUsers({ facts, server }),
      isLoaded: server.running?.get("aclfile") === path,
    };
    const changes = [
      ...users.flatMap((user) => userChange(user, wanted, found, actions.liveAcl)),
      ...kept.flatMap((user) => keptChange(user, found)),
      ...removals(inNewFile, draft, found),
    ];
    const isSound = parsed !== undefined && parsed.problems.length === 0 && !/(^|\s)>/m.test(content ?? "");
    if (changes.length === 0 && !isSound) {
      changes.push({
        address: `file:${path}`,
        action: parsed === undefined ? "create" : "update",
        before: parsed?.problems[0]?.message ?? (parsed === undefined ? null : "passwords in clear text"),
        after: "one line for each user, passwords as hashes",
        restart: false,
      });
    }
    if (changes.length > 0) {
      const lines = [...inNewFile.values()].map((user) => renderAclUser(user, server.version.capabilities));
      const text = draft.render("users.acl.ejs", { lines });
      actions.files.push({ path, content: { text, secret: true }, attributes });
    }
    return changes;
  },

  /** What no task writes or removes goes on as it runs, until a restart. */
  settle: ({ facts, server, actions, effects, removesUnlisted }) => {
    if (actions.restart) actions.liveAcl = [];
    else if (effects.users !== undefined && !removesUnlisted && facts.redis.aclUsers !== undefined) {
      const isUnlisted = (name: string) => name !== "default" && !effects.listed.includes(name);
      const running = [...foundUsers({ facts, server })].filter(([name]) => isUnlisted(name));
      effects.users = new Map([...effects.users, ...running]);
    }
    return [];
  },

  none: () => ({ liveAcl: [] }),

  program: ({ liveAcl }, { facts }) => ({
    live: liveAcl.map((words) => words.map(redisWord).join(" ")),
    undo: usersAsFound(liveAcl, facts.redis.aclUsers ?? []),
  }),

  // The file itself is one of `files`.
  writes: () => [],
};

interface Found {
  server: Server;
  inFile: ReadonlyMap<string, AclUser>;
  running: ReadonlyMap<string, AclUser> | undefined;
  /** The running server has its users from this file. */
  isLoaded: boolean;
}

function userChange(
  user: AclUser,
  { generated, refused = [] }: WantedUsers,
  { server, inFile, running, isLoaded }: Found,
  liveAcl: string[][],
): ChangeRecord[] {
  const [there, loaded] = [inFile.get(user.name), running?.get(user.name)];
  const isGenerated = generated.includes(user.name);
  const holds = (found: AclUser | undefined) =>
    found !== undefined && !isGenerated && permitsTheSame(user, found, server);
  const fileHolds = holds(there);
  const runningHolds = running === undefined ? fileHolds && !refused.includes(user.name) : holds(loaded);
  if (fileHolds && runningHolds) return [];
  const before = loaded ?? there;
  if (!runningHolds && isLoaded) liveAcl.push(...liveUser(user, loaded, server));
  const address = `users.acl:${user.name}`;
  if (
    before !== undefined &&
    !runningHolds &&
    before.passwords.size > 0 &&
    permitsTheSame({ ...user, passwords: before.passwords }, before, server)
  )
    return [
      {
        address,
        action: "update",
        before: `password ${MASK}`,
        after: `another password ${MASK}${isGenerated ? ", generated at apply" : ""}`,
        restart: !isLoaded,
      },
    ];
  const made = isGenerated ? `; password ${MASK}, generated at apply` : "";
  const after = `${describeUser(user)}${made}`;
  const note =
    before !== undefined && describeUser(before) === after
      ? runningHolds
        ? " (in memory only: written to the file)"
        : before.passwords.size > 0
          ? " (changed)"
          : ""
      : "";
  return [
    {
      address,
      action: before === undefined ? "create" : "update",
      before: before === undefined ? null : describeUser(before),
      after: `${after}${note}`,
      restart: !runningHolds && !isLoaded,
    },
  ];
}

function keptChange(user: StoredUser, { server, inFile }: Found): ChangeRecord[] {
  const there = inFile.get(user.name);
  if (there !== undefined && permitsTheSame(user, there, server)) return [];
  const isInConfig = server.config.all("user").some(({ args }) => args[0] === user.name);
  return [
    {
      address: `users.acl:${user.name}`,
      action: there === undefined ? "create" : "update",
      before: there === undefined ? null : describeUser(there),
      after: `${describeUser(user)} (not in the playbook: kept as ${isInConfig ? "redis.conf" : "its file"} has it)`,
      restart: false,
    },
  ];
}

/** Who lives only in memory is not of the file: it goes where the playbook says so, and is never written. */
function removals(
  inNewFile: ReadonlyMap<string, AclUser>,
  { removesUnlisted, actions }: Draft,
  { inFile, running, isLoaded }: Found,
): ChangeRecord[] {
  return [...new Map([...inFile, ...(running ?? [])])].flatMap(([name, user]): ChangeRecord[] => {
    if (inNewFile.has(name) || (!removesUnlisted && !inFile.has(name))) return [];
    if (isLoaded) actions.liveAcl.push(["ACL", "DELUSER", name]);
    return [
      {
        address: `users.acl:${name}`,
        action: "delete",
        before: describeUser(user),
        after: null,
        restart: !isLoaded,
      },
    ];
  });
}

/** By what they permit where the server's commands are known, else word by word. */
function permitsTheSame(wanted: AclUser, found: AclUser, { commands, version }: Server): boolean {
  if (commands !== undefined) return diffUsers(wanted, found, commands).length === 0;
  return renderAclUser(wanted, version.capabilities) === renderAclUser(found, version.capabilities);
}

/** Replaces a user's rules in one command, so that nobody sees a half-made user, and ends sessions that should not live on. */
function liveUser(user: AclUser, before: AclUser | undefined, { version }: Server): string[][] {
  const [, , ...rules] = renderAclUser(user, version.capabilities).split(" ");
  const commands = [["ACL", "SETUSER", user.name, "reset", ...joinSelectors(rules)]];
  const passwordGone =
    before !== undefined && [...before.passwords].some((hash) => !user.passwords.has(hash));
  const switchedOff = before?.enabled === true && !user.enabled;
  // Sockets that are logged in keep their rights through a new password or `off` (redis-hardening.md, 2). Those of a default
  // user who was off before have not logged in yet, and want to as somebody else.
  if (switchedOff || passwordGone || before?.nopass === true)
    commands.push(["CLIENT", "KILL", "USER", user.name, "SKIPME", "yes"]);
  return commands;
}

/** A selector in parentheses is one word of ACL SETUSER although it holds blanks. */
function joinSelectors(words: readonly string[]): string[] {
  const joined: string[] = [];
  let open: string[] | undefined;
  for (const word of words) {
    if (open !== undefined) open.push(word);
    else if (word.startsWith("(")) open = [word];
    else joined.push(word);
    if (open !== undefined && word.endsWith(")")) {
      joined.push(open.join(" "));
      open = undefined;
    }
  }
  return joined;
}

/** @param found the running server's users, as ACL LIST says them */
function usersAsFound(liveAcl: readonly string[][], found: readonly string[]): string[] {
  const touched = new Set(
    liveAcl.filter(([, verb]) => verb === "SETUSER" || verb === "DELUSER").map(([, , name = ""]) => name),
  );
  const rulesOf = new Map(found.map((line) => [line.split(" ")[1] ?? "", line.split(" ").slice(2)]));
  return [...touched].map((name) => {
    const rules = rulesOf.get(name);
    return (rules === undefined ? ["ACL", "DELUSER", name] : ["ACL", "SETUSER", name, "reset", ...rules])
      .map(redisWord)
      .join(" ");
  });
}
