import type { Play, Serial } from "../playbook/playbook.ts";
import type { HostSession } from "../run/observe.ts";
import type { Groups } from "./groups.ts";

/**
 * Runs the hosts that would change play by play, in the batches of `serial`, and stops where the play says so.
 * `serial` and its percentages count hosts that can be reached and would change. Replicas come before their primary.
 */
export async function inBatches(
  plays: readonly Play[],
  sessions: readonly HostSession[],
  pending: readonly HostSession[],
  groups: Groups,
  interrupted: AbortSignal,
  work: (batch: HostSession[]) => Promise<void>,
): Promise<void> {
  for (const play of plays) {
    const isOurs = ({ job }: HostSession) => job.plays[0] === play;
    const all = sessions.filter(isOurs);
    const hosts = pending.filter(isOurs);
    const lost = all.filter((session) => groups.hasFailed(session));
    if (play.anyErrorsFatal && lost.length > 0) return;
    if (exceeds(lost.length, all.length, play.maxFailPercentage)) return;
    for (const batch of batchesOf(groups.ordered(hosts), play.serial)) {
      if (interrupted.aborted) return;
      await work(batch);
      const failed = batch.filter((session) => groups.hasFailed(session)).length;
      const isWhollyFailed = failed === batch.length;
      if (failed > 0 && play.anyErrorsFatal) return;
      if (isWhollyFailed || exceeds(failed, batch.length, play.maxFailPercentage)) return;
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
