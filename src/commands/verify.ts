import { verifyText } from "../report/verify-text.ts";
import { isAudited } from "../verify/audit.ts";
import { sameUsersCheck } from "../verify/same-users.ts";
import { tellAccessChanges } from "./access-changes.ts";
import { placesOf } from "./groups.ts";
import { type HostSession, toRecord } from "./observe.ts";
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
  if (isAudited("RK-ACL-13", run.tags)) addGroupChecks(sessions);
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

/** What only the hosts of a run together can tell: each against the first of its replication group, its primary if there. */
export function addGroupChecks(sessions: readonly HostSession[]): void {
  const places = placesOf(sessions);
  const first = new Map<object, HostSession>();
  const asked = sessions.filter(({ record }) => record.checks.length > 0);
  for (const session of asked) {
    const place = places.get(session.job.host);
    if (place === undefined) continue;
    const other = first.get(place.group);
    if (other === undefined || place.depth < (places.get(other.job.host)?.depth ?? 0))
      first.set(place.group, session);
  }
  for (const { job, record, observation } of asked) {
    const group = places.get(job.host)?.group;
    const other = group === undefined ? undefined : first.get(group);
    if (observation === undefined) continue;
    const against =
      other?.observation === undefined ? undefined : { host: other.job.host, ...other.observation };
    record.checks.push(toRecord(sameUsersCheck(observation, against)));
  }
}
