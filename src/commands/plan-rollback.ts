import { restartRefusals, saveRefusals } from "../plan/restart.ts";
import type { ChangeRecord } from "../report/record.ts";
import { type HostSession, refuse } from "./observe.ts";

/**
 * What would be put back, as the plan of a rollback: the run's own paths, by what the host keeps of it. Refused where it
 * restarts Redis and a restart may take keys away now.
 */
export function planRollback(session: HostSession, accepted: ReadonlySet<string>): void {
  const { record, observation } = session;
  const last = observation?.facts.transaction.last;
  // The guards of an apply's tasks do not count: what goes back was allowed to stand before.
  record.error = null;
  record.impact = [];
  record.restart = { needed: false, unavailableMs: 0 };
  if (last === undefined || last.isRollback) {
    const reason =
      last === undefined
        ? "no run of redkeep has changed this host"
        : `the last run here was a rollback already (${last.holder})`;
    record.tasks = [{ task: "rollback", name: "Put back the last run", status: "ok", reason, changes: [] }];
    record.status = "unchanged";
    return;
  }
  const changes = [...last.written, ...last.set].map(
    (path): ChangeRecord => ({
      address: `file:${path}`,
      action: "update",
      before: "as the run left it",
      after: "as the run found it",
      restart: false,
    }),
  );
  if (last.firewall) {
    changes.push({
      address: "ufw:status",
      action: "update",
      before: "active, as the run left it",
      after: "inactive, as the run found it",
      restart: false,
    });
  }
  record.tasks = [
    {
      task: "rollback",
      name: `Put back the run of ${last.holder}`,
      status: "would-change",
      reason: null,
      changes,
    },
  ];
  record.status = "would-change";
  if (observation === undefined || !last.restarted) return;
  const { facts, server } = observation;
  // redis.conf as it is stands in for the old one, which the host keeps: what was changed live since shows in both.
  const refusals = [
    ...restartRefusals(facts, server, server.config, new Set()),
    ...saveRefusals(facts, server),
  ].filter(({ guard }) => guard === null || !accepted.has(guard));
  if (refusals.length > 0)
    refuse(
      session,
      refusals.map((refusal) => ({ ...refusal, task: "rollback" })),
    );
}
