import type { FirewallPlan } from "../../firewall/plan.ts";
import { parseRules } from "../../firewall/ufw-rules.ts";
import type { ChangeRecord, Impact } from "../../record/record.ts";
import { describeUser } from "../../redis/acl-in-words.ts";
import type { AclUser } from "../../redis/acl-user.ts";
import { storedUsers } from "../../redis/found-users.ts";
import { noActions } from "../../resources/kinds.ts";
import { impactOf } from "../impact.ts";
import { memoryOnlyUsers } from "../memory-only.ts";
import type { HostPlan } from "../plan.ts";
import { UFW_RULES } from "../rules-of-others.ts";
import { hasNewRules, type NowAndThen, portOf, textAfter } from "./now-and-then.ts";
import { portImpacts } from "./port-impact.ts";

/** Who will notice, the gravest first: doors that open, then who loses what. */
export function impact(way: NowAndThen, changes: readonly ChangeRecord[]): Impact[] {
  const { facts, server } = way;
  return [
    ...othersImpacts(way),
    ...portImpacts(way),
    ...defaultUserImpacts(way),
    ...tlsImpacts(way),
    ...passwordImpacts(way),
    ...ruleImpacts(way),
    ...commandImpacts(changes),
    ...impactOf(asPlan(way, changes), facts, server),
  ];
}

function* othersImpacts(way: NowAndThen): Iterable<Impact> {
  for (const { family, added, gone } of way.others) {
    for (const text of added)
      yield {
        kind: "rule-lost",
        detail: `ufw's rule ${text} (v${family}) goes, and no run that the host keeps wrote it: what it lets in or keeps out may be somebody else's.`,
      };
    for (const text of gone)
      yield {
        kind: "rule-lost",
        detail: `ufw's rule ${text} (v${family}) comes back, although somebody took it away since redkeep's last run.`,
      };
  }
}

function* defaultUserImpacts(way: NowAndThen): Iterable<Impact> {
  const [now, then] = [way.users.before.get("default"), way.users.after.get("default")];
  const isOpen = (user: AclUser | undefined) => user?.enabled === true && user.nopass;
  if (!isOpen(then) || isOpen(now)) return;
  const isProtected = (way.config.get("protected-mode")?.[0] ?? "yes").toLowerCase() !== "no";
  const who = isProtected
    ? "whoever is on this host (protected mode turns others away)"
    : "whoever reaches its port";
  yield {
    kind: "no-password",
    detail: `user default comes back without a password: ${who} may do all that it may.`,
  };
}

function* tlsImpacts(way: NowAndThen): Iterable<Impact> {
  const [now, then] = [way.server.config, way.config].map((document) => portOf(document, "tls-port"));
  if (now !== 0 && then === 0)
    yield {
      kind: "tls-goes",
      detail: `TLS goes: port ${now} closes, and commands and passwords travel in plain again.`,
    };
  const auth = [way.server.config, way.config].map(
    (document) => document.get("tls-auth-clients")?.[0] ?? "yes",
  );
  if (then !== 0 && now !== 0 && auth[0] === "yes" && auth[1] !== "yes")
    yield { kind: "tls-goes", detail: `port ${then} asks clients for no certificate any more.` };
  if (then !== 0 && now !== 0 && auth[0] !== "yes" && auth[1] === "yes")
    yield {
      kind: "certificate-asked",
      detail: `port ${then} asks clients for a certificate again: who has none of the CA's is refused.`,
    };
}

function* passwordImpacts(way: NowAndThen): Iterable<Impact> {
  const { before, after } = way.users;
  const back = [...after.values()].filter(({ name, passwords, enabled }) => {
    const now = before.get(name);
    return enabled && [...passwords].some((hash) => now?.passwords.has(hash) !== true);
  });
  for (const { name } of back) {
    const isNew = before.get(name)?.enabled !== true;
    yield {
      kind: "password-back",
      detail: isNew
        ? `user ${name} comes back with the password from before the run: whoever knows it gets in again.`
        : `the password of user ${name} from before the run comes back: whoever knows it gets in again, and who has only the one of now is refused.`,
    };
  }
}

function* ruleImpacts(way: NowAndThen): Iterable<Impact> {
  const { before, after } = way.users;
  const changed = [...after.values()].filter((user) => {
    const now = before.get(user.name);
    return (
      now?.enabled === true &&
      user.enabled &&
      describeUser({ ...user, passwords: now.passwords, nopass: now.nopass }) !== describeUser(now)
    );
  });
  for (const user of changed)
    yield {
      kind: "rules-back",
      detail: `user ${user.name} gets its rules from before the run back: ${describeUser(user)}.`,
    };
}

function* commandImpacts(changes: readonly ChangeRecord[]): Iterable<Impact> {
  const names = changes
    .filter(({ address, action }) => action === "delete" && address.startsWith("redis.conf:rename-command "))
    .map(({ address }) => address.split(" ")[1] ?? "");
  if (names.length > 0)
    yield { kind: "commands-back", detail: `${names.sort().join(", ")} answer to their own names again.` };
}

/** As a plan of tasks is compared with who is connected. */
function asPlan(way: NowAndThen, changes: readonly ChangeRecord[]): HostPlan {
  const { after, before } = way.users;
  const listed = [...after.values()].filter(({ enabled }) => enabled).map(({ name }) => name);
  const { firewall } = way.facts;
  const stays: FirewallPlan | undefined =
    way.isActive && !way.goesOff && hasNewRules(way)
      ? {
          rules4: parseRules(textAfter(way, UFW_RULES[4]) ?? firewall.rules4, 4),
          rules6: parseRules(textAfter(way, UFW_RULES[6]) ?? firewall.rules6, 6),
          changes: [{ address: "ufw:rules", action: "update", before: null, after: null, reason: "" }],
          problems: [],
          notes: [],
        }
      : undefined;
  return {
    tasks: [{ task: "rollback", name: "", status: "would-change", reason: null, changes: [...changes] }],
    refusals: [],
    actions: {
      ...noActions(),
      liveSettings: way.restart
        ? []
        : changes.flatMap(({ address, after }): [string, string][] =>
            address.startsWith("redis.conf:") && after !== null
              ? [[address.slice("redis.conf:".length), after]]
              : [],
          ),
      restart: way.restart,
    },
    after: {
      config: way.config,
      users: after === before ? undefined : after,
      listed,
      unknownPasswords: [],
      firewall: stays,
      isGivenBack: true,
      // Users that the file has now and will lack are changes of the plan.
      memoryOnly: memoryOnlyUsers(way, {
        next: new Map([...storedUsers(way), ...after]),
        restarts: way.restart,
      }),
    },
    restartFor: [],
    impact: [],
  };
}
