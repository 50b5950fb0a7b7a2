import { matchHosts } from "../inventory/host-pattern.ts";
import { hostVariables, type Inventory } from "../inventory/inventory.ts";
import { Rendering } from "../inventory/rendering.ts";
import { inShard, type Shard, shardKey } from "../inventory/shard.ts";
import { formatProblem, InputError, type Problem } from "../lib/errors.ts";
import { packageDirectory } from "../lib/package.ts";
import type { Play, Playbook } from "../playbook/playbook.ts";
import type { HostStatus } from "../record/statuses.ts";

/**
 * Hosts in the order in which the plays name them, each with its plays. A term that matches nothing beside others that do becomes a
 * warning: it may be a group of another inventory.
 *
 * @throws InputError when no play matches a host, and for an exclusion that excludes nothing: a typo in it would run on the host
 */
export function selectPlays(
  inventory: Inventory,
  playbook: Playbook,
  limit: readonly string[] | undefined,
): { selected: Map<string, Play[]>; warnings: string[] } {
  const limited = limit === undefined ? undefined : new Set(limit);
  const selected = new Map<string, Play[]>();
  const unmatched: Problem[] = [];
  let matched = false;
  for (const play of playbook.plays) {
    const match = matchHosts(inventory, play.hosts, play.place);
    const exclusions = match.unmatched.filter(({ key }) => key?.startsWith("!"));
    if (match.hosts.length > 0 && exclusions.length > 0) throw new InputError(exclusions);
    unmatched.push(...match.unmatched);
    matched ||= match.hosts.length > 0;
    for (const host of ordered(match.hosts, play.order)) {
      if (limited?.has(host) === false) continue;
      selected.set(host, [...(selected.get(host) ?? []), play]);
    }
  }
  if (!matched) {
    throw new InputError(
      unmatched.length > 0
        ? unmatched.map((problem) => ({ ...problem, message: `${problem.message}${hintFor(playbook)}` }))
        : {
            place: { file: playbook.file },
            key: "hosts",
            message: "no play matches a host of the inventory",
          },
    );
  }
  if (selected.size === 0)
    throw new InputError({ key: "--limit", message: "leaves no host of the playbook's plays" });
  return { selected, warnings: unmatched.map(formatProblem) };
}

/** Whoever has named no playbook has not chosen its group. */
function hintFor({ file }: Playbook): string {
  return file.startsWith(packageDirectory)
    ? " This playbook ships with redkeep: copy it to playbooks/harden.yml, and name your group behind hosts"
    : "";
}

function ordered(hosts: readonly string[], order: Play["order"]): string[] {
  const list = [...hosts];
  if (order === "sorted" || order === "reverse_sorted") list.sort((a, b) => (a < b ? -1 : 1));
  if (order.startsWith("reverse")) list.reverse();
  if (order === "shuffle") {
    for (let i = list.length - 1; i > 0; i--) {
      const j = Math.floor(Math.random() * (i + 1));
      [list[i], list[j]] = [list[j] ?? "", list[i] ?? ""];
    }
  }
  return list;
}

export function isInShard(
  inventory: Inventory,
  host: string,
  [first]: readonly Play[],
  shard: Shard | undefined,
): boolean {
  if (shard === undefined) return true;
  const variables = hostVariables(
    inventory,
    host,
    first && { playDefaults: first.defaults, playVars: first.vars },
  );
  return inShard(shardKey(host, new Rendering(host, variables, inventory)), shard);
}

const FINISHED: readonly HostStatus[] = ["changed", "restored", "unchanged"];

/** The hosts of a run record that did not end as wanted, or were never started. */
export async function unfinishedHosts(file: string, inventory: Inventory, cwd: string): Promise<Set<string>> {
  const { readStatuses } = await import("../record/read-record.ts");
  const statuses = await readStatuses(file, cwd);
  const hosts = statuses.filter(({ status }) => !FINISHED.includes(status)).map(({ host }) => host);
  const strange = hosts.find((host) => !inventory.hosts.has(host));
  if (strange !== undefined)
    throw new InputError({
      place: { file },
      key: "--retry-failed",
      message: `names the host ${JSON.stringify(strange)}, which the inventory does not have`,
    });
  return new Set(hosts);
}
