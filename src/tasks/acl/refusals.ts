import { unknownRules } from "../../redis/acl-commands.ts";
import { patternProblem, ruleProblem } from "../../redis/acl-presets.ts";
import type { AclUser } from "../../redis/acl-user.ts";
import { foundUsers } from "../../redis/found-users.ts";
import { parseAclFile } from "../../redis/parse-acl.ts";
import type { Refusal } from "../../resources/kind.ts";
import { aclPath } from "./file.ts";
import type { Context } from "./parameters.ts";

/** With nobody to log in as, all clients would stand outside, and so would redkeep: it could neither check Redis nor confirm. */
export function* nobodyLeft(users: readonly AclUser[]): Iterable<Refusal> {
  if (users.some(({ enabled }) => enabled)) return;
  yield {
    guard: null,
    found: "nobody could log in any more: the default user goes off, and acl.users names no other",
    remedy: "list an administrator: { name: admin, preset: admin, password: { generate: true } }",
  };
}

/** A file of somebody else's, such as /etc/shadow, is not to be written over. */
export function* fileRefusals({ params, facts, server }: Context): Iterable<Refusal> {
  const path = aclPath(params.file, server.configPath);
  const content = facts.configFiles.aclFiles.get(path);
  if (!facts.files.paths.has(path) || server.config.get("aclfile")?.[0] === path) return;
  const isAclFile =
    content !== undefined && (content.trim() === "" || parseAclFile(content, path).users.length > 0);
  if (isAclFile) return;
  yield {
    guard: null,
    found: `acl.file ${path} is there already, and is no ACL file`,
    remedy: "name another file (acl.file), or move that one away",
  };
}

/** Replicas and Sentinel log in too: with the default user off they stand outside. */
export function* linkRefusals(context: Context): Iterable<Refusal> {
  const { params, server, config } = context;
  // Where the default user is off already, nobody loses it by this run.
  if (context.facts.redis.aclUsers !== undefined && foundUsers(context).get("default")?.enabled === false)
    return;
  const has = (preset: string) => params.users.some((user) => user.preset === preset);
  if (server.role === "slave" && config.get("masteruser") === undefined) {
    yield {
      guard: "replication",
      found: "this host is a replica that logs in to its primary as the default user, which goes off",
      remedy:
        "give the playbook a user with preset replication, and set masteruser and masterauth on every member first",
    };
  } else if (server.role === "master" && server.replicas > 0 && !has("replication")) {
    yield {
      guard: "replication",
      found: `${server.replicas} replica(s) follow this host, and the playbook has no user with preset replication`,
      remedy: "add one, and set masteruser and masterauth on the replicas first",
    };
  }
  if (server.hasSentinel && !has("sentinel")) {
    yield {
      guard: "sentinel",
      found: "a Sentinel watches this host, and the playbook has no user with preset sentinel",
      remedy: "add one, and set auth-user and auth-pass in Sentinel first",
    };
  }
}

export function* ruleRefusals({ params, server }: Context): Iterable<Refusal> {
  const table = server.commands;
  for (const { name, keys = [], channels = [], allow = [] } of params.users) {
    const problems = [
      ...keys.map((key) => patternProblem("key", key, server.version.capabilities)),
      ...channels.map((channel) => patternProblem("channel", channel, server.version.capabilities)),
      ...allow.map((rule) => ruleProblem(rule, server.version.capabilities)),
      ...(table === undefined ? [] : unknownRules(allow, table)),
    ].filter((problem) => problem !== undefined);
    for (const problem of problems) {
      yield {
        guard: null,
        found: `acl user ${name}: ${problem}`,
        remedy: "correct the user in the playbook",
      };
    }
  }
}
