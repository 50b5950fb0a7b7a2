import { clashes } from "../plan/claims.ts";
import { fail, type HostSession } from "../run/observe.ts";
import { machineOf } from "../run/prepare.ts";

/**
 * Refuses hosts of the run that are servers of one machine and want the same port or file there: the second would fail in the
 * middle of its change. Where neither would change anything, they live beside each other already. That it is one machine
 * is the inventory's word, by the way to its SSH server: none of the hosts can say it of another.
 */
export function guardSharedMachines(sessions: readonly HostSession[]): void {
  const found: { session: HostSession; text: string }[] = [];
  const byMachine = Map.groupBy(sessions, ({ job }) => machineOf(job));
  for (const here of byMachine.values()) {
    for (const session of here) {
      const both = here.flatMap((other) => clashesWith(session, other));
      if (both.length > 0) found.push({ session, text: both.join("\n") });
    }
  }
  for (const { session, text } of found) {
    session.connection?.close();
    fail(session, "refused", {
      where: "shared machine",
      found: text,
      remedy: "give each server its own by variables of the host in the playbook, or name the machine once",
    });
  }
}

function clashesWith(one: HostSession, other: HostSession): string[] {
  if (one.claims === undefined || other.claims === undefined || one.claims.unit === other.claims.unit)
    return [];
  if (![one, other].some(({ record }) => record.status === "would-change")) return [];
  return clashes(one.claims, other.claims).map(
    (what) =>
      `${what} is wanted by ${other.claims?.unit} too, which is ${other.job.host} on the same machine`,
  );
}
