import { z } from "zod";
import { keptRecords } from "../history/kept-records.ts";
import { fail, type HostSession } from "../run/observe.ts";
import type { RunOptions } from "../run/options.ts";
import type { State } from "../state/state.ts";

/** Fewer hosts than this are no fleet: the plan that was shown says all of it. */
const FEW = 5;
const SHARE = 0.5;

const RECORD = z.object({
  schema: z.literal("redkeep.run/1"),
  command: z.string(),
  hosts: z.array(
    z.object({
      host: z.string(),
      status: z.string(),
      tasks: z.array(z.object({ task: z.string(), status: z.string() })),
    }),
  ),
});
type RecordedHost = z.infer<typeof RECORD>["hosts"][number];

/**
 * Refuses every host where an apply would restart Redis on more than half of a play's hosts, and at least five, for tasks
 * that an earlier apply had left there as wanted: a fleet that was hard yesterday and is not any more calls for a look,
 * not for a restart. First runs, new tasks and hosts that `--limit` names are none of this.
 */
export async function guardBlastRadius(
  { state }: { state: State },
  sessions: readonly HostSession[],
  pending: readonly HostSession[],
  options: RunOptions,
): Promise<void> {
  if (options.limit !== undefined || options.accept.has("blast-radius")) return;
  const isWide = (hosts: readonly HostSession[], all: readonly HostSession[]) =>
    hosts.length >= FEW && hosts.length > all.length * SHARE;
  for (const play of new Set(pending.map(({ job }) => job.plays[0]))) {
    const isOurs = ({ job }: HostSession) => job.plays[0] === play;
    const all = sessions.filter(isOurs);
    const restarting = pending.filter((session) => isOurs(session) && session.record.restart.needed);
    if (!isWide(restarting, all)) continue;
    const again = await restartedAgain(state, restarting);
    if (!isWide(again, all)) continue;
    const tasks = [...new Set(again.flatMap(restartingTasks))].join(", ");
    for (const session of pending) {
      fail(session, "refused", {
        where: "blast-radius",
        found: `Redis would restart on ${again.length} of the ${all.length} hosts of "${play?.name}", for tasks that an earlier apply left as wanted there: ${tasks}`,
        remedy: "look at the plan for what has changed so many hosts at once; try one with --limit first",
        guards: ["blast-radius"],
      });
    }
    return;
  }
}

/** Those hosts where a task that needs the restart was as wanted when redkeep last applied it. */
async function restartedAgain(state: State, sessions: readonly HostSession[]): Promise<HostSession[]> {
  /** The hosts that no record has told of yet. */
  const open = new Map(sessions.map((session) => [session.job.host, new Set(restartingTasks(session))]));
  const again = new Set<string>();
  for await (const record of keptRecords(state, RECORD, ["apply", "rollback"])) {
    for (const found of record.hosts) {
      const tasks = open.get(found.host);
      if (tasks === undefined) continue;
      const isWanted = record.command === "apply" && leftAsWanted(found, tasks);
      if (isWanted) again.add(found.host);
      // What was put back on purpose is no surprise when it is due again.
      if (isWanted || (record.command === "rollback" && found.status === "rolled-back"))
        open.delete(found.host);
    }
    if (open.size === 0) break;
  }
  return sessions.filter(({ job }) => again.has(job.host));
}

/** Whether a recorded apply left one of these tasks as wanted. */
function leftAsWanted({ status, tasks: recorded }: RecordedHost, tasks: ReadonlySet<string>): boolean {
  if (status !== "changed" && status !== "unchanged") return false;
  return recorded.some(
    ({ task, status: ended }) => (ended === "ok" || ended === "changed") && tasks.has(task),
  );
}

function restartingTasks({ record }: HostSession): string[] {
  return record.tasks.filter(({ changes }) => changes.some(({ restart }) => restart)).map(({ task }) => task);
}
