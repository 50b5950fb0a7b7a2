import type { DryRun } from "../../facts/probe-input.ts";
import { excerpt } from "../../lib/secret.ts";
import { firstOf } from "../../lib/words.ts";
import type { Permissions } from "../../redis/acl-permissions.ts";
import { isPermitted } from "../../redis/acl-presets.ts";
import { MATRIX } from "../../redis/matrix.ts";
import { type Check, check, noLogin } from "../../verify/controls.ts";
import { type Context, placeOf, type User, userParameters } from "./parameters.ts";
import { permitsOf } from "./users.ts";

/** What clients of an application user must not reach, each with arguments that Redis takes. */
const DENIED_TO_APPLICATIONS = MATRIX.filter(({ dangerous }) => dangerous).map(({ words }) => words);
const ALLOWED_TO_APPLICATIONS: readonly (readonly string[])[] = [
  ["PING"],
  ["SELECT", "1"],
  ["MULTI"],
  ["INFO"],
];

/** What the server is asked for a user: commands that it must deny and that it must allow. */
export function dryRunsFor({ name, keys = [] }: User): DryRun[] {
  const asked = [...DENIED_TO_APPLICATIONS, ...ALLOWED_TO_APPLICATIONS];
  const [pattern = ""] = keys;
  const key = pattern.replace(/^%[RW]+~/i, "").replace(/\*/g, "x");
  return [...asked, ...(/^[A-Za-z0-9:._-]+$/.test(key) ? [["GET", key]] : [])].map((command) => ({
    user: name,
    command: [...command],
  }));
}

/** The command without the arguments that it is asked with. */
function nameOf(words: readonly string[]): string {
  const asked = words.join(" ");
  return MATRIX.find((command) => command.words.join(" ") === asked)?.name ?? words[0] ?? "";
}

/** What application users may run, by the server's own answers. */
export function dryRunChecks(context: Context): Check[] {
  const { params, facts, server } = context;
  const table = server.commands;
  return params.users
    .filter(({ preset }) => preset === "application")
    .map((user) => {
      const expected = `${user.name}: dangerous commands denied, ordinary ones allowed`;
      if (table === undefined)
        return noLogin(
          "RK-ACL-05",
          expected,
          "ACL DRYRUN",
          facts.redis.loginError ?? "ACL CAT does not answer",
        );
      const declared = permitsOf(context, user, table);
      const wrong: string[] = [];
      /** What the playbook gives, though its preset does not. */
      const given: string[] = [];
      let denied = 0;
      let allowed = 0;
      for (const { command } of dryRunsFor(user)) {
        const answer = facts.redis.dryRuns.get([user.name, ...command].join(" "));
        if (answer === undefined) continue;
        const isDenied = /no permissions|not found|NOPERM/i.test(answer);
        const isOrdinary =
          ALLOWED_TO_APPLICATIONS.some(([name]) => name === command[0]) || command[0] === "GET";
        // Any other error, such as a wrong number of arguments, tells neither.
        if (!isDenied && answer !== "OK") wrong.push(`${command[0]}: ${excerpt(answer, 60)}`);
        else if (!isOrdinary && !isDenied && isDeclared(declared, command)) given.push(nameOf(command));
        else if (isDenied === isOrdinary) wrong.push(`${nameOf(command)} ${isDenied ? "denied" : "allowed"}`);
        else if (isDenied) denied++;
        else allowed++;
      }
      if (denied + allowed + wrong.length === 0 || !server.version.capabilities.aclDryrun) {
        return check(
          "RK-ACL-05",
          { expected, observed: `${server.version.name} cannot be asked`, source: "ACL DRYRUN" },
          facts.redis.user === undefined
            ? { outcome: "unknown", blockedBy: "login" }
            : { outcome: "skip", skipped: "untold" },
        );
      }
      return check(
        "RK-ACL-05",
        {
          expected,
          observed:
            wrong.length > 0
              ? firstOf(wrong, 6, "; ")
              : `${denied} denied, ${allowed} allowed${given.length === 0 ? "" : `; ${given.join(", ")} by the playbook`}`,
          source: "ACL DRYRUN",
          allows: {
            by: userParameters.by("allow", user, placeOf(user)),
            demand: expected,
            isMet: given.length === 0,
          },
        },
        wrong.length === 0,
      );
    });
}

function isDeclared(declared: Permissions, words: readonly string[]): boolean {
  const [name = "", first = ""] = words.map((word) => word.toLowerCase());
  return isPermitted(declared, `${name}|${first}`);
}
