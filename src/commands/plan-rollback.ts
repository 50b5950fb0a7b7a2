import type { ChangeRecord } from "../report/record.ts";
import type { HostSession } from "./observe.ts";

/** What would be put back, as the plan of a rollback: the run's own paths, by what the host keeps of it. */
export function planRollback(session: HostSession): void {
  const { record, observation } = session;
  const last = observation?.facts.transaction.last;
  // Guards stop an apply; what goes back was allowed to stand before.
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
}
