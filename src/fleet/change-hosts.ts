import { readEarlierRuns } from "../history/earlier-runs.ts";
import { keepRecord, pruneRecords, recordName } from "../history/kept-records.ts";
import { InputError } from "../lib/errors.ts";
import { NOT_STARTED } from "../record/outcome.ts";
import type { RunRecord } from "../record/record.ts";
import type { HostStatus } from "../record/statuses.ts";
import { applyText } from "../report/apply-text.ts";
import type { TextContext } from "../report/layout.ts";
import { planPreview, planText } from "../report/plan-text.ts";
import type { Progress } from "../report/progress.ts";
import type { Listener } from "../run/change-host.ts";
import type { ClientCertificates } from "../run/client-certificates.ts";
import { as, type DoneHost, forget, type Host, type PendingHost, type Plan } from "../run/host.ts";
import type { Hosts } from "../run/hosts.ts";
import { type Look, observeAll } from "../run/observe-all.ts";
import { partOf } from "../run/part-of.ts";
import type { Run } from "../run/run.ts";
import { runRecordOf, writeAsAsked } from "../run/run-record.ts";
import {
  confirmed,
  outcomeText,
  report,
  startProgress,
  textContext,
  textStream,
  warn,
} from "../run/terminal.ts";
import { inBatches } from "./batches.ts";
import { Groups } from "./groups.ts";
import { type Machines, onePerMachine } from "./one-machine.ts";
import { guardSplitGroups } from "./split-groups.ts";

/** What apply, rollback and eject do each in their own way. */
export interface ChangeSteps<P extends Plan> {
  /** Such as `Apply this to`; the number of hosts follows. */
  readonly question: string;
  /** Whether the command goes on with a host. */
  readonly isPending: (host: Host) => host is PendingHost<P>;
  readonly look?: Pick<Look, "facts" | "plan">;
  /** Hosts of the run that must not be changed, with the reason. */
  readonly guard?: (hosts: readonly Host[]) => readonly Host[];
  /** The same of those that would change, each machine once. */
  readonly guardPending?: (
    hosts: readonly Host[],
    pending: readonly PendingHost<P>[],
  ) => Promise<readonly Host[]>;
  /** What is to be issued on the controller beside it. */
  readonly certificates?: (hosts: readonly Host[]) => Promise<ClientCertificates>;
  /** Before the first host is changed, once for all of them. */
  readonly before?: (pending: readonly PendingHost<P>[]) => Promise<readonly Host[]>;
  readonly work: (host: PendingHost<P>, listener: Listener) => Promise<DoneHost>;
  /** Once all have ended. */
  readonly after?: (hosts: readonly Host[]) => Promise<void>;
  /** What else is to be said at the end, as sentences. */
  readonly closing?: (record: RunRecord) => string;
}

/** What is about to be done. */
interface Intent<P extends Plan> {
  readonly pending: readonly PendingHost<P>[];
  readonly machines: Machines<P>;
  readonly splits: readonly string[];
  readonly certificates: ClientCertificates | undefined;
  readonly issuesCertificates: boolean;
}

/**
 * Observes every host, shows what would change and asks, then does the hosts batch by batch and keeps the record.
 * Nothing is changed on any host before all were looked at.
 */
export async function changeHosts<P extends Plan>(run: Run, steps: ChangeSteps<P>): Promise<number> {
  const name = recordName(run);
  const generation = run.state.generation?.number;
  let progress = startProgress(run);
  const hosts = await observeAll(run, progress, steps.look);
  const intent = await intend(run, hosts, steps);
  const { certificates, pending } = intent;
  const recordNow = () => runRecordOf(run, hosts.records(), { controller: certificates?.record() });
  // Whoever is asked may take long: a run that ends meanwhile says also what would be issued.
  run.environment.onEarlyEnd(() => writeAsAsked(recordNow(), run));
  const previewShown = tellsBefore(run, intent);
  if (previewShown) {
    await progress.stop();
    const refusal = await agree(run, hosts, intent, steps.question);
    if (refusal !== undefined) return refusal;
    progress = startProgress(run);
  }
  run.environment.onEarlyEnd(async () => {
    hosts.put(...hosts.all().map(settled));
    const record = recordNow();
    await writeAsAsked(record, run);
    if (pending.length > 0) await keepRecord(run.state, name, record);
  });
  try {
    // Kept before the first change: where it cannot be, no host is touched, and a run that is cut off leaves it behind.
    if (pending.length > 0) await keepFirst(run, name, recordNow());
    hosts.put(...((await steps.before?.(pending)) ?? []));
    if (intent.issuesCertificates && !run.environment.interrupted.aborted) await certificates?.issue();
    await changeAll(run, hosts, pending, steps, progress);
  } finally {
    for (const { link } of hosts.all()) link.close();
    await progress.stop();
    if (!previewShown) warn(intent.splits, run.environment);
  }
  hosts.put(...intent.machines.aliases.flatMap(({ alias, done }) => endedLike(alias, hosts.of(done.job))));
  await steps.after?.(hosts.all());
  hosts.put(...hosts.all().map(settled));
  const stateToCommit =
    run.state.isEncrypted === true && run.state.generation?.number !== generation
      ? { stateToCommit: run.state.name }
      : {};
  return await conclude(run, hosts, name, recordNow(), { ...steps, stateToCommit });
}

/** `--check` of a rollback or an eject: what would change, on which host; changes nothing, on the hosts or here. */
export async function lookOnly(run: Run, { look }: Pick<ChangeSteps<Plan>, "look">): Promise<number> {
  const progress = startProgress(run);
  const hosts = await observeAll(run, progress, { ...look, finish: forget });
  await progress.stop();
  const record = runRecordOf(run, hosts.records());
  return await report(run, record, planText(record, textContext(run, hosts.all())));
}

/** The guards, and what they leave to do. */
async function intend<P extends Plan>(run: Run, hosts: Hosts, steps: ChangeSteps<P>): Promise<Intent<P>> {
  const { hosts: whole, warnings: splits } = guardSplitGroups(run, hosts.all());
  hosts.put(...(steps.guard?.(whole) ?? whole));
  const machines = onePerMachine(hosts.all().filter(steps.isPending));
  hosts.put(...machines.aliases.map(({ alias }) => alias));
  const guarded = (await steps.guardPending?.(hosts.all(), machines.pending)) ?? machines.pending;
  hosts.put(...guarded);
  const pending = guarded.filter(steps.isPending);
  const certificates = await steps.certificates?.(hosts.all());
  // What keeps all hosts from being changed keeps the whole run.
  const allGuarded = machines.pending.length > 0 && pending.length === 0;
  return {
    pending,
    machines,
    splits,
    certificates,
    issuesCertificates: certificates?.isPending === true && !allGuarded,
  };
}

/** What comes back was taken away for a reason: a rollback says what it is also where nobody is asked. */
function tellsBefore({ command, options }: Run, { pending, issuesCertificates }: Intent<Plan>): boolean {
  return (!options.yes || command !== "apply") && (pending.length > 0 || issuesCertificates);
}

/** Shows what would change, and asks unless `--yes` was said. @returns the exit code where the answer is no. */
async function agree(
  run: Run,
  hosts: Hosts,
  { pending, splits, certificates }: Intent<Plan>,
  question: string,
): Promise<number | undefined> {
  const { command, options, environment } = run;
  warn(splits, environment);
  const shown = { ...run, command: command === "apply" ? ("plan" as const) : command };
  const preview = runRecordOf(shown, hosts.records(), { controller: certificates?.record() });
  // The record is not written yet: nobody is sent to it.
  const { recordPath: _, ...context } = textContext(run, hosts.all());
  textStream(run).write(planPreview(preview, context));
  const count = `${pending.length} host${pending.length === 1 ? "" : "s"}`;
  const what = pending.length > 0 ? `${question} ${count}` : "Issue this here";
  if (options.yes || (await confirmed(environment, what))) return undefined;
  for (const { link } of pending) link.close();
  environment.stderr.write("Nothing was changed.\n");
  return preview.exitCode;
}

async function changeAll<P extends Plan>(
  run: Run,
  hosts: Hosts,
  pending: readonly Host[],
  { isPending, work }: ChangeSteps<P>,
  progress: Progress,
): Promise<void> {
  const { playbook, options, environment } = run;
  const { interrupted } = environment;
  const groups = new Groups(hosts);
  const jobs = pending.map(({ job }) => job);
  await inBatches(playbook.plays, hosts, jobs, groups, interrupted, (batch) =>
    groups.work(batch, options.forks, async (job) => {
      const host = hosts.of(job);
      const mayStart = !interrupted.aborted && !hosts.all().some(({ needsHuman }) => needsHuman);
      if (!mayStart || !isPending(host)) return;
      const listener: Listener = {
        doing: (text) => progress.update(job.host, text),
        stands: (now) => hosts.put(now),
      };
      await partOf(hosts, job, environment, async () => hosts.put(await work(host, listener)));
      progress.done(job.host, hosts.of(job).outcome.status, outcomeText(run, hosts.of(job)));
    }),
  );
}

/** Compares the record with earlier ones, keeps it, and tells it. */
async function conclude(
  run: Run,
  hosts: Hosts,
  name: string,
  ended: RunRecord,
  {
    closing,
    stateToCommit,
  }: Pick<ChangeSteps<Plan>, "closing"> & { stateToCommit: Pick<TextContext, "stateToCommit"> },
): Promise<number> {
  const { command, state } = run;
  const { record, differences } =
    command === "apply"
      ? (await readEarlierRuns(state, run, ended.hosts)).compare(ended)
      : { record: ended, differences: [] };
  const path = await keepRecord(state, name, record);
  await pruneRecords(state, command);
  const text = applyText(record, { ...textContext(run, hosts.all(), path), ...stateToCommit, differences });
  return await report(run, record, `${text}${closing?.(record) ?? ""}`);
}

/** The alias with the outcome of the host that did the work; [] for success, where the alias keeps its own: unchanged. */
function endedLike(alias: Host, { outcome }: Host): Host[] {
  return outcome.status === "changed" ? [] : [as(alias, outcome)];
}

/** The hosts whose checks speak of the state that they were left in. */
const PROVED: readonly HostStatus[] = ["changed", "unchanged"];

/** What a plan expected is no outcome of a host that nobody changed. */
function settled(host: Host): Host {
  const outcome = host.outcome.status === "would-change" ? NOT_STARTED : host.outcome;
  if (PROVED.includes(outcome.status)) return host;
  const { access: _, ...findings } = host.findings;
  // What a plan expects of a restart is not what was measured.
  const isMeasured = outcome.status === "rolled-back" || outcome.status === "restored";
  const restart = isMeasured ? host.work.restart : { ...host.work.restart, unavailableMs: 0 };
  return { ...host, outcome, findings: { ...findings, checks: [] }, work: { ...host.work, restart } };
}

/** @throws InputError where it cannot be written: no host was changed yet. */
async function keepFirst({ state }: Run, name: string, record: RunRecord): Promise<void> {
  try {
    await keepRecord(state, name, record);
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
    throw new InputError({ key: "--state", message: `the run's record cannot be kept: ${error.message}` });
  }
}
