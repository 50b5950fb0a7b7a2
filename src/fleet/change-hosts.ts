import type { FactName } from "../facts/probe.ts";
import { readEarlierRuns } from "../history/earlier-runs.ts";
import { keepRecord, pruneRecords, recordName } from "../history/kept-records.ts";
import { keepHostsOf, type LastRun, readLastRun } from "../history/last-run.ts";
import { InputError } from "../lib/errors.ts";
import { printable } from "../lib/printable.ts";
import { hostList } from "../lib/words.ts";
import type { RunRecord } from "../record/record.ts";
import type { HostStatus } from "../record/statuses.ts";
import { applyText } from "../report/apply-text.ts";
import { isNoticed, noticedOn, planPreview, planText } from "../report/plan-text.ts";
import type { Progress } from "../report/progress.ts";
import { ClientCertificates } from "../run/client-certificates.ts";
import { fail, forget, type HostSession } from "../run/observe.ts";
import type { Environment, RunOptions } from "../run/options.ts";
import { prepare, type Run } from "../run/prepare.ts";
import {
  confirmed,
  observeAll,
  onePerMachine,
  outcomeText,
  partOf,
  recordOf,
  report,
  startProgress,
  stopsOnImpact,
  textContext,
  warn,
  writeAsAsked,
} from "../run/session.ts";
import type { State } from "../state/state.ts";
import { inBatches } from "./batches.ts";
import { guardBlastRadius } from "./blast-radius.ts";
import { Groups } from "./groups.ts";
import { guardSharedMachines } from "./shared-machines.ts";
import { guardSplitGroups } from "./split-groups.ts";

/** What apply and rollback do each in their own way. */
export interface ChangeSteps {
  /** Such as `Apply this to`; the number of hosts follows. */
  question: string;
  /** Before the first host is changed, once for all of them. */
  before: (run: Run, pending: readonly HostSession[]) => Promise<void>;
  /** One host; whatever happens ends in its record. */
  work: (run: Run, session: HostSession, progress: Progress) => Promise<void>;
  /** In the place of the playbook's plan, with these facts beside those of its tasks. */
  plan?: (session: HostSession) => void;
  facts?: readonly FactName[];
  /** What else is to be said at the end, as sentences. */
  closing?: (run: Run, record: RunRecord) => string;
}

/** The hosts whose checks speak of the state that they were left in. */
const PROVED: readonly HostStatus[] = ["changed", "unchanged"];

/**
 * Observes every host, shows what would change and asks, then does the hosts batch by batch and keeps the record.
 * Nothing is changed on any host before all were looked at.
 * @throws InputError without --yes where there is no terminal to ask on.
 */
export async function changeHosts(
  command: "apply" | "rollback" | "eject",
  options: RunOptions,
  environment: Environment,
  { question, before, work, plan, facts, closing }: ChangeSteps,
): Promise<number> {
  if (options.check) return await lookOnly(command, options, environment, { plan, facts });
  if (!options.yes && !(environment.stdin.isTTY && environment.stderr.isTTY)) {
    throw new InputError({
      key: "--yes",
      message: `is needed to ${command} without a terminal (or say --check)`,
    });
  }
  const startedAt = new Date();
  const name = recordName(command, startedAt, options.shard);
  const run = await prepare(command, options, environment);
  warn(run.warnings, environment);
  const lastRun = command === "rollback" ? await chooseHosts(run, options, environment) : undefined;
  let progress = startProgress(run, command, environment);
  const sessions = await observeAll(run, options, environment, command, progress, undefined, {
    lastRun,
    plan,
    facts,
  });
  let splits = guardSplitGroups(run, sessions, options);
  if (command === "apply") guardSharedMachines(sessions);
  const machines = onePerMachine(sessions.filter(({ record }) => record.status === "would-change"));
  let { pending } = machines;
  if (command === "apply") await guardBlastRadius(run, sessions, pending, options);
  if (command === "apply" && stopsOnImpact(options)) refuseImpact(pending);
  pending = pending.filter(({ record }) => record.status === "would-change");
  const certificates =
    command === "apply" ? await ClientCertificates.of(run, sessions, options.rotate) : undefined;
  run.controller = certificates?.record();
  // What keeps all hosts from being changed keeps the whole run.
  const isStopped = machines.pending.length > 0 && pending.length === 0;
  const issues = certificates?.isPending === true && !isStopped;
  // What comes back was taken away for a reason: a rollback says what it is also where nobody is asked.
  if ((!options.yes || command !== "apply") && (pending.length > 0 || issues)) {
    await progress.stop();
    warn(splits, environment);
    splits = [];
    const shown = command === "apply" ? "plan" : command;
    const preview = recordOf(run, shown, sessions, startedAt, environment);
    const context = textContext(run, sessions, options, environment, undefined);
    (options.json === "-" ? environment.stderr : environment.stdout).write(planPreview(preview, context));
    const what = pending.length > 0 ? `${question} ${countOf(pending)}` : "Issue this here";
    if (!options.yes && !(await confirmed(environment, what))) {
      for (const session of pending) session.connection?.close();
      environment.stderr.write("Nothing was changed.\n");
      return preview.exitCode;
    }
    progress = startProgress(run, command, environment);
  }
  environment.reached(async () => {
    settleStatuses(sessions);
    const record = recordOf(run, command, sessions, startedAt, environment);
    await writeAsAsked(record, options, environment);
    if (pending.length > 0) await keepRecord(run.state, name, record);
  });
  try {
    // Kept before the first change: where it cannot be, no host is touched, and a run that is cut off leaves it behind.
    if (pending.length > 0)
      await keepFirst(run.state, name, recordOf(run, command, sessions, startedAt, environment));
    await before(run, pending);
    if (certificates !== undefined && issues && !environment.interrupted.aborted) {
      await certificates.issue();
      run.controller = certificates.record();
    }
    const groups = new Groups(sessions, command);
    await inBatches(run.playbook.plays, sessions, pending, groups, environment.interrupted, (batch) =>
      groups.work(batch, options.forks, async (session) => {
        if (environment.interrupted.aborted || sessions.some(({ needsHuman }) => needsHuman)) return;
        await partOf(session, environment, () => work(run, session, progress));
        progress.done(session.job.host, session.record.status, outcomeText(run, session, command));
      }),
    );
  } finally {
    for (const session of sessions) session.connection?.close();
    await progress.stop();
    warn(splits, environment);
  }
  for (const [{ record }, { record: done }] of machines.aliases) {
    // "As wanted" only where the work under the other name came to its end.
    if (done.status === "changed") continue;
    record.status = done.status;
    record.error = done.error;
  }
  if (command === "apply") await noteOwnPasswords(run, options, sessions, environment);
  settleStatuses(sessions);
  const ended = recordOf(run, command, sessions, startedAt, environment);
  const { record, differences } =
    command === "apply"
      ? (await readEarlierRuns(run.state, { ...run, command, startedAt }, ended.hosts)).compare(ended)
      : { record: ended, differences: [] };
  const path = await keepRecord(run.state, name, record);
  await pruneRecords(run.state, command);
  const text = applyText(record, {
    ...textContext(run, sessions, options, environment, path),
    differences,
  });
  return await report(record, `${text}${closing?.(run, record) ?? ""}`, options, environment);
}

/** `--check` of a rollback or an eject: what would change, on which host; changes nothing, on the hosts or here. */
async function lookOnly(
  command: "apply" | "rollback" | "eject",
  options: RunOptions,
  environment: Environment,
  { plan, facts }: { [K in "plan" | "facts"]: ChangeSteps[K] | undefined },
): Promise<number> {
  const startedAt = new Date();
  const run = await prepare(command, options, environment);
  warn(run.warnings, environment);
  const lastRun = command === "rollback" ? await chooseHosts(run, options, environment) : undefined;
  const progress = startProgress(run, command, environment);
  const how = { lastRun, plan, facts };
  const sessions = await observeAll(run, options, environment, command, progress, forget, how);
  await progress.stop();
  const record = recordOf(run, command, sessions, startedAt, environment);
  const path = options.json === "-" ? undefined : options.json;
  const text = planText(record, textContext(run, sessions, options, environment, path));
  return await report(record, text, options, environment);
}

const countOf = ({ length }: readonly HostSession[]): string => `${length} host${length === 1 ? "" : "s"}`;
/** The hosts of the last run, or those that were named. What is left out is told. */
async function chooseHosts(run: Run, options: RunOptions, { stderr }: Environment): Promise<LastRun> {
  const lastRun = await readLastRun(run, options);
  const note = keepHostsOf(run, lastRun);
  if (run.jobs.length === 0 && note !== "")
    throw new InputError({ key: "--limit", message: `is needed: ${note}` });
  if (note !== "") stderr.write(`${printable(note)}\n`);
  return lastRun;
}

/** The hosts have them all the same: where the note cannot be kept, the next apply makes it. */
async function noteOwnPasswords(
  run: Run,
  { limit, shard, retryFailed }: RunOptions,
  sessions: readonly HostSession[],
  environment: Environment,
): Promise<void> {
  const isWhole = limit === undefined && shard === undefined && retryFailed === undefined;
  try {
    await run.secrets.noteOwn(sessions, isWhole);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    warn([`which servers have passwords of their own cannot be noted: ${error.message}`], environment);
  }
}

/** What a plan expected is no outcome of a host that nobody changed. */
function settleStatuses(sessions: readonly HostSession[]): void {
  for (const { record } of sessions) {
    if (record.status === "would-change") record.status = "not-started";
    if (PROVED.includes(record.status)) continue;
    record.checks = [];
    delete record.access;
    // What a plan expects of a restart is not what was measured.
    if (record.status !== "rolled-back") record.restart.unavailableMs = 0;
  }
}

/** `--fail-on-impact`: where somebody would notice on one host, none of the run is touched. */
function refuseImpact(sessions: readonly HostSession[]): void {
  const noticed = new Set(noticedOn(sessions.map(({ record }) => record)));
  if (noticed.size === 0) return;
  const names = [...noticed].map(({ host }) => host);
  for (const session of sessions) {
    const hasImpact = noticed.has(session.record);
    fail(session, hasImpact ? "refused" : "not-started", {
      where: "impact",
      found: hasImpact
        ? session.record.impact
            .filter(isNoticed)
            .map(({ detail }) => detail)
            .join("\n")
        : `somebody would notice on ${hostList(names)}: --fail-on-impact stops the whole run`,
      remedy: hasImpact
        ? "do what each line says, then run again"
        : "see to that first, or leave it out by --limit",
      guards: ["impact"],
    });
  }
}

/** @throws InputError where it cannot be written: no host was changed yet. */
async function keepFirst(state: State, name: string, record: RunRecord): Promise<void> {
  try {
    await keepRecord(state, name, record);
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
    throw new InputError({ key: "--state", message: `the run's record cannot be kept: ${error.message}` });
  }
}
