import type { TemplateData } from "../lib/template.ts";
import { buildPlan } from "../plan/build-plan.ts";
import { impactOf } from "../plan/impact.ts";
import type { HostPlan } from "../plan/plan.ts";
import type { Observation } from "./host.ts";

/** What the playbook would change on a host. The same observation gives the same plan, but for the names that are drawn. */
export function planFor(
  { facts, server, tasks, secrets }: Observation,
  {
    accepted,
    render,
  }: { accepted: ReadonlySet<string>; render: (name: string, data: TemplateData) => string },
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
