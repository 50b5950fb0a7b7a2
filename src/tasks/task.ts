import type { z } from "zod";
import type { FactName, HostFacts } from "../facts/probe.ts";
import type { ProbeInput } from "../facts/probe-input.ts";
import type { Place } from "../lib/errors.ts";
import type { SecretSource } from "../lib/secret-source.ts";
import type { TemplateData } from "../lib/template.ts";
import type { ConfigDocument } from "../redis/config-document.ts";
import type { Server } from "../redis/server.ts";
import type { Desired } from "../resources/kind.ts";
import type { Controller } from "../state/controller.ts";
import type { Allowance } from "../verify/allowance.ts";
import type { Check } from "../verify/controls.ts";

/**
 * The parameters of each task, by its name. A task's own file adds its line, and cannot be defined without: see `defineTask`.
 * Nothing else lists the tasks.
 */
// biome-ignore lint/suspicious/noEmptyInterface: each task declares its own line of it
export interface TaskParams {}

export type TaskName = keyof TaskParams;

/**
 * Tasks are planned in this order, whatever their order in the playbook: a task's `config` has what all tasks of earlier
 * phases want. It also has what those of its own phase want that stand before it in the playbook. Rest on none of these: the
 * author of the playbook decides which they are.
 */
export const PHASES = [
  /** What Redis is told: needs nobody else's wishes. */
  "settings",
  /** The unit, and the certificate: they follow the addresses and paths that settings name. */
  "service",
  /** Owners and modes of every path that the tasks before name. */
  "files",
  /** Which ports open: those that the tasks before decide on. */
  "firewall",
] as const;

/** What a task may look at: never the clock, a file or a connection. */
export interface TaskContext<P> {
  params: P;
  facts: HostFacts;
  server: Server;
  /** redis.conf with what the tasks before this one want of it. */
  config: ConfigDocument;
  controller: Controller;
  /** Renders `templates/NAME`. */
  render: (name: string, data: TemplateData) => string;
  /** Parameters of all selected tasks of this host. */
  others: Readonly<Partial<TaskParams>>;
}

export interface TaskDefinition<P = unknown> {
  /** As playbooks call it; its file has the same name. */
  name: TaskName;
  /** Its parameters: the schema is the reference, and an unknown key is an error. */
  params: z.ZodType<P>;
  /** Parameters as if the playbook had written them, where it leaves them out: these may be templates. */
  leftOut?: Readonly<Record<string, unknown>>;
  /** The facts it needs beside those that every probe has. */
  facts: readonly FactName[];
  phase: (typeof PHASES)[number];
  /** What the probe must ask for this task's sake. */
  probe?: (
    params: P,
  ) => Partial<Pick<ProbeInput, "paths" | "commands" | "dryRuns" | "keySamples" | "tlsPorts">>;
  /** Passwords it needs, by name. */
  secrets?: (params: P) => ReadonlyMap<string, SecretSource | { generate: true }>;
  /** Why this host is left alone, if it is. */
  skip?: (context: TaskContext<P>) => string | undefined;
  /** What these parameters leave unmet of what controls demand: see `weakenable`. */
  allowances: (params: P) => Allowance[];
  desired: (context: TaskContext<P>) => Desired;
  checks: (context: TaskContext<P>) => Check[];
}

/** Gives a definition its name and types; a task file exports the result as its default. */
export function defineTask<N extends TaskName>(
  name: N,
  definition: Omit<TaskDefinition<TaskParams[N]>, "name">,
): TaskDefinition<TaskParams[N]> {
  return { name, ...definition };
}

/** One task of a play as it applies to one host. */
export interface HostTask {
  task: string;
  name: string;
  definition: TaskDefinition;
  /** As the definition's schema gave them out; `paramsOf` gives them their type. */
  params: unknown;
  /** Where a parameter stands in the playbook. */
  placeOf: (path: readonly (string | number)[]) => Place;
}

/** The parameters of tasks, by name; of two with one name, the later one's. */
export function paramsOf(
  tasks: readonly (Pick<HostTask, "task" | "params"> | undefined)[],
): Readonly<Partial<TaskParams>> {
  // The schema under this name gave them out, and `defineTask` ties the two: nowhere else are parameters cast.
  return Object.fromEntries(tasks.flatMap((task) => (task ? [[task.task, task.params]] : [])));
}
