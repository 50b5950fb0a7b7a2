import { pool } from "../lib/pool.ts";
import { type Member, type Place, replicasFirst, replicationGroups } from "../plan/replication.ts";
import { notStarted } from "../record/outcome.ts";
import { hasFailed } from "../record/summary.ts";
import { as, type Host } from "../run/host.ts";
import type { Hosts } from "../run/hosts.ts";
import { type HostJob, machineOf } from "../run/job.ts";

/**
 * The replication groups among the hosts of a run. Replicas are changed before their primary, and never two hosts of a group
 * at once. After one of them fails, no other of its group is started.
 */
export class Groups {
  readonly #hosts: Hosts;
  readonly #places: Map<string, Place>;
  /** Replicas whose link to their primary was up when the run began. */
  readonly #linked: Set<string>;
  /** Why no further host of a group is started. */
  readonly #stopped = new Map<object, string>();

  constructor(hosts: Hosts) {
    this.#hosts = hosts;
    this.#places = replicationGroups(hosts.all().flatMap((host) => memberOf(host) ?? []));
    this.#linked = new Set(
      hosts
        .all()
        .filter(isLinked)
        .map(({ job }) => job.host),
    );
  }

  /** The same hosts, replicas before their primary. */
  ordered(jobs: readonly HostJob[]): HostJob[] {
    return replicasFirst(jobs, ({ host }) => this.#places.get(host));
  }

  /** Works on the hosts of a batch, `limit` at a time, those of one group one after the other. */
  async work(batch: readonly HostJob[], limit: number, work: (job: HostJob) => Promise<void>): Promise<void> {
    await pool(this.#lanes(batch), limit, async (lane) => {
      for (const job of lane) {
        const group = this.#places.get(job.host)?.group;
        const obstacle = group && this.#stopped.get(group);
        if (obstacle === undefined) {
          await work(job);
          const trouble = this.#troubleWith(this.#hosts.of(job));
          if (group !== undefined && trouble !== undefined) this.#stopped.set(group, trouble);
        } else {
          const outcome = notStarted({
            where: "replication group",
            found: obstacle,
            remedy: "repair that host first, then run again: redkeep never puts two hosts of a group at risk",
          });
          this.#hosts.put(as(this.#hosts.of(job), outcome));
        }
      }
    });
  }

  /** The hosts that are changed one after the other: those of a group, and the servers of one machine, which has one lock. */
  #lanes(batch: readonly HostJob[]): HostJob[][] {
    const laneOf = new Map<unknown, HostJob[]>();
    const keysOf = (job: HostJob): unknown[] => [machineOf(job), this.#places.get(job.host)?.group ?? job];
    for (const job of batch) {
      const lane = [...new Set(keysOf(job).flatMap((key) => [laneOf.get(key) ?? []]))].flat();
      lane.push(job);
      for (const member of lane) for (const key of keysOf(member)) laneOf.set(key, lane);
    }
    return [...new Set(laneOf.values())];
  }

  #troubleWith(host: Host): string | undefined {
    const { job, outcome } = host;
    if (hasFailed(outcome.status))
      return `${job.host}, of the same replication group, ended as ${outcome.status}`;
    return outcome.status === "changed" && this.#linked.has(job.host) && !isLinked(host)
      ? `the replica ${job.host} is not in step with its primary yet`
      : undefined;
  }
}

/** A host's place in replication, as it reports it; undefined where it could not be asked. */
export function memberOf({ job, observation }: Host): Member | undefined {
  if (observation === undefined) return undefined;
  const { facts, server } = observation;
  const addresses = facts.host.addresses.map(({ address }) => address);
  return {
    host: job.host,
    names: [...addresses, facts.host.hostname, job.connection.address],
    info: facts.redis.info,
    configuredPrimary: server.config.get("replicaof"),
  };
}

function isLinked({ observation }: Host): boolean {
  return observation?.facts.redis.info.get("master_link_status") === "up";
}
