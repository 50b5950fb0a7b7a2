import { dirname, resolve } from "node:path";
import type { Variables } from "../inventory/inventory.ts";
import { didYouMean, InputError, type Problem } from "../lib/errors.ts";
import { readYamlFile, type YamlDocument } from "../lib/yaml.ts";
import type { YamlPath } from "../lib/yaml-node.ts";
import { keyOf, type Play, type Playbook, type Serial, shown, type TaskEntry } from "./playbook.ts";
import { loadTask, taskNames } from "./task-files.ts";

const PLAY_KEYS = (
  "name hosts become become_user become_method remote_user port connection serial order vars defaults tags tasks " +
  "max_fail_percentage any_errors_fatal gather_facts"
).split(" ");
const TASK_KEYS = ["name", "tags", "when", "vars"];
const ORDERS = ["inventory", "reverse_inventory", "sorted", "reverse_sorted", "shuffle"] as const;

/**
 * Reads a playbook: its plays and their tasks, with parameters that are not rendered yet.
 *
 * @param cwd the folder that a relative `file` counts from; messages name the file as given.
 * @throws InputError listing every problem that can be found without an inventory.
 */
export async function loadPlaybook(file: string, cwd = "."): Promise<Playbook> {
  const reader = new PlaybookReader(await readYamlFile(resolve(cwd, file), file));
  const plays = await reader.plays();
  if (reader.problems.length > 0) throw new InputError(reader.problems.sort(byPlace));
  return { file, directory: dirname(file), plays };
}

class PlaybookReader {
  readonly problems: Problem[] = [];
  readonly #document: YamlDocument;
  readonly #taskNames = taskNames();

  constructor(document: YamlDocument) {
    this.#document = document;
  }

  async plays(): Promise<Play[]> {
    const { value } = this.#document;
    if (!Array.isArray(value) || value.length === 0) {
      this.#problem([], "should be a list of plays, each with hosts and tasks");
      return [];
    }
    const plays: Play[] = [];
    for (const [index, play] of value.entries()) {
      if (isMapping(play)) plays.push(await this.#play(play, [index]));
      else this.#problem([index], `should be a play, a mapping with hosts and tasks, found ${shown(play)}`);
    }
    return plays;
  }

  async #play(play: Mapping, path: YamlPath): Promise<Play> {
    for (const key of Object.keys(play)) {
      if (!PLAY_KEYS.includes(key))
        this.#problem([...path, key], `unknown keyword of a play.${didYouMean(key, PLAY_KEYS)}`);
    }
    const hosts = texts(play.hosts)?.filter((pattern) => pattern.trim() !== "");
    if (hosts === undefined || hosts.length === 0)
      this.#problem([...path, "hosts"], `should be a host pattern such as redis, found ${shown(play.hosts)}`);
    const tags = this.#tags(play.tags, [...path, "tags"]);
    const tasks: TaskEntry[] = [];
    if (!Array.isArray(play.tasks) || play.tasks.length === 0)
      this.#problem([...path, "tasks"], `should be a list of tasks, found ${shown(play.tasks)}`);
    else {
      for (const [number, entry] of play.tasks.entries()) {
        const task = await this.#task(entry, [...path, "tasks", number], tags);
        if (task !== undefined) tasks.push(task);
      }
    }
    return {
      name: this.#optional(play, path, "name", "string") ?? (hosts ?? []).join(","),
      place: this.#document.placeOf(path),
      hosts: hosts ?? [],
      defaults: this.#variables(play.defaults, [...path, "defaults"]),
      vars: this.#variables(play.vars, [...path, "vars"]),
      serial: this.#serial(play.serial, [...path, "serial"]),
      maxFailPercentage: this.#percentage(play.max_fail_percentage, [...path, "max_fail_percentage"]),
      anyErrorsFatal: this.#optional(play, path, "any_errors_fatal", "boolean") ?? false,
      order: this.#order(play.order, [...path, "order"]),
      become: this.#optional(play, path, "become", "boolean"),
      becomeUser: this.#optional(play, path, "become_user", "string"),
      becomeMethod: this.#optional(play, path, "become_method", "string"),
      remoteUser: this.#optional(play, path, "remote_user", "string"),
      port: this.#port(play, path),
      connection: this.#optional(play, path, "connection", "string"),
      tasks,
    };
  }

  async #task(entry: unknown, path: YamlPath, playTags: readonly string[]): Promise<TaskEntry | undefined> {
    if (!isMapping(entry)) {
      this.#problem(path, `should be a task, a mapping such as { bind: { … } }, found ${shown(entry)}`);
      return undefined;
    }
    const known = this.#taskNames;
    const named = Object.keys(entry).filter((key) => !TASK_KEYS.includes(key));
    const strange = named.filter((key) => !known.includes(key));
    for (const key of strange)
      this.#problem(
        [...path, key],
        `unknown task or keyword.${didYouMean(key, [...known, ...TASK_KEYS])} Tasks are ${known.join(", ")}`,
      );
    const [task, another] = named.filter((key) => known.includes(key));
    if (another !== undefined)
      this.#problem([...path, another], `a second task in one entry, beside ${task}: give each its own`);
    if (task === undefined) {
      if (strange.length === 0) this.#problem(path, `should name a task: one of ${known.join(", ")}`);
      return undefined;
    }
    const definition = await loadTask(task);
    const params = entry[task] ?? {};
    return {
      name: this.#optional(entry, path, "name", "string") ?? task,
      task,
      definition,
      params: isMapping(params) ? { ...definition.leftOut, ...params } : params,
      tags: [...playTags, ...this.#tags(entry.tags, [...path, "tags"])],
      when: this.#when(entry.when, [...path, "when"]),
      vars: this.#variables(entry.vars, [...path, "vars"]),
      document: this.#document,
      path,
    };
  }

  #when(value: unknown, path: YamlPath): (string | boolean)[] {
    return this.#list(value, path).flatMap(([condition, at]) => {
      if (condition === null || condition === "") return [];
      if (typeof condition === "string" || typeof condition === "boolean") return [condition];
      this.#problem(at, `should be an expression or a list of them, found ${shown(condition)}`);
      return [];
    });
  }

  #variables(value: unknown, path: YamlPath): Variables {
    if (value === undefined || value === null) return new Map();
    if (!isMapping(value)) {
      this.#problem(path, `should be a mapping of variables, found ${shown(value)}`);
      return new Map();
    }
    return new Map(
      Object.entries(value).map(([name, value]) => [
        name,
        { value, place: this.#document.placeOf([...path, name]) },
      ]),
    );
  }

  #tags(value: unknown, path: YamlPath): string[] {
    if (value === undefined || value === null) return [];
    const tags = texts(value);
    if (tags === undefined) this.#problem(path, `should be a tag or a list of tags, found ${shown(value)}`);
    return (tags ?? [])
      .flatMap((text) => text.split(","))
      .map((tag) => tag.trim())
      .filter(Boolean);
  }

  /** Sizes of batches as Ansible reads them: 2.5 means 2; 0 or less means all hosts that are left. */
  #serial(value: unknown, path: YamlPath): Serial[] {
    return this.#list(value, path).flatMap(([entry, at]): Serial[] => {
      const text = typeof entry === "string" || typeof entry === "number" ? String(entry).trim() : "";
      const [, count, percent] = /^(?:(-?\d+(?:\.\d+)?)|(\d+)%)$/.exec(text) ?? [];
      if (percent !== undefined && Number(percent) <= 100) return [{ percent: Number(percent) }];
      if (count !== undefined)
        return [Number(count) < 1 ? { percent: 100 } : { count: Math.trunc(Number(count)) }];
      this.#problem(
        at,
        `should be a number of hosts or a whole percentage such as 10%, found ${shown(entry)}`,
      );
      return [];
    });
  }

  /** A value or a list of values, each with its path; nothing where it is left out. */
  #list(value: unknown, path: YamlPath): [unknown, YamlPath][] {
    if (value === undefined || value === null) return [];
    return Array.isArray(value) ? value.map((item, index) => [item, [...path, index]]) : [[value, path]];
  }

  #percentage(value: unknown, path: YamlPath): number | undefined {
    if (value === undefined || value === null) return undefined;
    const text =
      typeof value === "string" || typeof value === "number" ? String(value).replace(/%$/, "") : "";
    if (/^\d{1,3}(\.\d+)?$/.test(text) && Number(text) <= 100) return Number(text);
    this.#problem(path, `should be a percentage (0 to 100), found ${shown(value)}`);
    return undefined;
  }

  #port(play: Mapping, path: YamlPath): number | undefined {
    const port = this.#optional(play, path, "port", "number");
    if (port === undefined || (Number.isInteger(port) && port >= 1 && port <= 65535)) return port;
    this.#problem([...path, "port"], `should be a port (1 to 65535), found ${port}`);
    return undefined;
  }

  #order(value: unknown, path: YamlPath): Play["order"] {
    if (value === undefined || value === null) return "inventory";
    const found = ORDERS.find((order) => order === value);
    if (found === undefined) {
      const hint = typeof value === "string" ? didYouMean(value, ORDERS) : "";
      this.#problem(path, `should be one of ${ORDERS.join(", ")}, found ${shown(value)}.${hint}`);
    }
    return found ?? "inventory";
  }

  #optional(mapping: Mapping, path: YamlPath, key: string, type: "string"): string | undefined;
  #optional(mapping: Mapping, path: YamlPath, key: string, type: "number"): number | undefined;
  #optional(mapping: Mapping, path: YamlPath, key: string, type: "boolean"): boolean | undefined;
  #optional(mapping: Mapping, path: YamlPath, key: string, type: "string" | "number" | "boolean"): unknown {
    const value = mapping[key];
    if (value === undefined || value === null) return undefined;
    if (typeof value === type) return value;
    this.#problem(
      [...path, key],
      `should be ${type === "string" ? "text" : type === "number" ? "a number" : "true or false"}, found ${shown(value)}`,
    );
    return undefined;
  }

  #problem(path: YamlPath, message: string): void {
    this.problems.push({ place: this.#document.placeOf(path), key: keyOf(path), message });
  }
}

type Mapping = Readonly<Record<string, unknown>>;

function isMapping(value: unknown): value is Mapping {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function texts(value: unknown): string[] | undefined {
  const list = typeof value === "string" ? [value] : value;
  return Array.isArray(list) && list.every((item) => typeof item === "string") ? list : undefined;
}

function byPlace({ place: a }: Problem, { place: b }: Problem): number {
  return (a?.line ?? 0) - (b?.line ?? 0) || (a?.column ?? 0) - (b?.column ?? 0);
}
