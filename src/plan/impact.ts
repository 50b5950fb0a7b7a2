import type { HostFacts } from "../facts/probe.ts";
import type { Impact } from "../record/record.ts";
import type { AclUser } from "../redis/acl-user.ts";
import { foundUsers, usersAtStart } from "../redis/found-users.ts";
import type { Server } from "../redis/server.ts";
import { formatSize, parseSize } from "../redis/size.ts";
import { Access } from "./access.ts";
import { type Audience, count, heirsOf, namesOf, settingOf, sinceStart, times } from "./audience.ts";
import { clientImpacts } from "./client-impact.ts";
import { commandImpacts } from "./command-impact.ts";
import { memoryOnlyImpacts, rulesAtRestart } from "./memory-only.ts";
import { changesOf, type HostPlan } from "./plan.ts";

/**
 * Who would notice the plan, in sentences, the gravest first: clients that are connected now, and commands that ran since
 * Redis started. A client that comes later is not seen.
 */
export function impactOf(plan: HostPlan, facts: HostFacts, server: Server): Impact[] {
  if (facts.redis.user === undefined) return [];
  const inMemory = memoryOnlyImpacts({ facts, server }, plan.after.memoryOnly);
  if (changesOf(plan).length === 0) return inMemory;
  const before = foundUsers({ facts, server });
  const audience: Audience = {
    plan,
    facts,
    server,
    before,
    after: plan.after.users ?? (plan.actions.restart ? usersAtStart({ facts, server }) : before),
    access: new Access(server.commands),
  };
  return [
    ...inMemory,
    ...unknownPasswordImpacts(plan),
    ...(plan.actions.restart ? rulesAtRestart({ facts, server }, audience.after, plan.after.listed) : []),
    ...clientImpacts(audience),
    ...commandImpacts(audience),
    ...keyImpacts(audience),
    ...channelImpacts(audience),
    ...limitImpacts(audience),
    ...unseenImpacts(facts),
  ];
}

/** An older copy of the state would bring back passwords that somebody has replaced since. */
function unknownPasswordImpacts({ after }: HostPlan): Impact[] {
  return after.unknownPasswords.map((name) => ({
    kind: "unknown-password",
    detail: `user ${name} has a generated password here that this controller's state never had: another copy of the state may have made it since. If so, bring that copy first: this run replaces the password by this state's, and clients that have the other one are refused.`,
  }));
}

/** Answers that clients made too long to read whole: somebody whom we do not see may notice as well. */
function* unseenImpacts({ redis }: HostFacts): Iterable<Impact> {
  if (redis.cut.has("clients")) {
    yield {
      kind: "not-seen",
      detail:
        "CLIENT LIST is too long to be read whole, so who else would notice is unknown: a client, or a Sentinel. Look for long names there, and end those clients.",
    };
  }
  if (redis.cut.has("key")) {
    yield {
      kind: "not-seen",
      detail:
        "A sampled key has a name too long to be read whole, so whether its users still reach it is unknown.",
    };
  }
}

/** Sampled keys that a user reaches now and will not reach any more. No key is shown. */
function keyImpacts(audience: Audience): Impact[] {
  const { facts, before, after, access } = audience;
  const keys = [...new Set(facts.redis.keys)];
  const enabled = [...before.values()].filter((user) => user.enabled);
  const lostTo = (user: AclUser, heirs: readonly AclUser[]) =>
    keys.filter((key) => access.reachesKey(user, key) && !heirs.some((heir) => access.reachesKey(heir, key)));
  const told = new Set<AclUser>();
  const impacts: Impact[] = [];
  const tell = (who: string, heirs: readonly AclUser[], lost: readonly string[]) => {
    for (const heir of heirs) told.add(heir);
    const patterns = [...new Set(heirs.flatMap((heir) => [...heir.keys.keys()]))];
    const reach = patterns.length === 0 ? "no keys" : `only ${patterns.join(" ")}`;
    const lie = lost.length === 1 ? "lies" : "lie";
    impacts.push({
      kind: "keys-denied",
      detail: `${who} reaches ${reach}: of ${count(keys.length, "sampled key")}, ${lost.length} ${lie} outside${prefixes(lost)}. Add their pattern to its keys.`,
    });
  };
  for (const user of enabled) {
    const next = after.get(user.name);
    const lost = next?.enabled ? lostTo(user, [next]) : [];
    if (next !== undefined && lost.length > 0) tell(`user ${user.name}`, [next], lost);
  }
  const heirs = heirsOf(audience).filter((heir) => heir.keys.size > 0);
  for (const user of enabled) {
    const isUsed = facts.redis.clients.some((client) => client.user === user.name);
    if (after.get(user.name)?.enabled || !isUsed || heirs.every((heir) => told.has(heir))) continue;
    const lost = lostTo(user, heirs);
    if (lost.length > 0) tell(`who leaves user ${user.name} for ${namesOf(heirs)}`, heirs, lost);
  }
  return impacts;
}

/** What stands before the first colon, where it is a plain word that several keys share: no secret looks like that. */
function prefixes(keys: readonly string[]): string {
  const found = keys.flatMap((key) => /^[A-Za-z][A-Za-z_-]{0,15}:/.exec(key)?.[0] ?? []);
  const shared = [...new Set(found)].filter((prefix) => found.indexOf(prefix) < found.lastIndexOf(prefix));
  return shared.length === 0 ? "" : ` (${shared.map((prefix) => `${prefix}…`).join(", ")})`;
}

/** Nobody asks which channels are in use: this says that some are, and that the user may not use all of them any more. */
function channelImpacts({ facts, before, after, server }: Audience): Impact[] {
  if (!server.version.capabilities.aclChannels) return [];
  return [...before.values()].flatMap((user): Impact[] => {
    const next = after.get(user.name);
    if (!user.enabled || next?.enabled !== true || next.allChannels) return [];
    const isNarrower = user.allChannels || [...user.channels].some((channel) => !next.channels.has(channel));
    const subscribers = facts.redis.clients.filter(
      (client) => client.user === user.name && client.subscriptions > 0,
    ).length;
    const published = facts.redis.commandCalls.get("publish") ?? 0;
    if (!isNarrower || subscribers + published === 0) return [];
    const used = [
      subscribers > 0 ? count(subscribers, "subscriber") : "",
      published > 0 ? `PUBLISH ran ${times(published)}` : "",
    ];
    const left = next.channels.size === 0 ? "no channel" : `only channels ${[...next.channels].join(" ")}`;
    return [
      {
        kind: "channels-denied",
        detail: `user ${user.name} (${used.filter(Boolean).join(", ")}) may use ${left} from now on. Add others to its channels.`,
      },
    ];
  });
}

function* limitImpacts(audience: Audience): Iterable<Impact> {
  const { facts, server } = audience;
  const info = (name: string) => Number(facts.redis.info.get(name) ?? 0);
  const [clients, memory, policy] = ["maxclients", "maxmemory", "maxmemory-policy"].map((name) => {
    const { before, after } = settingOf(audience, name);
    return { after, isNew: before !== after };
  });
  // The probe's own connection counts among them.
  const connected = info("connected_clients") - 1;
  const maxclients = Number(clients?.after ?? Number.POSITIVE_INFINITY);
  if (clients?.isNew && connected > maxclients) {
    yield {
      kind: "client-refused",
      detail: `${count(connected, "client")} now, and maxclients ${maxclients}: ${connected - maxclients} of them will be refused when they connect anew. Raise limits.maxclients.`,
    };
  }
  const maxmemory = parseSize(memory?.after ?? "") ?? 0;
  if (memory?.isNew && maxmemory > 0 && (server.usedMemory ?? 0) > maxmemory) {
    const fate = policy?.after === "noeviction" ? "writes are refused" : "keys are evicted at once";
    yield {
      kind: "writes-denied",
      detail: `${formatSize(server.usedMemory ?? 0)} are in use, and maxmemory ${formatSize(maxmemory)}: ${fate}. Raise limits.maxmemory.`,
    };
  }
  const evicted = info("evicted_keys");
  if (policy?.isNew && policy.after === "noeviction" && evicted > 0) {
    yield {
      kind: "writes-denied",
      detail: `${count(evicted, "key")} made room since Redis started${sinceStart(facts)}: with noeviction writes are refused instead when the memory is full.`,
    };
  }
}
