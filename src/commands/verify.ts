import { verifyText } from "../report/verify-text.ts";
import { tellAccessChanges } from "./access-changes.ts";
import type { Environment, RunOptions } from "./options.ts";
import { prepare } from "./prepare.ts";
import { observeAll, recordOf, report, startProgress, textContext, warn } from "./session.ts";

/** Proves on the running hosts what the playbook promises; changes nothing. */
export async function verify(options: RunOptions, environment: Environment): Promise<number> {
  const startedAt = new Date();
  const run = await prepare("verify", options, environment);
  warn(run, environment);
  const progress = startProgress(run, "verify", environment);
  const sessions = await observeAll(run, options, environment, "verify", progress);
  await progress.stop();
  for (const { record } of sessions) {
    // A guard stops an apply, not a look.
    if (record.status === "refused" && record.checks.length > 0) {
      record.status = "unchanged";
      record.error = null;
    }
    record.tasks = [];
    record.impact = [];
    record.restart = { needed: false, unavailableMs: 0 };
  }
  await tellAccessChanges(
    run.state,
    sessions.map(({ record }) => record),
  );
  const record = recordOf(run, "verify", sessions, startedAt, environment);
  return await report(
    record,
    verifyText(
      record,
      textContext(run, sessions, options, environment, options.json === "-" ? undefined : options.json),
    ),
    options,
    environment,
  );
}
