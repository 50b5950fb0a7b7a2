import type { Variables } from "../inventory/inventory.ts";
import type { Place, Problem } from "../lib/errors.ts";
import type { YamlDocument } from "../lib/yaml.ts";
import type { YamlPath } from "../lib/yaml-node.ts";
import type { TaskDefinition } from "../tasks/task.ts";

export interface Playbook {
  file: string;
  /** What relative paths in it count from. */
  directory: string;
  plays: Play[];
}

export interface Play {
  name: string;
  place: Place;
  hosts: readonly string[];
  /** redkeep's own defaults: anything in the inventory wins over them. */
  defaults: Variables;
  vars: Variables;
  serial: readonly Serial[];
  /** undefined: not set. */
  maxFailPercentage: number | undefined;
  anyErrorsFatal: boolean;
  order: "inventory" | "reverse_inventory" | "sorted" | "reverse_sorted" | "shuffle";
  become: boolean | undefined;
  becomeUser: string | undefined;
  becomeMethod: string | undefined;
  remoteUser: string | undefined;
  port: number | undefined;
  connection: string | undefined;
  tasks: TaskEntry[];
}

/** A number of hosts, or a share of them in percent. */
export type Serial = { count: number } | { percent: number };

export interface TaskEntry {
  name: string;
  task: string;
  definition: TaskDefinition;
  /** As written, not rendered. */
  params: unknown;
  /** The play's and its own. */
  tags: readonly string[];
  /** Expressions that must all be true. */
  when: readonly (string | boolean)[];
  vars: Variables;
  document: YamlDocument;
  /** `[0, "tasks", 3]`: the entry in the document. */
  path: YamlPath;
}

/** The place of `below` in a task entry, for a message. */
export function placeIn({ document, path }: TaskEntry, below: YamlPath): Pick<Problem, "place" | "key"> {
  const whole = [...path, ...below];
  return { place: document.placeOf(whole), key: keyOf(whole) };
}

/** `[0, "tasks", 3, "tls", "cipher"]` as people read it; the play's number is shown only from the second play on. */
export function keyOf([play, ...rest]: YamlPath): string {
  const key = rest.map((part) => (typeof part === "number" ? `[${part}]` : `.${part}`)).join("");
  return play === undefined || play === 0 ? key.replace(/^\./, "") : `[${play}]${key}`;
}

/** A value as a message shows it: short, and never the content of a list or mapping, which may hold a secret. */
export function shown(value: unknown): string {
  if (value === undefined) return "nothing";
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  if (typeof value === "object" && value !== null) return "a mapping";
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}
