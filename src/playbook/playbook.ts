import type { Place } from "../errors.ts";
import type { Variables } from "../inventory/inventory.ts";
import type { TaskDefinition } from "../tasks/task.ts";
import type { YamlDocument } from "../yaml.ts";

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
  /** redkeep's own: weaker than anything in the inventory. */
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
  path: readonly (string | number)[];
}
