import type { FactName } from "../facts/probe.ts";
import type { ProbeInput } from "../facts/probe-input.ts";
import type { ServerLogin } from "../facts/server-login.ts";
import type { HostTasks } from "../playbook/host-tasks.ts";
import { MATRIX } from "../redis/matrix.ts";
import type { HostTask } from "../tasks/task.ts";

export function factNames({ tasks }: HostTasks): Set<FactName> {
  return new Set(tasks.flatMap(({ definition }) => definition.facts));
}

/** The one question to a host, as its tasks need it. */
export function probeInput(
  unit: string,
  tasks: readonly HostTask[],
  login: ServerLogin | undefined,
  prove: boolean,
): ProbeInput {
  const asked = tasks.map(({ definition, params }) => definition.probe?.(params) ?? {});
  return {
    unit,
    ...(login === undefined ? {} : { login }),
    paths: [...new Set(asked.flatMap(({ paths }) => paths ?? []))],
    commands: [...new Set(asked.flatMap(({ commands }) => commands ?? []))],
    dryRuns: prove ? asked.flatMap(({ dryRuns }) => dryRuns ?? []) : [],
    matrix: prove ? MATRIX.map(({ words }) => words) : [],
    keySamples: Math.max(0, ...asked.map(({ keySamples }) => keySamples ?? 0)),
    tlsPorts: [...new Set(asked.flatMap(({ tlsPorts }) => tlsPorts ?? []))],
    prove,
    backups: [],
  };
}
