import { firstOf } from "../lib/words.ts";
import type { CommandTable } from "../redis/acl-commands.ts";
import { permissions } from "../redis/acl-permissions.ts";
import type { AclUser } from "../redis/acl-user.ts";
import { foundUsers } from "../redis/found-users.ts";
import type { Check } from "../verify/controls.ts";
import { type AuditContext, found, notApplicable, soundSetting, withoutLogin } from "./context.ts";
export function userChecks(context: AuditContext): Check[] {
  return [
    scriptingCheck(context),
    replicationUserCheck(context),
    sentinelUserCheck(context),
    soundSetting(
      context,
      "RK-ACL-14",
      "acl-pubsub-default",
      "acl-pubsub-default resetchannels",
      (value) => value.toLowerCase() === "resetchannels",
    ),
    soundSetting(
      context,
      "RK-ACL-15",
      "acllog-max-len",
      "acllog-max-len above 0",
      (value) => Number(value) > 0,
    ),
  ];
}

/** Every command that a user may run, selectors included. */
function commandsOf(user: AclUser, table: CommandTable): Set<string> {
  const { commands, selectors } = permissions(user, table);
  return new Set([commands, ...selectors.map((selector) => selector.commands)].flatMap((set) => [...set]));
}

function scriptingCheck(context: AuditContext): Check {
  const { facts, server, tasks } = context;
  const expected = "no user may run scripts but those to whom the playbook gives them";
  const source = "ACL LIST against ACL CAT";
  const table = server.commands;
  if (facts.redis.aclUsers === undefined || table === undefined)
    return withoutLogin(context, "RK-ACL-07", expected, source);
  const { acl } = tasks;
  const declared = acl?.users ?? [];
  const mayScript = (name: string) =>
    declared.some(
      (user) =>
        user.name === name &&
        (user.preset === "admin" ||
          user.preset === "sentinel" ||
          user.scripts ||
          (user.allow ?? []).some(isScripting)),
    );
  const scripting = [...(table.categories.get("scripting") ?? [])];
  const able = [...foundUsers(context).values()].filter((user) => {
    if (!user.enabled) return false;
    const permitted = commandsOf(user, table);
    return scripting.some((command) => permitted.has(command));
  });
  // Without the acl task nobody says who needs scripts; that it is everybody is not meant.
  const strange = able
    .filter(({ name, nopass }) => (acl === undefined ? nopass : !mayScript(name)))
    .map(({ name }) => name);
  if (acl === undefined && strange.length === 0)
    return notApplicable("RK-ACL-07", expected, "no acl task says who needs scripts", source);
  return found(
    "RK-ACL-07",
    {
      expected,
      observed:
        strange.length > 0
          ? `${strange.join(", ")} may`
          : able.length === 0
            ? "nobody may"
            : `only ${able.map(({ name }) => name).join(", ")}`,
      source,
    },
    strange.length === 0,
  );
}

function isScripting(rule: string): boolean {
  return /^\+(@all|@scripting|eval|fcall|script|function)/i.test(rule);
}

/** What replication takes, and what every user may do. */
const REPLICA_NEEDS = new Set(["psync", "replconf", "ping", "auth", "hello", "quit", "reset"]);

function replicationUserCheck(context: AuditContext): Check {
  const { server, facts } = context;
  const expected = "masteruser with PSYNC, REPLCONF and PING alone";
  const source = "CONFIG GET masteruser, ACL LIST";
  if (server.running === undefined) return withoutLogin(context, "RK-ACL-11", expected, source);
  if (server.role !== "slave")
    return notApplicable("RK-ACL-11", expected, "this server is no replica", source);
  const name = server.running.get("masteruser") ?? server.running.get("primaryuser") ?? "";
  if (name === "") {
    const observed = `no masteruser: the replica logs in ${server.running.get("masterauth") ? "as the default user" : "not at all"}`;
    return found("RK-ACL-11", { expected, observed, source }, false);
  }
  const user = facts.redis.aclUsers === undefined ? undefined : foundUsers(context).get(name);
  const table = server.commands;
  if (user === undefined || table === undefined) {
    const observed = `${name}, whose rights stand on the primary alone`;
    return found("RK-ACL-11", { expected, observed, source }, { outcome: "unknown" });
  }
  const extra = [...commandsOf(user, table)].filter((command) => !REPLICA_NEEDS.has(command)).sort();
  const observed = `${name}${extra.length === 0 ? "" : ` may also run ${firstOf(extra, 6)}`}`;
  return found("RK-ACL-11", { expected, observed, source }, extra.length === 0);
}

function sentinelUserCheck(context: AuditContext): Check {
  const { server, facts } = context;
  const expected = "Sentinels logged in as a user of their own, without rights to keys";
  const source = "CLIENT LIST, ACL LIST";
  if (facts.redis.user === undefined) return withoutLogin(context, "RK-ACL-12", expected, source);
  const users = new Set(
    facts.redis.clients.filter(({ name }) => name.startsWith("sentinel-")).map(({ user }) => user),
  );
  const isCut = facts.redis.cut.has("clients");
  if (users.size === 0 && !isCut)
    return notApplicable("RK-ACL-12", expected, "no Sentinel is connected to this server", source);
  const table = server.commands;
  const rights = foundUsers(context);
  const bad = [...users].filter((name) => {
    const user = rights.get(name);
    return (
      name === "default" || (user !== undefined && table !== undefined && commandsOf(user, table).has("get"))
    );
  });
  return found(
    "RK-ACL-12",
    {
      expected,
      observed:
        bad.length > 0
          ? `as ${bad.join(", ")}`
          : isCut
            ? "CLIENT LIST is too long to be read whole: which Sentinels are connected is unknown"
            : [...users].join(", "),
      source,
    },
    bad.length === 0 && isCut ? { outcome: "unknown" } : bad.length === 0,
  );
}
