import { plural } from "../lib/words.ts";
import { changesOf, type HostPlan } from "../plan/plan.ts";
import type { HostTask } from "../tasks/task.ts";
import { CANDIDATES, type Found, PARTS_WITHOUT_WORDS, WITHOUT_WORDS } from "./candidates.ts";
import { type PlainParams, plainParams, TEMPLATE_MARKS } from "./plain.ts";

/** What of a host a playbook can say without changing it. */
export interface Adopted {
  tasks: { task: HostTask; params: PlainParams }[];
  /** Tasks, and parts of them, that have no words for what the host has, or would change it, each with the reason. */
  leftOut: { task: string; reason: string }[];
}

/**
 * Takes each task as far as the plan says that nothing changes with it.
 *
 * @param asked the tasks that the host was asked for, in the playbook's order
 * @param plan what would happen with these tasks
 */
export async function adoptHost(
  asked: readonly HostTask[],
  found: Found,
  plan: (tasks: readonly HostTask[]) => Promise<HostPlan>,
): Promise<Adopted> {
  const adopted: Adopted = { tasks: [], leftOut: [] };
  for (const { task, name, definition, placeOf } of asked) {
    let reason = WITHOUT_WORDS[definition.name]?.(found) ?? "the host has nothing that this task sets";
    let taken = false;
    for (const candidateParams of CANDIDATES[definition.name](found)) {
      const params = plainParams(candidateParams);
      if (params === undefined) {
        reason = `what it has holds ${TEMPLATE_MARKS}, which a playbook would run as a template`;
        continue;
      }
      const parsed = definition.params.safeParse(params);
      if (!parsed.success) {
        reason = `the task has no words for it (${parsed.error.issues[0]?.path.join(".")})`;
        continue;
      }
      const candidate: HostTask = { task, name, definition, params: parsed.data, placeOf };
      const result = await plan([...adopted.tasks.map(({ task }) => task), candidate]);
      const [refusal] = result.refusals;
      const changes = changesOf(result);
      if (refusal === undefined && changes.length === 0) {
        adopted.tasks.push({ task: candidate, params });
        taken = true;
        break;
      }
      const [first] = changes;
      const more = changes.length > 1 ? ` and ${plural(changes.length - 1, "more change")}` : "";
      reason = refusal?.found ?? `it would change ${first?.address}${more}`;
    }
    const parts = PARTS_WITHOUT_WORDS[definition.name]?.(found, taken) ?? [];
    for (const { part, reason } of parts) adopted.leftOut.push({ task: `${task} ${part}`, reason });
    if (!taken) adopted.leftOut.push({ task, reason });
  }
  return adopted;
}
