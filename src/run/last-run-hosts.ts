import { type LastRun, readLastRun } from "../history/last-run.ts";
import { InputError } from "../lib/errors.ts";
import { printable } from "../lib/printable.ts";
import { hostList } from "../lib/words.ts";
import type { Run } from "./run.ts";

/**
 * The run with the hosts of the last run alone, unless hosts were named. What is left out is told.
 * @throws InputError where that leaves none.
 */
export async function onlyLastRun(run: Run): Promise<{ run: Run; lastRun: LastRun }> {
  const { limit, retryFailed, shard } = run.options;
  if (limit !== undefined || retryFailed !== undefined) return { run, lastRun: "named" };
  const lastRun = await readLastRun(run.state, shard);
  if (lastRun === undefined) return { run, lastRun };
  const jobs = run.jobs.filter(({ host }) => lastRun.hosts.has(host));
  const others = run.jobs.length - jobs.length;
  if (others === 0) return { run, lastRun };
  const ours = jobs.length === 0 ? "no host of this inventory" : hostList(jobs.map(({ host }) => host));
  const at = lastRun.startedAt.slice(0, 16).replace("T", " ");
  const note = `the last run, the apply of ${at} UTC, changed ${ours}: ${others} other host${others === 1 ? "" : "s"} left out; --limit names others`;
  if (jobs.length === 0) throw new InputError({ key: "--limit", message: `is needed: ${note}` });
  run.environment.stderr.write(`${printable(note)}\n`);
  return { run: { ...run, jobs }, lastRun };
}
