import { z } from "zod";
import { keptRecords } from "../history/kept-records.ts";
import { stopped } from "../record/outcome.ts";
import { as, type Host } from "../run/host.ts";
import type { Run } from "../run/run.ts";
import type { State } from "../state/state.ts";

/** With fewer hosts than this, the plan that was shown says it all. */
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
 * that an earlier apply had left there as wanted: if a fleet was hardened yesterday and is not today, somebody should look
 * before it restarts. First runs, new tasks and hosts that `--limit` names do not count.
 */
export async function guardBlastRadius(
  { state, options }: Pick<Run, "state"> & { options: Pick<Run["options"], "limit" | "accept"> },
  hosts: readonly Host[],
  pending: readonly Host[],
): Promise<readonly Host[]> {
  if (options.limit !== undefined || options.accept.has("blast-radius")) return pending;
  const isWide = (some: readonly Host[], all: readonly Host[]) =>
    some.length >= FEW && some.length > all.length * SHARE;
  for (const play of new Set(pending.map(({ job }) => job.plays[0]))) {
    const isOurs = ({ job }: Host) => job.plays[0] === play;
    const all = hosts.filter(isOurs);
    const restarting = pending.filter((host) => isOurs(host) && host.work.restart.needed);
    if (!isWide(restarting, all)) continue;
    const again = await restartedAgain(state, restarting);
    if (!isWide(again, all)) continue;
    const tasks = [...new Set(again.flatMap(restartingTasks))].join(", ");
    const refusal = stopped("refused", {
      where: "blast-radius",
      found: `Redis would restart on ${again.length} of the ${all.length} hosts of "${play?.name}", for tasks that an earlier apply left as wanted there: ${tasks}`,
      remedy: "find out in the plan what changed on so many hosts at once; try one host with --limit first",
      guards: ["blast-radius"],
    });
    return pending.map((host) => as(host, refusal));
  }
  return pending;
}

/** Those hosts where a task that needs the restart was as wanted when redkeep last applied it. */
async function restartedAgain(state: State, hosts: readonly Host[]): Promise<Host[]> {
  /** The hosts that no record has told of yet. */
  const open = new Map(hosts.map((host) => [host.job.host, new Set(restartingTasks(host))]));
  const again = new Set<string>();
  for await (const record of keptRecords(state, RECORD, ["apply", "rollback"])) {
    for (const found of record.hosts) {
      const tasks = open.get(found.host);
      if (tasks === undefined) continue;
      const isWanted = record.command === "apply" && leftAsWanted(found, tasks);
      if (isWanted) again.add(found.host);
      // Changes that a rollback undid on purpose are expected to be due again.
      if (isWanted || wasRestored(record.command, found)) open.delete(found.host);
    }
    if (open.size === 0) break;
  }
  return hosts.filter(({ job }) => again.has(job.host));
}

/** Earlier versions called it `rolled-back` in the record of a rollback too. */
function wasRestored(command: string, { status }: RecordedHost): boolean {
  return command === "rollback" && (status === "restored" || status === "rolled-back");
}

/** Whether a recorded apply left one of these tasks as wanted. */
function leftAsWanted({ status, tasks: recorded }: RecordedHost, tasks: ReadonlySet<string>): boolean {
  if (status !== "changed" && status !== "unchanged") return false;
  return recorded.some(
    ({ task, status: ended }) => (ended === "ok" || ended === "changed") && tasks.has(task),
  );
}

function restartingTasks({ work }: Host): string[] {
  return work.tasks.filter(({ changes }) => changes.some(({ restart }) => restart)).map(({ task }) => task);
}
