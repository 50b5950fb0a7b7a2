import { firstOf } from "../../lib/words.ts";
import { describeUser } from "../../redis/acl-in-words.ts";
import { dangerousFor, isPermitted, matchesNearlyAll } from "../../redis/acl-presets.ts";
import type { AclUser } from "../../redis/acl-user.ts";
import { diffUsers } from "../../redis/diff-users.ts";
import { foundUsers, storedUsers } from "../../redis/found-users.ts";
import type { Allowance } from "../../verify/allowance.ts";
import { type Check, check, noLogin } from "../../verify/controls.ts";
import { aclSource, NEXT, usersNext } from "./next-start.ts";
import { type Context, placeOf, userParameters } from "./parameters.ts";
import { permitsOf, playbookUsers } from "./users.ts";

/** Two weakenings of one control: it counts as a failure from the first day on that one of them names. */
function bothAllowed(one: Allowance | undefined, other: Allowance | undefined): Allowance | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  const [until] = [one.until, other.until].filter((day) => day !== undefined).sort();
  const parameter = `${one.parameter} and ${other.parameter}`;
  return { parameter, controls: one.controls, ...(until === undefined ? {} : { until }) };
}

/** Whether the users are those of the playbook, with no more rights than it gives. */
export function userChecks(context: Context): Check[] {
  const { facts, server } = context;
  const table = server.commands;
  if (facts.redis.aclUsers === undefined || table === undefined) {
    return [
      noLogin(
        "RK-ACL-08",
        "the users of the playbook",
        "ACL LIST",
        facts.redis.loginError ?? "ACL CAT does not answer",
      ),
    ];
  }
  const found = foundUsers(context);
  const stored = storedUsers(context);
  const wanted = playbookUsers(context);
  const listed = new Set(["default", ...wanted.map(({ user }) => user.name)]);
  const next = usersNext(context);
  const findings: string[] = [];
  const nextFindings: string[] = [];
  for (const { user, isGenerated } of wanted) {
    const differs = (there: AclUser | undefined): string | undefined => {
      if (there === undefined) return `${user.name} is missing`;
      // A password that this controller does not know cannot be compared.
      const differences = diffUsers(
        isGenerated ? { ...user, passwords: there.passwords } : user,
        there,
        table,
      );
      return differences.length === 0 ? undefined : `${user.name}: ${firstOf(differences, 3)}`;
    };
    const [now, then] = [differs(found.get(user.name)), differs(next.get(user.name))];
    if (now !== undefined) findings.push(now);
    else if (then !== undefined) nextFindings.push(`${NEXT}, ${then}`);
  }
  const others = [...found]
    .filter(([name]) => !listed.has(name))
    .map(
      ([name, user]) =>
        `"${name}"${stored.has(name) ? "" : ", which lives only in memory"} (${describeUser(user)})`,
    );
  const nextOthers = [...next].flatMap(([name, user]) => {
    const now = found.get(name);
    if (listed.has(name) || (now !== undefined && diffUsers(now, user, table).length === 0)) return [];
    return [`"${name}" ${NEXT} (${describeUser(user)})`];
  });
  const bounded = context.params.users.flatMap((user) => {
    const there = found.get(user.name);
    if (user.preset === "admin" || there === undefined) return [];
    const byPreset = permitsOf(context, { ...user, allow: [], scripts: false }, table);
    const dangerous = dangerousFor(there, table).filter((command) => !isPermitted(byPreset, command));
    return [{ user, name: user.name, there, dangerous }];
  });
  return [
    check(
      "RK-ACL-08",
      {
        expected: [...listed].join(", "),
        observed: [...findings, ...nextFindings].join("; ") || `exactly ${[...listed].join(", ")}`,
        source: aclSource(context, nextFindings.length > 0),
      },
      findings.length === 0 && nextFindings.length === 0,
    ),
    check(
      "RK-ACL-08",
      {
        expected: "no other user",
        observed:
          others.length + nextOthers.length === 0 ? "none" : `also ${[...others, ...nextOthers].join(", ")}`,
        source: aclSource(context, nextOthers.length > 0),
        isAdvisory: context.params.unlisted === "keep",
      },
      others.length === 0 && nextOthers.length === 0,
    ),
    ...bounded.map(({ user, name, there, dangerous }) => {
      const declared = permitsOf(context, user, table);
      const extra = dangerous.filter((command) => !isPermitted(declared, command));
      const demand = `${name}: no command of @admin or @dangerous${user.preset === "application" ? "" : " beyond its preset's"}`;
      return check(
        "RK-ACL-05",
        {
          expected: demand,
          observed:
            dangerous.length === 0
              ? `none of ${table.commands.size} commands`
              : firstOf(extra.length === 0 ? dangerous : extra, 8),
          source: "ACL LIST against ACL CAT",
          allows: {
            by: userParameters.by("allow", user, placeOf(user)),
            demand,
            isMet: dangerous.length === 0,
          },
        },
        extra.length === 0 && there.enabled,
      );
    }),
    ...bounded.map(({ user, name, there }) => {
      const weakened = ["keys", "channels"] as const;
      const [keys, channels] = weakened.map((name) => userParameters.by(name, user, placeOf(user)));
      const everyKey = there.allKeys || [...there.keys.keys()].some(matchesNearlyAll);
      // The preset of a Sentinel has all of them.
      const everyChannel =
        user.preset !== "sentinel" && (there.allChannels || [...there.channels].some(matchesNearlyAll));
      return check(
        "RK-ACL-06",
        {
          expected: `${name}: only its own keys and channels`,
          observed: [
            there.allKeys
              ? "every key"
              : [...there.keys.keys()].map((key) => `~${key}`).join(" ") || "no keys",
            there.allChannels
              ? "every channel"
              : [...there.channels].map((channel) => `&${channel}`).join(" ") || "no channels",
          ].join(", "),
          source: "ACL LIST",
          allows: {
            by: bothAllowed(keys, channels),
            demand: `${name}: only its own keys and channels`,
            isMet: !everyKey && !everyChannel,
          },
        },
        !(everyKey && keys === undefined) && !(everyChannel && channels === undefined),
      );
    }),
  ];
}
