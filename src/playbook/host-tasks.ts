import type { Inventory } from "../inventory/inventory.ts";
import { InputError, type Problem } from "../lib/errors.ts";
import { isSelected, type TagSelection } from "../lib/tags.ts";
import type { HostTask } from "../tasks/task.ts";
import { parameterProblems } from "./parameter-problems.ts";
import { type Play, placeIn, type TaskEntry } from "./playbook.ts";
import { type FactsForTemplates, Renderer } from "./renderer.ts";

export type { FactsForTemplates };

export interface HostTasks {
  tasks: HostTask[];
  /** `index` is the entry's place in the play. */
  skipped: { task: string; name: string; reason: string; index: number }[];
  /** True where a value needs the host's facts: until then its tasks are not known. */
  needsFacts: boolean;
  /** The acl task where the tags leave it out: redkeep logs in as its administrator all the same. */
  login?: HostTask;
  /** For verify, where no firewall task applies: see `applicationNetworks`. */
  networks?: readonly string[];
}

/**
 * The tasks of a play for one host: conditions decided, parameters rendered and checked.
 *
 * @param facts undefined before the host was observed: entries that name `facts` then wait, but problems that can be found
 * already are reported.
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
    const { task, name } = entry;
    if (!isSelected(entry.tags, tags)) {
      const login = task === "acl" ? loginTask(inventory, host, play, entry, facts) : undefined;
      if (login !== undefined) result.login ??= login;
      continue;
    }
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
        result.tasks.push(taskOf(entry, resolved.params));
      }
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      problems.push(...error.problems);
    }
  }
  if (problems.length > 0) throw new InputError(problems);
  return result;
}

/** A problem in a task that was not selected must not stop the run: redkeep then only lacks the login. */
function loginTask(
  inventory: Inventory,
  host: string,
  play: Play,
  entry: TaskEntry,
  facts: FactsForTemplates | undefined,
): HostTask | undefined {
  try {
    const resolved = resolveEntry(entry, new Renderer(inventory, host, play, entry, facts));
    return typeof resolved === "string" ? undefined : taskOf(entry, resolved.params);
  } catch (error) {
    if (error instanceof InputError) return undefined;
    throw error;
  }
}

function taskOf(entry: TaskEntry, params: unknown): HostTask {
  const { task, name, definition } = entry;
  const placeOf: HostTask["placeOf"] = (path) => entry.document.placeOf([...entry.path, task, ...path]);
  return { task, name, definition, params, placeOf };
}

function resolveEntry(entry: TaskEntry, renderer: Renderer): { params: unknown } | "skipped" | "waits" {
  const condition = renderer.condition();
  if (condition === false) return "skipped";
  const rendered = renderer.params();
  const parsed = parseParams(entry, rendered.value);
  const problems = parameterProblems(parsed.error?.issues ?? [], entry, rendered, renderer);
  if (problems.length > 0) throw new InputError(problems);
  return parsed.success && condition && !rendered.waits ? { params: parsed.data } : "waits";
}

type ParsedParams = ReturnType<TaskEntry["definition"]["params"]["safeParse"]>;

/** Parsed parameters by their rendered form: most are the same on all hosts. */
const parsedParams = new WeakMap<TaskEntry, Map<string, ParsedParams>>();

function parseParams(entry: TaskEntry, value: unknown): ParsedParams {
  // For a value that is parsed only once, zod's own compiler costs more than it saves.
  const parse = () => entry.definition.params.safeParse(value, { jitless: true });
  if (!isJson(value)) return parse();
  const known = parsedParams.get(entry) ?? new Map<string, ParsedParams>();
  parsedParams.set(entry, known);
  const key = JSON.stringify(value);
  let parsed = known.get(key);
  if (parsed === undefined) {
    parsed = parse();
    known.set(key, parsed);
  }
  return parsed;
}

/** Whether values that differ also differ as JSON. */
function isJson(value: unknown): boolean {
  if (typeof value === "number") return Number.isFinite(value);
  if (typeof value !== "object" || value === null)
    return typeof value === "string" || typeof value === "boolean" || value === null;
  const prototype = Object.getPrototypeOf(value);
  if (!Array.isArray(value) && prototype !== null && prototype !== Object.prototype) return false;
  return Object.values(value).every(isJson);
}
