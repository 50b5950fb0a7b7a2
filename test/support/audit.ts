import { auditChecks } from "../../src/audit/audit.ts";
import type { HostFacts } from "../../src/facts/probe.ts";
import { paramsOf } from "../../src/tasks/task.ts";
import type { Check } from "../../src/verify/controls.ts";
import { defaultTasks } from "./default-playbook.ts";
import { server } from "./run-task.ts";

const { tasks } = await defaultTasks([]);

/** What the audit says of a host beside the default playbook, or beside one of some tasks alone. */
export function audit(
  facts: HostFacts,
  {
    without = [],
    tags = [],
    networks,
  }: { without?: readonly string[]; tags?: readonly string[]; networks?: readonly string[] } = {},
): Check[] {
  const rest = paramsOf(tasks.filter(({ task }) => !without.includes(task)));
  return auditChecks({ facts, server: server(facts), tasks: rest, networks }, { only: tags, skip: [] });
}

/** `outcome: observed` of a control's checks. */
export function verdicts(
  control: string,
  facts: HostFacts,
  options: Parameters<typeof audit>[1] = {},
): string[] {
  return audit(facts, options)
    .filter((check) => check.control === control)
    .map(({ outcome, observed }) => `${outcome}: ${observed}`);
}
