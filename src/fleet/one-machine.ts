import type { Host, PendingHost, Plan } from "../run/host.ts";

/** Several names for one machine, which is changed once. */
export interface Machines<P extends Plan> {
  readonly pending: readonly PendingHost<P>[];
  /** The other names while one name does the work. */
  readonly aliases: readonly { readonly alias: Host; readonly done: Host }[];
}

/** Tells one name of each machine from the others: the same machine-id, boot and start of the same unit. */
export function onePerMachine<P extends Plan>(hosts: readonly PendingHost<P>[]): Machines<P> {
  const byMachine = Map.groupBy(hosts, ({ observation: { facts } }) => {
    const { machineId, bootId } = facts.host;
    const { unit, properties } = facts.service;
    // Clones may have one machine-id, and a unit that was never started has no InvocationID.
    return `${machineId} ${bootId} ${unit} ${properties.get("InvocationID")}`;
  });
  const machines = [...byMachine.values()].flatMap(([first, ...others]) =>
    first === undefined ? [] : [{ first, others }],
  );
  const pending = new Set(machines.map(({ first }) => first));
  return {
    pending: hosts.filter((host) => pending.has(host)),
    aliases: machines.flatMap(({ first, others }) =>
      others.map((host) => ({ alias: leftTo(first, host), done: first })),
    ),
  };
}

/** The host under a name that leaves the work to another one. */
function leftTo(done: Host, host: Host): Host {
  const reason = `the same machine as ${done.job.host}: done there`;
  const tasks = host.work.tasks.map((task) => ({ ...task, status: "skipped" as const, reason, changes: [] }));
  return {
    ...host,
    outcome: { status: "unchanged", error: null },
    findings: { ...host.findings, checks: [] },
    work: { ...host.work, tasks, restart: { ...host.work.restart, needed: false } },
  };
}
