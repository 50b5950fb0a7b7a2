import type { Play, Serial } from "../playbook/playbook.ts";
import { hasFailed } from "../record/summary.ts";
import type { Hosts } from "../run/hosts.ts";
import type { HostJob } from "../run/job.ts";
import type { Groups } from "./groups.ts";

/**
 * Runs the hosts that would change play by play, in the batches of `serial`, and stops where the play says so.
 * `serial` and its percentages count hosts that can be reached and would change. Replicas come before their primary.
 */
export async function inBatches(
  plays: readonly Play[],
  hosts: Hosts,
  pending: readonly HostJob[],
  groups: Groups,
  interrupted: AbortSignal,
  work: (batch: readonly HostJob[]) => Promise<void>,
): Promise<void> {
  const failedOf = (jobs: readonly HostJob[]) =>
    jobs.filter((job) => hasFailed(hosts.of(job).outcome.status)).length;
  for (const play of plays) {
    const isOurs = (job: HostJob) => job.plays[0] === play;
    const all = hosts
      .all()
      .map(({ job }) => job)
      .filter(isOurs);
    const lost = failedOf(all);
    if (play.anyErrorsFatal && lost > 0) return;
    if (exceeds(lost, all.length, play.maxFailPercentage)) return;
    for (const batch of batchesOf(groups.ordered(pending.filter(isOurs)), play.serial)) {
      if (interrupted.aborted) return;
      await work(batch);
      const failed = failedOf(batch);
      if (failed > 0 && play.anyErrorsFatal) return;
      if (failed === batch.length || exceeds(failed, batch.length, play.maxFailPercentage)) return;
    }
  }
}

function exceeds(failed: number, total: number, percentage: number | undefined): boolean {
  return percentage !== undefined && total > 0 && failed * 100 > percentage * total;
}

/** `[1, 10%, 100%]` of ten hosts: 1, 1, 8. The last entry repeats; no entry is all at once. */
export function batchesOf<T>(hosts: readonly T[], serial: readonly Serial[]): T[][] {
  const batches: T[][] = [];
  let at = 0;
  for (let i = 0; at < hosts.length; i++) {
    const entry = serial[Math.min(i, serial.length - 1)];
    const size =
      entry === undefined
        ? hosts.length
        : "count" in entry
          ? entry.count
          : Math.max(1, Math.floor((hosts.length * entry.percent) / 100));
    batches.push(hosts.slice(at, at + size));
    at += size;
  }
  return batches;
}
