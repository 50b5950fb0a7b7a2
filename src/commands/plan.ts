import { planText } from "../report/plan-text.ts";
import type { Environment, RunOptions } from "./options.ts";
import { prepare } from "./prepare.ts";
import { observeAll, recordOf, report, startProgress, textContext, warn } from "./session.ts";

/** What would change, on which host; changes nothing, on the hosts or here. */
export async function plan(options: RunOptions, environment: Environment): Promise<number> {
  const startedAt = new Date();
  const run = await prepare(options, environment);
  warn(run, environment);
  const progress = startProgress(run, "plan", environment);
  const sessions = await observeAll(run, options, environment, "plan", progress);
  await progress.stop();
  const record = recordOf("plan", sessions, startedAt, environment);
  return await report(
    record,
    planText(
      record,
      textContext(run, sessions, options, environment, options.json === "-" ? undefined : options.json),
    ),
    options,
    environment,
  );
}
