import type { TemplateData } from "../lib/template.ts";
import { buildPlan } from "../plan/build-plan.ts";
import { impactOf } from "../plan/impact.ts";
import type { HostPlan, ShownPlan } from "../plan/plan.ts";
import type { Observation } from "./host.ts";
import { lacksSecrets } from "./secrets.ts";

interface PlanContext {
  readonly accepted: ReadonlySet<string>;
  readonly render: (name: string, data: TemplateData) => string;
}

/** What the playbook would change on a host, with nothing made for it yet. */
export function planToShow(observation: Observation, context: PlanContext): ShownPlan {
  let isPromise = lacksSecrets(observation.secrets);
  const plan = planFor(observation, context, () => {
    isPromise = true;
    return "••••";
  });
  return { ...plan, isPromise };
}

/** What the playbook would change on a host. The same observation gives the same plan, but for the names that are drawn. */
export function planFor(
  { facts, server, tasks, secrets }: Observation,
  { accepted, render }: PlanContext,
  drawName: (command: string) => string,
): HostPlan {
  const plan = buildPlan({
    facts,
    server,
    tasks: tasks.tasks,
    skipped: tasks.skipped,
    controller: secrets,
    accepted,
    render,
    drawName,
  });
  return { ...plan, impact: impactOf(plan, facts, server) };
}
