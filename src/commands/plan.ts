import { guardSharedMachines } from "../fleet/shared-machines.ts";
import { guardSplitGroups } from "../fleet/split-groups.ts";
import { planText } from "../report/plan-text.ts";
import { ClientCertificates } from "../run/client-certificates.ts";
import { forget, keepEssence, recordOf } from "../run/host.ts";
import { observeAll } from "../run/observe-all.ts";
import type { Environment, RunOptions } from "../run/options.ts";
import { prepare } from "../run/prepare.ts";
import { runRecordOf } from "../run/run-record.ts";
import { report, startProgress, stoppedByImpact, textContext, warn } from "../run/terminal.ts";

/** What would change, on which host; changes nothing, on the hosts or here. */
export async function plan(options: RunOptions, environment: Environment): Promise<number> {
  const run = await prepare("plan", options, environment);
  const progress = startProgress(run);
  // Only the hosts of a shard are compared with each other.
  const finish = options.shard === undefined ? forget : keepEssence;
  const observed = await observeAll(run, progress, { finish });
  await progress.stop();
  const { hosts: whole, warnings } = guardSplitGroups(run, observed.all());
  warn(warnings, environment);
  const hosts = guardSharedMachines(whole);
  const certificates = await ClientCertificates.of(run, hosts);
  const controller = certificates.record();
  const record = stoppedByImpact(run, runRecordOf(run, hosts.map(recordOf), { controller }));
  const context = textContext(run, hosts);
  // The next step makes the new values. Once apply has made them they are only handed out, so its next step has none.
  const rotate = [...options.rotate].flatMap((name) => ["--rotate", name]);
  const otherArguments = [...(context.otherArguments ?? []), ...rotate];
  return await report(run, record, planText(record, { ...context, otherArguments }));
}
