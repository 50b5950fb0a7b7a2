import type { HostFacts } from "../facts/probe.ts";
import { excerpt } from "../lib/secret.ts";
import { diffUsers } from "../redis/diff-users.ts";
import { foundUsers } from "../redis/found-users.ts";
import type { Server } from "../redis/server.ts";
import { type Check, check, noLogin } from "./controls.ts";

interface Member {
  facts: HostFacts;
  server: Server;
}

/**
 * Whether a replica has the users of its primary: ACLs are not replicated.
 * @param primary as the replica names it; undefined for a server that is no replica.
 * @param other the host that this is; undefined where the run has none, or several that say so of themselves.
 */
export function sameUsersCheck(
  member: Member,
  primary: string | undefined,
  other: (Member & { host: string }) | undefined,
): Check {
  const source = "ACL LIST";
  // Without a login it does not say what it is: a replica, or none.
  if (other === undefined && member.server.role === undefined)
    return noLogin(
      "RK-ACL-13",
      "the users of its primary",
      source,
      member.facts.redis.loginError ?? "INFO does not answer",
    );
  if (other === undefined) {
    const observed =
      primary === undefined
        ? "this server is no replica: its replicas are compared with it"
        : `its primary ${excerpt(primary, 100)} is no other host of this run`;
    const texts = { expected: "the users of its primary", observed, source };
    return check(
      "RK-ACL-13",
      { ...texts, isAdvisory: true },
      primary === undefined ? { outcome: "skip" } : { outcome: "skip", skipped: "untold" },
    );
  }
  const expected = `the users of ${other.host}`;
  const table = member.server.commands;
  for (const { facts } of [member, other]) {
    if (facts.redis.aclUsers === undefined || table === undefined)
      return noLogin("RK-ACL-13", expected, source, facts.redis.loginError ?? "ACL LIST does not answer");
  }
  const [found, wanted] = [foundUsers(member), foundUsers(other)];
  const differences = [
    ...[...wanted].flatMap(([name, user]) => {
      const there = found.get(name);
      if (there === undefined) return [`lacks ${name}`];
      const [first] = table === undefined ? [] : diffUsers(user, there, table);
      return first === undefined ? [] : [`${name} ${first}`];
    }),
    ...[...found.keys()].filter((name) => !wanted.has(name)).map((name) => `also has ${name}`),
  ];
  const observed = differences.length === 0 ? "the same" : differences.join("; ");
  return check("RK-ACL-13", { expected, observed, source, isAdvisory: true }, differences.length === 0);
}
