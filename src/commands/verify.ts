import { auditTags, isAudited } from "../audit/audit.ts";
import { guardSplitGroups } from "../fleet/split-groups.ts";
import { readEarlierRuns } from "../history/earlier-runs.ts";
import { keepRecord, pruneRecords, recordName } from "../history/kept-records.ts";
import { InputError } from "../lib/errors.ts";
import { isLoopback } from "../lib/network.ts";
import { printable } from "../lib/printable.ts";
import { firstOf } from "../lib/words.ts";
import type { Play } from "../playbook/playbook.ts";
import type { CheckRecord, HostRecord, RunRecord } from "../record/record.ts";
import { isAllowed } from "../record/summary.ts";
import { verifyText } from "../report/verify-text.ts";
import { ClientCertificates } from "../run/client-certificates.ts";
import { type HostSession, keepEssence, toRecord } from "../run/observe.ts";
import type { Environment, RunOptions } from "../run/options.ts";
import { Outside } from "../run/outside.ts";
import { prepare, type Run } from "../run/prepare.ts";
import { endLook, observeAll, recordOf, report, startProgress, textContext, warn } from "../run/session.ts";
import { sameUsersCheck } from "../verify/same-users.ts";

/** Proves on the running hosts what the playbook promises; changes nothing there, and keeps its record here. */
export async function verify(options: RunOptions, environment: Environment): Promise<number> {
  const startedAt = new Date();
  const run = await prepare("verify", options, environment);
  warn(run.warnings, environment);
  const progress = startProgress(run, "verify", environment);
  const outside = new Outside(run, environment);
  const sessions = await observeAll(run, options, environment, "verify", progress, async (session) => {
    keepEssence(session);
    await outside.lookFromHere(session);
  });
  await progress.stop();
  const vantages = await outside.lookFromVantages(sessions, options.forks);
  warn(guardSplitGroups(run, sessions, options), environment);
  if (isAudited("RK-ACL-13", run.tags)) addGroupChecks(sessions);
  const clients = await ClientCertificates.of(run, sessions, options.rotate);
  addClientChecks(sessions, clients);
  const controller = clients.record();
  // What a plan would issue is no outcome of a look, as with a host's own changes.
  if (controller !== undefined)
    run.controller = { ...controller, status: "unchanged", changes: [], impact: [] };
  for (const { record } of sessions) {
    endLook(record);
    record.tasks = [];
    record.impact = [];
    record.restart = { needed: false, unavailableMs: 0 };
  }
  const seen = sessions.map(({ record }) => record);
  if (!environment.interrupted.aborted) refuseNoChecks(seen, run);
  const earlier = await readEarlierRuns(run.state, { ...run, command: "verify", startedAt }, seen);
  earlier.tellAccess(seen);
  const whole = recordOf(run, "verify", sessions, startedAt, environment);
  if (vantages.length > 0) whole.vantages = vantages;
  const { record, differences } = earlier.compare(whole);
  await keep(run, record, startedAt, environment);
  const path = options.json === "-" ? undefined : options.json;
  const context = { ...textContext(run, sessions, options, environment, path), differences };
  return await report(record, verifyText(record, context), options, environment);
}

/** A run that checked nothing, or only named what it skips, must not pass for a clean one. */
function refuseNoChecks(hosts: readonly HostRecord[], { tags, jobs }: Run): void {
  const isMade = (check: CheckRecord): boolean =>
    check.outcome !== "skip" || check.skipped === "reported" || isAllowed(check);
  if (hosts.length === 0 || hosts.some(({ status, checks }) => status !== "unchanged" || checks.some(isMade)))
    return;
  const key = tags.only.length > 0 ? "--tags" : tags.skip.length > 0 ? "--skip-tags" : undefined;
  const these = hosts.length === 1 ? "this host" : "these hosts";
  const controls = new Set(hosts.flatMap(({ checks }) => checks.map(({ control }) => control)));
  throw new InputError(
    {
      ...(key === undefined ? {} : { key }),
      message: `leaves no check to make on ${these}: ${controls.size > 0 ? noneApplies([...controls]) : tagsThereAre(jobs)}`,
    },
    "The hosts were looked at, and nothing was changed.",
  );
}

/** `none of RK-TOP-01, RK-TOP-02 and 4 more applies there`. */
function noneApplies(controls: readonly string[]): string {
  return `none of ${firstOf(controls.toSorted(), 4)} applies there`;
}

function tagsThereAre(jobs: Run["jobs"]): string {
  const known = new Set([...jobs.flatMap(({ plays }) => plays).flatMap(tagsOf), ...auditTags()]);
  return `tasks and controls have the tags ${[...known].toSorted().join(", ")}`;
}

const tagsOf = ({ tasks }: Play): string[] => tasks.flatMap((task) => [...task.tags]);

/** For the next run to compare with. What verify proves does not depend on it: where it cannot be kept, that is told. */
async function keep(run: Run, record: RunRecord, startedAt: Date, { stderr }: Environment): Promise<void> {
  try {
    await keepRecord(run.state, recordName("verify", startedAt, run.shard), record);
    await pruneRecords(run.state, "verify");
  } catch (error) {
    if (!(error instanceof InputError || (error instanceof Error && "code" in error))) throw error;
    stderr.write(
      `warning: the next run has nothing to compare with, since the record of this one cannot be kept: ${printable(error.message)}\n`,
    );
  }
}

/**
 * What only the hosts of a run together can tell: each replica against the primary that it names itself. What a host
 * says of others falsely must not change their outcome.
 */
export function addGroupChecks(sessions: readonly HostSession[]): void {
  for (const { record, observation } of sessions) {
    if (observation === undefined || record.checks.length === 0) continue;
    const { info } = observation.facts.redis;
    const name = info.get("role") === "slave" ? (info.get("master_host") ?? "") : undefined;
    const primaries = name === undefined ? [] : sessions.filter((other) => isKnownAs(other, name));
    const [primary] = primaries;
    const other =
      primaries.length === 1 && primary?.observation !== undefined
        ? { host: primary.job.host, ...primary.observation }
        : undefined;
    record.checks.push(toRecord(sameUsersCheck(observation, name, other)));
  }
}

/** What each host's clients have here to show to it. A host that could not be asked has no checks at all. */
function addClientChecks(sessions: readonly HostSession[], clients: ClientCertificates): void {
  for (const session of sessions) {
    const found = session.record.checks.length === 0 ? undefined : clients.checkFor(session);
    if (found !== undefined) session.record.checks.push(toRecord(found));
  }
}

function isKnownAs({ job, observation }: HostSession, name: string): boolean {
  const addresses = observation?.facts.host.addresses.map(({ address }) => address) ?? [];
  const names = [job.host, job.connection.address, observation?.facts.host.hostname ?? "", ...addresses];
  return !isLoopback(name) && names.includes(name);
}
