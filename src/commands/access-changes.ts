import { compareAccess, type Difference } from "../report/compare.ts";
import type { HostRecord, RunRecord } from "../report/record.ts";
import type { State } from "../state.ts";
import { keptRecords } from "./kept-records.ts";

/**
 * Tells in each host's record what its users may do now and could not when redkeep last looked and kept what it saw, or the
 * other way round: as an impact, in one line.
 */
export async function tellAccessChanges(state: State, hosts: readonly HostRecord[]): Promise<void> {
  const open = new Map(hosts.filter(({ access }) => access !== undefined).map((host) => [host.host, host]));
  if (open.size === 0) return;
  const { runRecordSchema } = await import("../report/record.ts");
  for await (const record of keptRecords(state, runRecordSchema)) {
    for (const { host, access } of record.hosts) {
      const now = open.get(host);
      if (now === undefined || access === undefined) continue;
      open.delete(host);
      const differences = compareAccess(access, now.access, host);
      if (differences.length > 0)
        now.impact.push({ kind: "access-changed", detail: sentence(differences, record) });
    }
    if (open.size === 0) return;
  }
}

/** `user app: KEYS allowed, SORT allowed; user legacy: new, since the apply of 2026-11-24 06:30 UTC`. */
function sentence(differences: readonly Difference[], { command, startedAt }: RunRecord): string {
  const users = Map.groupBy(differences, ({ what }) => what.split(": ")[0] ?? "");
  const parts = [...users].map(([user, all]) => {
    const changes = all.map(({ what, before, after }) => {
      const subject = what.slice(user.length + 2);
      return subject === "" ? (before === null ? "new" : "gone") : `${subject} ${after}`;
    });
    return `${user}: ${changes.join(", ")}`;
  });
  return `${parts.join("; ")}, since the ${command} of ${startedAt.slice(0, 16).replace("T", " ")} UTC`;
}
