import { pool } from "../lib/pool.ts";
import { type Member, type Place, replicasFirst, replicationGroups } from "../plan/replication.ts";
import type { RunRecord } from "../record/record.ts";
import { hasFailed } from "../record/summary.ts";
import { fail, type HostSession } from "../run/observe.ts";
import { machineOf } from "../run/prepare.ts";

/**
 * The replication groups among the hosts of a run: replicas are changed before their primary, never two of a group at
 * once, and none any more after one of them ended otherwise than asked.
 */
export class Groups {
  readonly #places: Map<string, Place>;
  /** Replicas whose link to their primary was up when the run began. */
  readonly #linked: Set<string>;
  /** Why no further host of a group is begun. */
  readonly #stopped = new Map<object, string>();
  readonly #command: RunRecord["command"];

  constructor(sessions: readonly HostSession[], command: RunRecord["command"]) {
    this.#command = command;
    this.#places = replicationGroups(sessions.flatMap((session) => memberOf(session) ?? []));
    this.#linked = new Set(sessions.filter(isLinked).map(({ job }) => job.host));
  }

  /** The same hosts, replicas before their primary. */
  ordered(hosts: readonly HostSession[]): HostSession[] {
    return replicasFirst(hosts, ({ job }) => this.#places.get(job.host));
  }

  /** Works on the hosts of a batch, `limit` at a time, those of one group one after the other. */
  async work(
    batch: readonly HostSession[],
    limit: number,
    work: (session: HostSession) => Promise<void>,
  ): Promise<void> {
    await pool(this.#lanes(batch), limit, async (lane) => {
      for (const session of lane) {
        const group = this.#places.get(session.job.host)?.group;
        const obstacle = group && this.#stopped.get(group);
        if (obstacle === undefined) {
          await work(session);
          const trouble = this.#troubleWith(session);
          if (group !== undefined && trouble !== undefined) this.#stopped.set(group, trouble);
        } else {
          fail(session, "not-started", {
            where: "replication group",
            found: obstacle,
            remedy: "see to that host first, then run again: two of a group are never put at risk",
          });
        }
      }
    });
  }

  /** The hosts that are changed one after the other: those of a group, and the servers of one machine, which has one lock. */
  #lanes(batch: readonly HostSession[]): HostSession[][] {
    const laneOf = new Map<unknown, HostSession[]>();
    const keysOf = ({ job }: HostSession): unknown[] => [
      machineOf(job),
      this.#places.get(job.host)?.group ?? job,
    ];
    for (const session of batch) {
      const lane = [...new Set(keysOf(session).flatMap((key) => [laneOf.get(key) ?? []]))].flat();
      lane.push(session);
      for (const member of lane) for (const key of keysOf(member)) laneOf.set(key, lane);
    }
    return [...new Set(laneOf.values())];
  }

  /** Whether a host ended otherwise than the run's command asked: unreachable hosts too. */
  hasFailed({ record }: HostSession): boolean {
    return hasFailed(record.status, this.#command);
  }

  #troubleWith(session: HostSession): string | undefined {
    const { job, record } = session;
    if (this.hasFailed(session))
      return `${job.host}, of the same replication group, ended as ${record.status}`;
    return record.status === "changed" && this.#linked.has(job.host) && !isLinked(session)
      ? `the replica ${job.host} is not in step with its primary yet`
      : undefined;
  }
}

/** What a host has told of its place in replication; undefined where it could not be asked. */
export function memberOf({ job, observation }: HostSession): Member | undefined {
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

function isLinked({ observation }: HostSession): boolean {
  return observation?.facts.redis.info.get("master_link_status") === "up";
}
