import { auditTags } from "../audit/audit.ts";
import { InputError } from "../lib/errors.ts";
import { firstOf } from "../lib/words.ts";
import type { Play } from "../playbook/playbook.ts";
import type { CheckRecord, HostRecord } from "../record/record.ts";
import { isAllowed } from "../record/summary.ts";
import type { Run } from "./run.ts";

/** A run that checked nothing, or only named what it skips, must not pass for a clean one. @throws InputError */
export function refuseNoChecks(hosts: readonly HostRecord[], { tags, jobs }: Run): void {
  const isMade = (check: CheckRecord): boolean =>
    check.outcome !== "skip" || check.skipped === "reported" || isAllowed(check);
  if (hosts.length === 0 || hosts.some(({ status, checks }) => status !== "unchanged" || checks.some(isMade)))
    return;
  const key = tags.only.length > 0 ? "--tags" : tags.skip.length > 0 ? "--skip-tags" : undefined;
  const these = hosts.length === 1 ? "this host" : "these hosts";
  const controls = new Set(hosts.flatMap(({ checks }) => checks.map(({ control }) => control)));
  throw new InputError(
    {
      ...(key === undefined ? {} : { key }),
      message: `leaves no check to make on ${these}: ${controls.size > 0 ? noneApplies([...controls]) : tagsThereAre(jobs)}`,
    },
    "The hosts were looked at, and nothing was changed.",
  );
}

/** `none of RK-TOP-01, RK-TOP-02 and 4 more applies there`. */
function noneApplies(controls: readonly string[]): string {
  return `none of ${firstOf(controls.toSorted(), 4)} applies there`;
}

function tagsThereAre(jobs: Run["jobs"]): string {
  const known = new Set([...jobs.flatMap(({ plays }) => plays).flatMap(tagsOf), ...auditTags()]);
  return `tasks and controls have the tags ${[...known].toSorted().join(", ")}`;
}

const tagsOf = ({ tasks }: Play): string[] => tasks.flatMap((task) => [...task.tags]);
