import { isIP } from "node:net";
import { hostVariables } from "../inventory/inventory.ts";
import { REPLICATION_GROUP, type Shard } from "../inventory/shard.ts";
import { isLoopback } from "../lib/network.ts";
import { nameKey, peersOf } from "../plan/replication.ts";
import { stopped } from "../record/outcome.ts";
import { as, type Host } from "../run/host.ts";
import type { Run } from "../run/run.ts";
import { memberOf } from "./groups.ts";

/** The most hosts that are warned of one by one. */
const TOLD = 10;

/**
 * In a shard that has some hosts of a replication group and lacks others: says so, in a sentence for each host, and refuses
 * those that this run would restart. One run changes the hosts of a group one after the other; two shards that run beside
 * each other would not, and could take down a primary and its replicas at once.
 * @returns the hosts and the warnings; none where the run is no shard.
 */
export function guardSplitGroups(
  run: Run,
  hosts: readonly Host[],
): { readonly hosts: readonly Host[]; readonly warnings: readonly string[] } {
  const { shard, accept } = run.options;
  if (shard === undefined) return { hosts, warnings: [] };
  const splits = splitsOf(run, hosts, shard);
  const rest = splits.length - TOLD;
  const warnings = splits.map(({ found, remedy }) => `${found}: ${remedy}`);
  return {
    hosts: hosts.map((host) => {
      const split = splits.find((one) => one.host === host);
      const wouldRestart = host.outcome.status === "would-change" && host.work.restart.needed;
      if (split === undefined || !wouldRestart || accept.has("split-replication-group")) return host;
      return as(
        host,
        stopped("refused", {
          where: "split-replication-group",
          found: `${split.found}: both could restart at once`,
          remedy: `${split.remedy} in the inventory`,
          guards: ["split-replication-group"],
        }),
      );
    }),
    warnings:
      rest > 1
        ? [...warnings.slice(0, TOLD), `${rest} more hosts of this shard replicate with hosts outside of it`]
        : warnings,
  };
}

interface Split {
  host: Host;
  found: string;
  remedy: string;
}

function splitsOf(run: Run, hosts: readonly Host[], { index, count }: Shard): Split[] {
  const here = namesOf(hosts);
  let elsewhere: Map<string, string> | undefined;
  return hosts.flatMap((one) => {
    const member = memberOf(one);
    if (member === undefined) return [];
    const { host } = one.job;
    const { primary, replicas } = peersOf(member);
    const peers = [
      ...(primary === undefined ? [] : [{ address: primary, relation: "replicates from" }]),
      ...replicas.map((address) => ({ address, relation: "is the primary of" })),
    ];
    return peers.flatMap(({ address, relation }) => {
      if (here.has(nameKey(address))) return [];
      elsewhere ??= namesInInventory(run);
      // A tunnel ends on loopback, whoever is at its other end.
      const other = isLoopback(address) ? undefined : elsewhere.get(nameKey(address));
      const isInOtherShard = other !== undefined && run.selected.has(other);
      // Whoever has named the group of a host has said which others belong to it.
      if (!isInOtherShard && isGrouped(run, host)) return [];
      const found = isInOtherShard
        ? `${host} ${relation} ${other}, which is in another shard than ${index}/${count}`
        : `${host} ${relation} ${other ?? address}, which no host of shard ${index}/${count} is known as`;
      const remedy = isInOtherShard
        ? `give ${host} and ${other} the same ${REPLICATION_GROUP}`
        : `give ${host}, and the hosts that it replicates with, the same ${REPLICATION_GROUP}`;
      return { host: one, found, remedy };
    });
  });
}

/** Every name and address by which the hosts of the run may be known to others. */
function namesOf(hosts: readonly Host[]): Set<string> {
  return new Set(
    hosts.flatMap((host) => {
      const names = memberOf(host)?.names ?? [host.job.connection.address];
      return [host.job.host, ...names].filter((name) => !isLoopback(name)).map(nameKey);
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
