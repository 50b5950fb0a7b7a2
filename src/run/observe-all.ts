import type { FactName } from "../facts/probe.ts";
import { pool } from "../lib/pool.ts";
import type { HostOutcome, Looked, Planned } from "../record/outcome.ts";
import type { Progress } from "../report/progress.ts";
import type { Host, PlannedHost } from "./host.ts";
import { Hosts } from "./hosts.ts";
import type { HostJob } from "./job.ts";
import { observe } from "./observe.ts";
import { partOf } from "./part-of.ts";
import type { Run } from "./run.ts";
import { runRecordOf, writeAsAsked } from "./run-record.ts";
import { outcomeText } from "./terminal.ts";

/** How the hosts of a run are looked at. */
export interface Look {
  /** Beside the facts that the playbook's tasks ask for. */
  facts?: readonly FactName[];
  /** In the place of the playbook's plan, for a host that could be planned. */
  plan?: (host: PlannedHost<Looked>) => Host<Looked> | Promise<Host<Looked>>;
  /** For each host that the command does not go on with: what is kept of it. */
  finish?: (host: Host<Looked>) => Host<Looked>;
  /** What else is done about it then. It may take long, and has no more of the host than what is kept. */
  afterwards?: (host: Host<Looked>) => Promise<void>;
}

/** Observes every host of a run, `--forks` at a time, each on its own: a hung one delays nobody. */
export async function observeAll(run: Run, progress: Progress, look: Look = {}): Promise<Hosts> {
  const hosts = Hosts.notAsked(run.jobs);
  const { environment, options } = run;
  environment.onEarlyEnd(() => writeAsAsked(runRecordOf(run, hosts.records()), run));
  await pool(
    run.jobs,
    options.forks,
    (job) => partOf(hosts, job, environment, () => lookAt(run, hosts, job, progress, look)),
    { lateGiveWay: true },
  );
  return hosts;
}

async function lookAt(
  run: Run,
  hosts: Hosts,
  job: HostJob,
  progress: Progress,
  { facts = [], plan, finish = (host) => host, afterwards }: Look,
): Promise<void> {
  if (run.environment.interrupted.aborted) return;
  progress.update(job.host, "asking");
  let host = await observe(run, hosts.of(job), facts);
  hosts.put(host);
  if (plan !== undefined && host.plan !== undefined) host = await plan(host);
  hosts.put(host);
  // Only these go on with a host, and only where there is something to do.
  const goesOn = run.command !== "plan" && run.command !== "verify" && !run.options.check;
  if (goesOn && host.outcome.status === "would-change") {
    progress.update(job.host, "planned");
    return;
  }
  host.link.close();
  if (run.command === "verify") host = onlyLookedAt(host);
  hosts.put(host);
  progress.done(job.host, host.outcome.status, outcomeText(run, host));
  host = finish(host);
  hosts.put(host);
  await afterwards?.(host);
}

/** A guard stops an apply, not a look: a host that could be checked is as it was. One that was never asked stays so. */
export function onlyLookedAt<O extends HostOutcome>(host: Host<O>): Host<O | Planned> {
  const { outcome, findings, link } = host;
  const isStopped = outcome.error !== null && !(outcome.status === "refused" && findings.checks.length > 0);
  return isStopped || link.connections === 0
    ? host
    : { ...host, outcome: { status: "unchanged", error: null } };
}
