import type { HostFacts } from "../facts/probe.ts";
import type { TemplateData } from "../lib/template.ts";
import type { ChangeRecord, TaskRecord } from "../record/record.ts";
import type { ConfigDocument } from "../redis/config-document.ts";
import type { Server } from "../redis/server.ts";
import type { Draft, Refusal, Resource } from "../resources/kind.ts";
import { differ, noActions, settle } from "../resources/kinds.ts";
import type { Controller } from "../state/controller.ts";
import { type HostTask, PHASES, paramsOf, type TaskContext } from "../tasks/task.ts";
import { endpointOf, endpointRefusals } from "./endpoint.ts";
import { memoryOnlyUsers } from "./memory-only.ts";
import { placeRefusals } from "./places.ts";
import { changesOf, type HostPlan, type MemoryOnlyUser } from "./plan.ts";
import { loadTime, restartRefusals, saveRefusals } from "./restart.ts";
export interface PlanInput {
  facts: HostFacts;
  server: Server;
  tasks: readonly HostTask[];
  /** Tasks that `when` or tags leave out on this host, with the reason. */
  skipped: readonly { task: string; name: string; reason: string; index: number }[];
  controller: Controller;
  accepted: ReadonlySet<string>;
  render: (name: string, data: TemplateData) => string;
  /** A new name for a command that is to be renamed and has none yet. */
  drawName: (command: string) => string;
}

/** Facts and playbook in, plan out: pure. */
export function buildPlan(input: PlanInput): HostPlan {
  const { facts, server, tasks } = input;
  const refusals: HostPlan["refusals"] = [];
  const draft = newDraft(input, refusals);
  const [earliest] = inPhaseOrder(tasks);
  const [first] = tasks;
  const planned = new Map(inPhaseOrder(tasks).map((task) => [task, planTask(task, input, draft)]));
  const changes = () => [...planned.values()].flatMap((task) => task.changes);
  const addTo = (task: HostTask | undefined, more: readonly ChangeRecord[]): void => {
    const record = task && planned.get(task);
    if (task && record) planned.set(task, { ...record, changes: [...record.changes, ...more] });
  };
  draft.actions.restart = changes().some(({ restart }) => restart);

  const memoryOnly = memoryOnlyUsers(
    { facts, server },
    { next: draft.effects.users, restarts: draft.actions.restart, removesUnlisted: draft.removesUnlisted },
  );
  if (draft.actions.restart && first !== undefined) {
    addTo(first, compare(loadTime(facts, server), first.task, draft));
    refuseAll(
      draft,
      "restart",
      restartRefusals(facts, server, draft.config, draft.throughServer, memoryOnly),
    );
  }
  if (draft.actions.restart || draft.actions.persistence.some((step) => step !== "rewrite-aof"))
    refuseAll(draft, "restart", saveRefusals(facts, server));
  draft.task = "files";
  addTo(earliest, settle(draft, changes()));
  if (changes().length > 0) {
    refuseAll(draft, "files", placeRefusals(facts.files, draft.actions));
    for (const words of [facts.redis.endpoint, endpointOf(server, draft.config)])
      refuseAll(draft, "login", endpointRefusals(words));
  }
  return finished(input, draft, planned, { refusals, memoryOnly });
}

/** The context in which a host's task plans and checks. */
export function taskContext(
  input: Omit<PlanInput, "skipped" | "accepted" | "drawName">,
  task: HostTask,
  config: ConfigDocument,
): TaskContext<unknown> {
  return {
    params: task.params,
    facts: input.facts,
    server: input.server,
    config,
    controller: input.controller,
    render: input.render,
    others: paramsOf(input.tasks),
  };
}

function inPhaseOrder(tasks: readonly HostTask[]): HostTask[] {
  const phaseOf = ({ definition }: HostTask) => PHASES.indexOf(definition.phase);
  return tasks.toSorted((a, b) => phaseOf(a) - phaseOf(b));
}

/** @param refusals gets those that are not accepted, each once */
function newDraft({ facts, server, render, drawName, accepted }: PlanInput, refusals: HostPlan["refusals"]) {
  const draft: Draft = {
    facts,
    server,
    render,
    drawName,
    task: "",
    config: server.config,
    actions: noActions(),
    effects: { users: undefined, listed: [], unknownPasswords: [], firewall: undefined },
    unit: new Map(),
    throughServer: new Set(),
    removesUnlisted: false,
    refuse: (refusal) => {
      if (refusal.guard !== null && accepted.has(refusal.guard)) return;
      if (!refusals.some(({ found }) => found === refusal.found))
        refusals.push({ ...refusal, task: draft.task });
    },
  };
  return draft;
}

function planTask(task: HostTask, input: PlanInput, draft: Draft): TaskRecord {
  const { desired } = task.definition;
  const { resources, refusals = [], notes = [] } = desired(taskContext(input, task, draft.config));
  const changes = compare(resources, task.task, draft);
  refuseAll(draft, task.task, refusals);
  return {
    task: task.task,
    name: task.name,
    status: changes.length > 0 ? "would-change" : "ok",
    reason: notes.length > 0 ? notes.join("; ") : null,
    changes,
  };
}

function compare(resources: readonly Resource[], task: string, draft: Draft): ChangeRecord[] {
  draft.task = task;
  return resources.flatMap((resource) => differ(resource, draft));
}

function refuseAll(draft: Draft, task: string, refusals: Iterable<Refusal>): void {
  draft.task = task;
  for (const refusal of refusals) draft.refuse(refusal);
}

function finished(
  { tasks, skipped }: PlanInput,
  { actions, effects, config }: Draft,
  planned: ReadonlyMap<HostTask, TaskRecord>,
  { refusals, memoryOnly }: { refusals: HostPlan["refusals"]; memoryOnly: readonly MemoryOnlyUser[] },
): HostPlan {
  const records = tasks.map((task) => planned.get(task)).filter((record) => record !== undefined);
  for (const { index, task, name, reason } of skipped.toSorted((a, b) => a.index - b.index)) {
    const record: TaskRecord = { task, name, status: "skipped", reason, changes: [] };
    records.splice(Math.min(index, records.length), 0, record);
  }
  const plan: HostPlan = {
    tasks: records,
    refusals,
    actions,
    after: { ...effects, config, memoryOnly },
    restartFor: [],
    impact: [],
  };
  const restarting = changesOf(plan).filter(({ restart }) => restart);
  return { ...plan, restartFor: restarting.map(({ address }) => address) };
}
