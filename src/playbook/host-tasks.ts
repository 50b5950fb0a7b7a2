import { z } from "zod";
import { didYouMean, InputError, type Problem } from "../errors.ts";
import { hostVariables, type Inventory, type Variable } from "../inventory/inventory.ts";
import { refuseUnrendered } from "../inventory/unrendered.ts";
import type { HostTask } from "../plan/build-plan.ts";
import { keyOf, shown } from "./load-playbook.ts";
import type { Play, TaskEntry } from "./playbook.ts";
import { isSelected, type TagSelection } from "./tags.ts";
import { evaluate, TemplateError } from "./template.ts";

/** What of a host's facts a playbook may name, as `facts.NAME`. */
export type FactsForTemplates = Readonly<Record<string, unknown>>;

export interface HostTasks {
  tasks: HostTask[];
  skipped: { task: string; name: string; reason: string; index: number }[];
  /** True where a value waits for the facts: then the tasks are only known with them. */
  needsFacts: boolean;
}

/**
 * The tasks of a play for one host: conditions decided, parameters rendered and checked.
 * @param facts undefined before the host is asked: values that name `facts` are then left for later.
 * @throws InputError naming the place in the playbook.
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
  for (const [index, entry] of play.tasks.entries()) {
    if (!isSelected(entry.tags, tags)) continue;
    const renderer = new Renderer(inventory, host, play, entry, facts);
    try {
      const decision = renderer.condition();
      if (decision === false) {
        result.skipped.push({ task: entry.task, name: entry.name, reason: "when: false on this host", index });
        continue;
      }
      const params = renderer.value(entry.params, [...entry.path, entry.task]);
      if (renderer.needsFacts) {
        result.needsFacts = true;
        continue;
      }
      const parsed = entry.definition.params.safeParse(params);
      if (parsed.success) result.tasks.push({ task: entry.task, name: entry.name, definition: entry.definition, params: parsed.data });
      else problems.push(...parsed.error.issues.map((issue) => problemOf(issue, entry, params)));
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      problems.push(...error.problems);
    }
  }
  const names = result.tasks.map(({ task }) => task);
  const twice = names.find((name, index) => names.indexOf(name) < index);
  if (twice !== undefined) {
    problems.push({ place: play.place, key: twice, message: `applies twice to ${host}: a host takes each task once (use when, or one entry)` });
  }
  if (problems.length > 0) throw new InputError(problems);
  return result;
}

/** Renders the texts of one task entry with the variables of one host. */
class Renderer {
  needsFacts = false;
  readonly #host: string;
  readonly #entry: TaskEntry;
  readonly #variables: Map<string, Variable>;
  readonly #facts: FactsForTemplates | undefined;

  constructor(inventory: Inventory, host: string, play: Play, entry: TaskEntry, facts: FactsForTemplates | undefined) {
    this.#host = host;
    this.#entry = entry;
    this.#facts = facts;
    this.#variables = hostVariables(inventory, host, { playDefaults: play.defaults, playVars: play.vars, taskVars: entry.vars });
    // The playbook's own variables are its text, so they may be templates; those of the inventory are data.
    for (const own of [play.defaults, play.vars, entry.vars]) {
      for (const [name, variable] of own) {
        if (this.#variables.get(name) !== variable || !hasTemplate(variable.value)) continue;
        this.#variables.set(name, { ...variable, value: this.#render(variable.value, variable) });
      }
    }
  }

  /** undefined where it waits for the facts. */
  condition(): boolean | undefined {
    const path = [...this.#entry.path, "when"];
    let known: boolean | undefined = true;
    for (const condition of this.#entry.when) {
      const text = typeof condition === "boolean" ? undefined : condition.includes("<%") ? condition : `<%= (${condition}) %>`;
      const value = text === undefined ? condition : this.value(text, path);
      if (this.needsFacts) {
        known = undefined;
        continue;
      }
      if (typeof value !== "boolean") {
        throw new InputError({ place: this.#entry.document.placeOf(path), key: keyOf(path), message: `should be true or false on ${this.#host}, found ${shown(value)}` });
      }
      if (!value) return false;
    }
    return known;
  }

  value(value: unknown, path: readonly (string | number)[]): unknown {
    if (!hasTemplate(value)) return value;
    return this.#render(value, { place: this.#entry.document.placeOf(path), key: keyOf(path) }, path);
  }

  #render(value: unknown, at: { place: Problem["place"]; key?: string }, path?: readonly (string | number)[]): unknown {
    if (typeof value === "string") return this.#text(value, at);
    if (Array.isArray(value)) return value.map((item, index) => this.#part(item, index, at, path));
    if (typeof value === "object" && value !== null) {
      const result: Record<string, unknown> = Object.create(null);
      for (const [key, item] of Object.entries(value)) result[key] = this.#part(item, key, at, path);
      return result;
    }
    return value;
  }

  #part(item: unknown, key: string | number, at: { place: Problem["place"]; key?: string }, path?: readonly (string | number)[]): unknown {
    if (path === undefined) return this.#render(item, at);
    const below = [...path, key];
    return this.#render(item, { place: this.#entry.document.placeOf(below), key: keyOf(below) }, below);
  }

  #text(text: string, { place, key }: { place: Problem["place"]; key?: string }): unknown {
    if (!text.includes("<%")) return text;
    const code = [...text.matchAll(/<%[\s\S]*?%>/g)].map(([part]) => part).join(" ");
    const words = new Set(code.match(/[A-Za-z_$][\w$]*/g) ?? []);
    const data: Record<string, unknown> = Object.create(null);
    for (const word of words) {
      const variable = this.#variables.get(word);
      if (variable === undefined) continue;
      refuseUnrendered(variable, word, this.#host);
      data[word] = variable.value;
    }
    if (words.has("facts") && !this.#variables.has("facts")) {
      if (this.#facts === undefined) {
        this.needsFacts = true;
        return text;
      }
      data.facts = this.#facts;
    }
    try {
      return evaluate(text, data, place?.file ?? "playbook");
    } catch (error) {
      if (!(error instanceof TemplateError)) throw error;
      const missing = /^(\S+) is not defined/.exec(error.message)?.[1];
      const hint = missing === undefined ? "" : didYouMean(missing, this.#variables.keys());
      throw new InputError({ place, ...(key === undefined ? {} : { key }), message: `${error.message} on ${this.#host}.${hint}` });
    }
  }
}

function hasTemplate(value: unknown): boolean {
  if (typeof value === "string") return value.includes("<%");
  if (Array.isArray(value)) return value.some(hasTemplate);
  return typeof value === "object" && value !== null && Object.values(value).some(hasTemplate);
}

/** A finding of a parameter's schema, with its place in the playbook. */
function problemOf(issue: z.core.$ZodIssue, { document, path, task, definition }: TaskEntry, params: unknown): Problem {
  const inside = issue.path.filter((part) => typeof part === "string" || typeof part === "number");
  const at = [...path, task, ...inside];
  const place = (below: readonly (string | number)[]) => ({ place: document.placeOf(below), key: keyOf(below) });
  if (issue.code === "unrecognized_keys") {
    const [key = ""] = issue.keys;
    return { ...place([...at, key]), message: `unknown parameter.${didYouMean(key, knownKeys(definition.params, inside))}` };
  }
  const found = inside.reduce<unknown>((value, part) => (typeof value === "object" && value !== null ? Reflect.get(value, part) : undefined), params);
  if (issue.message.startsWith("should ")) {
    return { ...place(at), message: issue.message.includes(", found ") ? issue.message : `${issue.message}, found ${shown(found)}` };
  }
  return { ...place(at), message: `should be ${expectation(issue)}, found ${shown(found)}` };
}

function expectation(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case "invalid_type":
      return { string: "text", number: "a number", int: "a whole number", boolean: "true or false", array: "a list", object: "a mapping", record: "a mapping" }[issue.expected as string] ?? String(issue.expected);
    case "invalid_value":
      return issue.values.length === 1 ? String(issue.values[0]) : `one of ${issue.values.map(String).join(", ")}`;
    case "too_small":
      return issue.origin === "array" ? `a list of at least ${issue.minimum}` : `at least ${issue.minimum}`;
    case "too_big":
      return `at most ${issue.maximum}`;
    default:
      return issue.message.charAt(0).toLowerCase() + issue.message.slice(1);
  }
}

type JsonSchema = { properties?: Record<string, JsonSchema>; items?: JsonSchema; anyOf?: JsonSchema[] };

/** The keys that a parameter schema knows at `path`, for a "did you mean". */
function knownKeys(schema: z.ZodType, path: readonly (string | number)[]): string[] {
  const root = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as JsonSchema;
  const below = path.reduce<JsonSchema[]>(
    (schemas, part) =>
      schemas.flatMap((one) => {
        const next = typeof part === "number" ? one.items : one.properties?.[part];
        return next === undefined ? [] : (next.anyOf ?? [next]);
      }),
    [root],
  );
  return below.flatMap(({ properties }) => Object.keys(properties ?? {}));
}
