import { InputError, type Problem } from "../errors.ts";
import type { Inventory } from "../inventory/inventory.ts";
import type { HostTask } from "../plan/build-plan.ts";
import { parameterProblems } from "./parameter-problems.ts";
import { type Play, placeIn, type TaskEntry } from "./playbook.ts";
import { type FactsForTemplates, Renderer } from "./renderer.ts";
import { isSelected, type TagSelection } from "./tags.ts";

export type { FactsForTemplates };

export interface HostTasks {
  tasks: HostTask[];
  /** `index` is the entry's place in the play. */
  skipped: { task: string; name: string; reason: string; index: number }[];
  /** True where a value waits for the facts: then the tasks are only known with them. */
  needsFacts: boolean;
}

/**
 * The tasks of a play for one host: conditions decided, parameters rendered and checked.
 *
 * @param facts undefined before the host is asked: entries that name `facts` are then left for later, though what can be
 * told about them already is.
 * @throws InputError naming the places in the playbook.
 */
export function hostTasks(
  inventory: Inventory,
  host: string,
  play: Play,
  tags: TagSelection,
  facts: FactsForTemplates | undefined,
): HostTasks {
  const result: HostTasks = { tasks: [], skipped: [], needsFacts: false };
  const problems: Problem[] = [];
  const taken = new Set<string>();
  for (const [index, entry] of play.tasks.entries()) {
    if (!isSelected(entry.tags, tags)) continue;
    const { task, name, definition } = entry;
    try {
      const resolved = resolveEntry(entry, new Renderer(inventory, host, play, entry, facts));
      if (resolved === "skipped") {
        result.skipped.push({ task, name, reason: "when: false on this host", index });
      } else if (resolved === "waits") {
        result.needsFacts = true;
      } else if (taken.has(task)) {
        problems.push({
          ...placeIn(entry, []),
          message: `${task} applies twice to ${host}: a host takes each task once (use when, or one entry)`,
        });
      } else {
        taken.add(task);
        result.tasks.push({
          task,
          name,
          definition,
          params: resolved.params,
          placeOf: (path) => entry.document.placeOf([...entry.path, task, ...path]),
        });
      }
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      problems.push(...error.problems);
    }
  }
  if (problems.length > 0) throw new InputError(problems);
  return result;
}

function resolveEntry(entry: TaskEntry, renderer: Renderer): { params: unknown } | "skipped" | "waits" {
  const condition = renderer.condition();
  if (condition === false) return "skipped";
  const rendered = renderer.params();
  const parsed = entry.definition.params.safeParse(rendered.value);
  const problems = parameterProblems(parsed.error?.issues ?? [], entry, rendered, renderer);
  if (problems.length > 0) throw new InputError(problems);
  return parsed.success && condition && !rendered.waits ? { params: parsed.data } : "waits";
}
