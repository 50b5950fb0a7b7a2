import type { ChangeRecord, Impact, TaskRecord } from "../record/record.ts";
import type { AclUser } from "../redis/acl-user.ts";
import type { ConfigDocument } from "../redis/config-document.ts";
import type { Actions, Effects, Refusal } from "../resources/kind.ts";

/** All that would change on one host, as a value: what plan prints is what apply does. */
export interface HostPlan {
  /** In the playbook's order. */
  tasks: readonly TaskRecord[];
  refusals: (Refusal & { task: string })[];
  actions: Actions;
  after: After;
  /** Addresses that only a restart makes hold; empty where none is needed. */
  restartFor: string[];
  impact: readonly Impact[];
}

/** A plan as you are shown it, before apply has made anything for it. */
export interface ShownPlan extends HostPlan {
  /** Passwords, a CA or names of commands in it are only promised: apply makes them, then the plan again. */
  readonly isPromise: boolean;
}

/** What holds once the plan is carried out: what clients will meet. */
export interface After extends Effects {
  config: ConfigDocument;
  /** Users that no file has, and what becomes of them. */
  memoryOnly: readonly MemoryOnlyUser[];
  /** It is a state from before, which no playbook can make any better for who loses by it. */
  isGivenBack?: true;
}

/** A user that no file has. */
export interface MemoryOnlyUser {
  user: AclUser;
  /** `ends` by the restart of the run, unasked; `removed` because the playbook says so. */
  fate: "stays" | "ends" | "removed";
}

export function hasChanges(plan: HostPlan): boolean {
  return plan.tasks.some(({ changes }) => changes.length > 0);
}

export function changesOf(plan: HostPlan): ChangeRecord[] {
  return plan.tasks.flatMap(({ changes }) => changes);
}
