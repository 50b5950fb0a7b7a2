import type { HostFacts } from "../facts/probe.ts";
import type { Client, Denial } from "../facts/redis.ts";
import type { Impact } from "../record/record.ts";
import { addressOf, clientsOf } from "../redis/clients.ts";
import { times } from "./audience.ts";

/** How many entries of one list are described; the rest is counted. */
const FEW = 5;

/**
 * What clients met since a change: entries of ACL LOG that are new, and clients of before that are not connected again.
 * @param seconds since the change began. A restart empties ACL LOG; without one, old entries have their old counts.
 */
export function noticedSince(before: HostFacts, after: HostFacts, seconds: number): Impact[] {
  return [
    ...denied(before, after, seconds),
    ...(after.redis.cut.has("denials") ? [unread("ACL LOG", "what else was denied")] : []),
    // A list that was cut has others than before, whoever came back.
    ...(before.redis.cut.has("clients") || after.redis.cut.has("clients")
      ? [unread("CLIENT LIST", "who is not connected again")]
      : notBack(before, after)),
  ];
}

function unread(list: string, question: string): Impact {
  return { kind: "not-seen", detail: `${list} is too long to be read whole: ${question} is unknown.` };
}

function denied(before: HostFacts, after: HostFacts, seconds: number): Impact[] {
  const keyOf = ({ reason, context, object, user }: Denial) =>
    JSON.stringify([reason, context, object, user]);
  const stood = new Map<string, number>();
  const names = new Set(after.redis.aclUsers?.map((line) => line.split(" ")[1]));
  const isSameProcess = before.redis.info.get("run_id") === after.redis.info.get("run_id");
  for (const entry of isSameProcess ? before.redis.denials : [])
    stood.set(keyOf(entry), (stood.get(keyOf(entry)) ?? 0) + entry.count);
  const sentences = new Map<string, number>();
  for (const entry of after.redis.denials) {
    if (isOurs(entry, after)) continue;
    const known = Math.min(stood.get(keyOf(entry)) ?? 0, entry.count);
    stood.set(keyOf(entry), (stood.get(keyOf(entry)) ?? 0) - known);
    if (entry.ageSeconds > seconds || entry.count === known) continue;
    const what = sentence(entry, names);
    sentences.set(what, (sentences.get(what) ?? 0) + entry.count - known);
  }
  return [...sentences].map(([what, number]) => ({
    kind: "denied-after-apply",
    detail: `${what} ${times(number)} since the change.`,
  }));
}

/** Whether redkeep itself was turned away, with a password that the server did not have yet or has no more. */
function isOurs({ reason, user, client }: Denial, { redis }: HostFacts): boolean {
  return reason === "auth" && user === redis.user && client !== undefined && addressOf(client).isLocal;
}

/** Keys and channels are not named: they may hold anything. */
function sentence({ reason, object, user, client }: Denial, names: ReadonlySet<string | undefined>): string {
  const from = client === undefined ? "" : ` from ${describe(client)}`;
  switch (reason) {
    case "auth":
      // Somebody may have typed a password in place of the name, so an unknown name is not shown.
      return `${names.has(user) ? `user ${user}` : "somebody unknown to Redis"}${from} could not log in`;
    case "command":
      return `user ${user}${from} was denied ${object.replace("|", " ").toUpperCase()}`;
    default:
      return `user ${user}${from} was denied a ${reason} outside its patterns`;
  }
}

/** By address and program, since connections and users change: a client that comes back is another connection. */
function notBack(before: HostFacts, after: HostFacts): Impact[] {
  const back = new Set(clientsOf(after).map(describe));
  const there = new Set(clientsOf(before).map(describe));
  const missing = [...there].filter((client) => !back.has(client));
  if (missing.length === 0) return [];
  const more = missing.length > FEW ? ` and ${missing.length - FEW} more` : "";
  return [
    {
      kind: "not-back-after-apply",
      detail: `not connected again when the host was asked: ${missing.slice(0, FEW).join(", ")}${more}.`,
    },
  ];
}

/** `10.0.0.7 (orders, ioredis 5.3)` */
function describe(client: Client): string {
  const program = [client.name, client.library].filter(Boolean).join(", ");
  return `${addressOf(client).source}${program === "" ? "" : ` (${program})`}`;
}
