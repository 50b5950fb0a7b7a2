import { planText } from "../report/plan-text.ts";
import type { Environment, RunOptions } from "./options.ts";
import { prepare } from "./prepare.ts";
import { observeAll, recordOf, report, startProgress, textContext, warn } from "./session.ts";

/** What would change, on which host; changes nothing, on the hosts or here. */
export async function plan(options: RunOptions, environment: Environment): Promise<number> {
  const startedAt = new Date();
  const run = await prepare("plan", options, environment);
  warn(run, environment);
  const progress = startProgress(run, "plan", environment);
  const sessions = await observeAll(run, options, environment, "plan", progress);
  await progress.stop();
  const record = recordOf(run, "plan", sessions, startedAt, environment);
  const path = options.json === "-" ? undefined : options.json;
  const context = textContext(run, sessions, options, environment, path);
  // The next step makes the new values. Once apply has made them they are only handed out, so its next step has none.
  const rotate = [...options.rotate].flatMap((name) => ["--rotate", name]);
  const otherArguments = [...(context.otherArguments ?? []), ...rotate];
  return await report(record, planText(record, { ...context, otherArguments }), options, environment);
}
