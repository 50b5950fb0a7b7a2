import { isLoopback, normalizeAddress } from "../lib/network.ts";

/** What a host of a run tells of its place in replication. */
export interface Member {
  host: string;
  /** The addresses and names by which other servers may know the host. */
  names: readonly string[];
  /** The fields of `INFO`; empty where it could not be asked. */
  info: ReadonlyMap<string, string>;
  /** Host and port of `replicaof` in redis.conf, for a server that could not be asked. */
  configuredPrimary: readonly string[] | undefined;
}

export interface Place {
  /** The same object for every host of one group. */
  group: object;
  /** 0 for the primary, 1 for its replicas, 2 for replicas of those, … */
  depth: number;
}

/**
 * Which hosts of a run replicate from each other, by what both ends say: the primary's address, its list of replicas,
 * the replication ID that all of a group share. Replicas of one primary outside the run are a group too. A host alone
 * has no entry. What hosts say falsely can only make groups larger, that is, the run slower.
 */
export function replicationGroups(members: readonly Member[]): Map<string, Place> {
  const byName = new Map<string, string>();
  for (const { host, names } of members)
    for (const name of [host, ...names]) if (!isLoopback(name)) byName.set(nameKey(name), host);
  const sets = new DisjointSets();
  /** The primary of each replica, where the run has it. */
  const primaries = new Map<string, string | undefined>();
  for (const member of members) {
    const { host, info } = member;
    const [primary, port = ""] = primaryOf(member);
    if (primary !== undefined) {
      // A tunnel ends on loopback, so only the replication ID says which group it is.
      const found = isLoopback(primary) ? undefined : byName.get(nameKey(primary));
      primaries.set(host, found);
      if (found !== undefined) sets.join(hostKey(host), hostKey(found));
      else if (!isLoopback(primary)) sets.join(hostKey(host), `primary ${nameKey(primary)} ${port}`);
    }
    for (const address of replicasOf(info)) {
      const replica = byName.get(nameKey(address));
      if (replica !== undefined) sets.join(hostKey(host), hostKey(replica));
    }
    const id = info.get("master_replid") ?? "";
    if (/^[0-9a-f]{40}$/.test(id) && !/^0+$/.test(id)) sets.join(hostKey(host), `id ${id}`);
  }
  const groups = new Map<string, Member[]>();
  for (const member of members) {
    const root = sets.find(hostKey(member.host));
    groups.set(root, [...(groups.get(root) ?? []), member]);
  }
  const places = new Map<string, Place>();
  for (const group of groups.values()) {
    if (group.length < 2) continue;
    for (const { host } of group) places.set(host, { group, depth: depthOf(host, primaries) });
  }
  return places;
}

/**
 * The hosts in an order in which replicas come before their primary. Members change places only among themselves, so the
 * order of everything else, and the canary unless it is a primary, stay as they are.
 */
export function replicasFirst<T>(hosts: readonly T[], placeOf: (host: T) => Place | undefined): T[] {
  const waiting = new Map<object, T[]>();
  for (const host of hosts) {
    const group = placeOf(host)?.group;
    if (group !== undefined) waiting.set(group, [...(waiting.get(group) ?? []), host]);
  }
  for (const members of waiting.values())
    members.sort((a, b) => (placeOf(b)?.depth ?? 0) - (placeOf(a)?.depth ?? 0));
  return hosts.map((host) => waiting.get(placeOf(host)?.group ?? {})?.shift() ?? host);
}

/** The primary and the replicas that a server names, by the addresses that it knows. */
export function peersOf(member: Member): { primary: string | undefined; replicas: string[] } {
  const [primary] = primaryOf(member);
  return { primary: primary === "" ? undefined : primary, replicas: replicasOf(member.info) };
}

function replicasOf(info: Member["info"]): string[] {
  return [...info].flatMap(([field, value]) => {
    const [, address] = /^slave\d+$/.test(field) ? (/(?:^|,)ip=([^,]+)/.exec(value) ?? []) : [];
    return address ?? [];
  });
}

/** Host and port of whom a server replicates from, if from anybody. */
function primaryOf({ info, configuredPrimary = [] }: Member): readonly (string | undefined)[] {
  if (info.get("role") === "slave") return [info.get("master_host") ?? "", info.get("master_port")];
  const isNoOne = configuredPrimary.join(" ").toLowerCase() === "no one";
  return info.size === 0 && !isNoOne ? configuredPrimary : [];
}

/** Steps up to the primary; one that the run does not have counts as one step. */
function depthOf(host: string, primaries: ReadonlyMap<string, string | undefined>): number {
  const seen = new Set<string>();
  for (let at: string | undefined = host; at !== undefined && primaries.has(at) && !seen.has(at); ) {
    seen.add(at);
    at = primaries.get(at);
  }
  return seen.size;
}

/** One form of a name or an address, whatever its case or notation. */
export function nameKey(name: string): string {
  return normalizeAddress(name) ?? name.toLowerCase();
}

/** Apart from replication IDs and primaries outside the run, whatever a host is called. */
function hostKey(host: string): string {
  return `host ${host}`;
}

class DisjointSets {
  readonly #parents = new Map<string, string>();

  find(item: string): string {
    let root = item;
    for (let up = this.#parents.get(root); up !== undefined; up = this.#parents.get(root)) root = up;
    for (let at = item; at !== root; ) {
      const up = this.#parents.get(at) ?? root;
      this.#parents.set(at, root);
      at = up;
    }
    return root;
  }

  join(a: string, b: string): void {
    const [from, to] = [this.find(a), this.find(b)];
    if (from !== to) this.#parents.set(from, to);
  }
}
