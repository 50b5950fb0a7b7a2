import { isIP } from "node:net";
import { hostVariables } from "../inventory/inventory.ts";
import { isLoopback } from "../lib/network.ts";
import { nameKey, peersOf } from "../plan/replication.ts";
import { fail, type HostSession } from "../run/observe.ts";
import type { RunOptions } from "../run/options.ts";
import type { Run } from "../run/prepare.ts";
import { memberOf } from "./groups.ts";
import { REPLICATION_GROUP } from "./shard.ts";

/** The most hosts that are warned of one by one. */
const TOLD = 10;

/**
 * In a shard that has some hosts of a replication group and lacks others: says so, in a sentence for each host, and refuses
 * those that this run would restart. One run changes the hosts of a group one after the other; two shards that run beside
 * each other would not, and could take down a primary and its replicas at once.
 * @returns the warnings; none where the run is no shard.
 */
export function guardSplitGroups(
  run: Run,
  sessions: readonly HostSession[],
  options: Pick<RunOptions, "accept">,
): string[] {
  const { shard } = run;
  if (shard === undefined) return [];
  const here = namesOf(sessions);
  let elsewhere: Map<string, string> | undefined;
  const warnings: string[] = [];
  for (const session of sessions) {
    const member = memberOf(session);
    if (member === undefined) continue;
    const { host } = session.job;
    const { primary, replicas } = peersOf(member);
    const peers = [
      ...(primary === undefined ? [] : [{ address: primary, relation: "replicates from" }]),
      ...replicas.map((address) => ({ address, relation: "is the primary of" })),
    ];
    for (const { address, relation } of peers) {
      if (here.has(nameKey(address))) continue;
      elsewhere ??= namesInInventory(run);
      // A tunnel ends on loopback, whoever is at its other end.
      const other = isLoopback(address) ? undefined : elsewhere.get(nameKey(address));
      const isInOtherShard = other !== undefined && run.selected.has(other);
      // Whoever has named the group of a host has said which others belong to it.
      if (!isInOtherShard && isGrouped(run, host)) continue;
      const found = isInOtherShard
        ? `${host} ${relation} ${other}, which is in another shard than ${shard.index}/${shard.count}`
        : `${host} ${relation} ${other ?? address}, which no host of shard ${shard.index}/${shard.count} is known as`;
      const remedy = isInOtherShard
        ? `give ${host} and ${other} the same ${REPLICATION_GROUP}`
        : `give ${host}, and the hosts that it replicates with, the same ${REPLICATION_GROUP}`;
      warnings.push(`${found}: ${remedy}`);
      const { record } = session;
      const wouldRestart = record.status === "would-change" && record.restart.needed;
      if (!wouldRestart || options.accept.has("split-replication-group")) continue;
      fail(session, "refused", {
        where: "split-replication-group",
        found: `${found}: both could restart at once`,
        remedy: `${remedy} in the inventory`,
        guards: ["split-replication-group"],
      });
    }
  }
  const rest = warnings.length - TOLD;
  return rest > 1
    ? [...warnings.slice(0, TOLD), `${rest} more hosts of this shard replicate with hosts outside of it`]
    : warnings;
}

/** Every name and address by which the hosts of the run may be known to others. */
function namesOf(sessions: readonly HostSession[]): Set<string> {
  return new Set(
    sessions.flatMap((session) => {
      const names = memberOf(session)?.names ?? [session.job.connection.address];
      return [session.job.host, ...names].filter((name) => !isLoopback(name)).map(nameKey);
    }),
  );
}

/** Hosts of the inventory by name and by each address that stands in the variables of one of them alone. */
function namesInInventory({ inventory }: Run): Map<string, string> {
  const found = new Map<string, string | undefined>();
  const add = (name: string, host: string) => {
    const key = nameKey(name);
    found.set(key, found.has(key) && found.get(key) !== host ? undefined : host);
  };
  for (const host of inventory.hosts.keys()) {
    for (const [name, { value }] of hostVariables(inventory, host))
      if (typeof value === "string" && (name === "ansible_host" || isIP(value) !== 0) && !isLoopback(value))
        add(value, host);
  }
  for (const host of inventory.hosts.keys()) found.set(nameKey(host), host);
  return new Map([...found].flatMap(([name, host]) => (host === undefined ? [] : [[name, host] as const])));
}

function isGrouped({ inventory, jobs }: Run, host: string): boolean {
  const play = jobs.find((job) => job.host === host)?.plays[0];
  const variables = hostVariables(inventory, host, {
    ...(play === undefined ? {} : { playDefaults: play.defaults, playVars: play.vars }),
  });
  return variables.has(REPLICATION_GROUP);
}
