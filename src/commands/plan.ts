import { guardSharedMachines } from "../fleet/shared-machines.ts";
import { guardSplitGroups } from "../fleet/split-groups.ts";
import { noticedOn, planText } from "../report/plan-text.ts";
import { ClientCertificates } from "../run/client-certificates.ts";
import { forget, keepEssence } from "../run/observe.ts";
import type { Environment, RunOptions } from "../run/options.ts";
import { prepare } from "../run/prepare.ts";
import {
  observeAll,
  recordOf,
  report,
  startProgress,
  stopsOnImpact,
  textContext,
  warn,
} from "../run/session.ts";

/** What would change, on which host; changes nothing, on the hosts or here. */
export async function plan(options: RunOptions, environment: Environment): Promise<number> {
  const startedAt = new Date();
  const run = await prepare("plan", options, environment);
  warn(run.warnings, environment);
  const progress = startProgress(run, "plan", environment);
  // Only the hosts of a shard are compared with each other.
  const finish = run.shard === undefined ? forget : keepEssence;
  const sessions = await observeAll(run, options, environment, "plan", progress, finish);
  await progress.stop();
  warn(guardSplitGroups(run, sessions, options), environment);
  guardSharedMachines(sessions);
  run.controller = (await ClientCertificates.of(run, sessions, options.rotate)).record();
  const record = recordOf(run, "plan", sessions, startedAt, environment);
  // 130 comes before 3 in the order of exit codes, and a plan knows no 5.
  if (stopsOnImpact(options) && noticedOn(record.hosts).length > 0 && record.exitCode !== 130)
    record.exitCode = 3;
  const path = options.json === "-" ? undefined : options.json;
  const context = textContext(run, sessions, options, environment, path);
  // The next step makes the new values. Once apply has made them they are only handed out, so its next step has none.
  const rotate = [...options.rotate].flatMap((name) => ["--rotate", name]);
  const otherArguments = [...(context.otherArguments ?? []), ...rotate];
  return await report(record, planText(record, { ...context, otherArguments }), options, environment);
}
