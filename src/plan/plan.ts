import type { Attributes } from "../facts/files.ts";
import type { FirewallPlan } from "../firewall/plan.ts";
import type { ChangeRecord, Impact, TaskRecord } from "../record/record.ts";
import type { AclUser } from "../redis/acl-user.ts";
import type { ConfigDocument } from "../redis/config-document.ts";
import type { FileContent, PersistenceStep, Refusal } from "./desired.ts";
import type { MemoryOnlyUser } from "./memory-only.ts";

/** All that would change on one host, as a value: what plan prints is what apply does. */
export interface HostPlan {
  /** In the playbook's order. */
  tasks: TaskRecord[];
  refusals: (Refusal & { task: string })[];
  actions: Actions;
  after: After;
  /** Addresses that only a restart makes hold; empty where none is needed. */
  restartFor: string[];
  impact: Impact[];
}

/** What holds once the plan is carried out: what clients will meet. */
export interface After {
  config: ConfigDocument;
  /** Undefined where no task names users: they stay as they are. One whose password apply makes has none here. */
  users: ReadonlyMap<string, AclUser> | undefined;
  /** The names of those that the playbook has. */
  listed: readonly string[];
  /** Users whose password on the host this controller never had. */
  unknownPasswords: readonly string[];
  /** Users that no file has, and what becomes of them. */
  memoryOnly: readonly MemoryOnlyUser[];
  /** Undefined where no task looks at the firewall. */
  firewall: FirewallPlan | undefined;
  /** It is a state from before, which no playbook can make any better for who loses by it. */
  isGivenBack?: true;
}

/** What the program on the host has to do, in the order of these fields. */
export interface Actions {
  /** Steps on the running server that must have ended before anything else. */
  persistence: PersistenceStep[];
  directories: { path: string; attributes: Attributes }[];
  files: FileAction[];
  /** Owner and mode alone, of files that stay as they are and of directories. */
  attributes: { path: string; attributes: Attributes; before: Attributes }[];
  /** A data directory whose files are closed to others after the restart too; empty for none. */
  closedData: string;
  daemonReload: boolean;
  /** `CONFIG SET` pairs for a server that is not restarted. */
  liveSettings: [name: string, value: string][];
  /** Redis commands for a server that is not restarted, each a list of words. */
  liveAcl: string[][];
  restart: boolean;
  /** Keys live in memory only: they are saved for the restart, and the file goes away after it. */
  keepKeys: boolean;
  firewall: FirewallAction | undefined;
}

export interface FileAction {
  path: string;
  content: FileContent;
  attributes: Attributes;
}

export interface FirewallAction {
  /** Switches ufw on; where it is on already the kernel's rules are replaced in one step for each family. */
  enable: boolean;
  /** ufw's files are as it would write them as it is switched on: its own loading at boot is all that is missing. */
  loadOnly: boolean;
  /** `ufw default deny incoming` or `reject`, where the policy has to change on an active firewall. */
  defaultPolicy: FirewallPlan["defaultPolicy"];
}

export function hasChanges(plan: HostPlan): boolean {
  return plan.tasks.some(({ changes }) => changes.length > 0);
}

export function changesOf(plan: HostPlan): ChangeRecord[] {
  return plan.tasks.flatMap(({ changes }) => changes);
}
