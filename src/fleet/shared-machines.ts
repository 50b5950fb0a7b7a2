import { clashes } from "../plan/claims.ts";
import { type HostOutcome, type Stopped, stopped } from "../record/outcome.ts";
import type { Host } from "../run/host.ts";
import { machineOf } from "../run/job.ts";

/**
 * Refuses hosts of the run that are servers of one machine and want the same port or file there: the second would fail in the
 * middle of its change. Where neither would change anything, they live beside each other already. That it is one machine
 * is the inventory's word, by the way to its SSH server: none of the hosts can say it of another.
 */
export function guardSharedMachines<O extends HostOutcome>(hosts: readonly Host<O>[]): Host<O | Stopped>[] {
  const byMachine = Map.groupBy(hosts, ({ job }) => machineOf(job));
  return hosts.map((host) => {
    const both = (byMachine.get(machineOf(host.job)) ?? []).flatMap((other) => clashesWith(host, other));
    if (both.length === 0) return host;
    host.link.close();
    return {
      ...host,
      outcome: stopped("refused", {
        where: "shared machine",
        found: both.join("\n"),
        remedy: "give each server its own with host variables in the playbook, or name the machine only once",
      }),
    };
  });
}

function clashesWith(one: Host, other: Host): string[] {
  if (one.claims === undefined || other.claims === undefined || one.claims.unit === other.claims.unit)
    return [];
  if (![one, other].some(({ outcome }) => outcome.status === "would-change")) return [];
  return clashes(one.claims, other.claims).map(
    (what) =>
      `${what} is wanted by ${other.claims?.unit} too, which is ${other.job.host} on the same machine`,
  );
}
