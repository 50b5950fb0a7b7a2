import { join, resolve } from "node:path";
import type { HostFacts } from "../../src/facts/probe.ts";
import { buildPlan } from "../../src/plan/build-plan.ts";
import type { HostPlan } from "../../src/plan/plan.ts";
import { loadTask, taskNames } from "../../src/playbook/task-files.ts";
import { templateRenderer } from "../../src/playbook/templates.ts";
import type { Controller } from "../../src/state/controller.ts";
import type { HostTask, TaskDefinition } from "../../src/tasks/task.ts";
import { PASSWORDS } from "./facts.ts";
import { server } from "./run-task.ts";

const definitions = new Map(
  await Promise.all(taskNames().map(async (name) => [name, await loadTask(name)] as const)),
);

const controller: Controller = {
  password: (name) => {
    const value = PASSWORDS.get(name);
    return value === undefined ? { missing: "generate" } : { value };
  },
  origin: () => undefined,
  state: { name: ".redkeep", lacking: (files) => [...files] },
  rotate: new Set(),
  caCertificate: undefined,
  certificate: undefined,
};

/** A use of a task in a play; `definition` for one that only a test knows. */
export function hostTask(task: string, params: unknown, definition = definitions.get(task)): HostTask {
  if (definition === undefined) throw new Error(`there is no task ${task}`);
  return {
    task,
    name: task,
    definition,
    params: definition.params.parse(params),
    placeOf: () => ({ file: "playbook.yml" }),
  };
}

/** The plan for several tasks, in this order. */
export function planTasks(
  tasks: Record<string, unknown> | readonly HostTask[],
  facts: HostFacts,
  {
    accepted = [],
    skipped = [],
  }: {
    accepted?: readonly string[];
    skipped?: readonly { task: string; name: string; reason: string; index: number }[];
  } = {},
): HostPlan {
  return buildPlan({
    facts,
    server: server(facts),
    tasks: isList(tasks) ? tasks : Object.entries(tasks).map(([name, params]) => hostTask(name, params)),
    skipped,
    controller,
    accepted: new Set(accepted),
    render: templateRenderer(join(resolve(import.meta.dirname, "../.."), "playbooks")),
    drawName: (command) => `${command.toLowerCase()}_drawn`,
  });
}

function isList(tasks: Record<string, unknown> | readonly HostTask[]): tasks is readonly HostTask[] {
  return Array.isArray(tasks);
}

/** A task of a test's own. */
export function taskThat(
  desired: TaskDefinition["desired"],
  phase: TaskDefinition["phase"] = "settings",
): HostTask {
  const definition: TaskDefinition = {
    name: "a task of a test" as string as TaskDefinition["name"],
    params: { parse: (params: unknown) => params } as TaskDefinition["params"],
    facts: [],
    phase,
    allowances: () => [],
    desired,
    checks: () => [],
  };
  return hostTask(phase, {}, definition);
}
