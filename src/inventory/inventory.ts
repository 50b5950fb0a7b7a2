import { isIP } from "node:net";
import type { Place } from "../lib/errors.ts";
import type { Vault } from "../vault/vault.ts";
import { type Combine, combined, replacing } from "./combining.ts";
import type { Variable } from "./variable.ts";

export type Variables = ReadonlyMap<string, Variable>;

export interface Host {
  readonly name: string;
  /** Where the host is first mentioned. */
  readonly place: Place;
  /** All groups that hold it, directly or through children, except `all`; sorted by name. */
  readonly groups: readonly string[];
  /** Steps 1 to 9 of the precedence, merged: everything from files. */
  readonly variables: Variables;
}

export interface Group {
  readonly name: string;
  /** Child groups in the order in which they are mentioned. */
  readonly children: readonly string[];
  /** Hosts directly in the group, in the order in which they are mentioned. */
  readonly hosts: readonly string[];
  /** Its hosts and those of all groups below it, in inventory order. */
  readonly allHosts: readonly string[];
}

export interface Inventory {
  /** In the defined order: that of the group `all`, walked breadth-first in file order. */
  readonly hosts: ReadonlyMap<string, Host>;
  /** In the order of first mention; `all` and `ungrouped` are always there. */
  readonly groups: ReadonlyMap<string, Group>;
  /** From `-e`: these win over everything else. */
  readonly extraVars: Variables;
  readonly warnings: readonly string[];
  /** What a stronger variable makes of a weaker one; unless said, it replaces it. */
  readonly combine?: Combine;
  /**
   * The same inventory, with these hosts' encrypted files of variables opened. Other hosts' files stay closed, so that nobody
   * is asked for a password that no selected host needs.
   * @throws InputError where one cannot be opened
   */
  readonly unlock: (hosts: Iterable<string>, vault: Vault) => Promise<Inventory>;
  /**
   * The same inventory with every encrypted file closed: for what must not depend on which hosts are selected. Undefined where
   * none was opened yet: then it is this one.
   */
  readonly locked?: Inventory;
  /** What templates may name besides variables. */
  readonly surroundings?: Surroundings;
}

/** Where redkeep was started, for templates. */
export interface Surroundings {
  readonly cwd: string;
  /** As given, from `cwd`; undefined where there is no playbook of your own. */
  readonly playbookDir?: string | undefined;
  readonly env: NodeJS.ProcessEnv;
}

/** What the playbook adds to a host's variables. */
export interface PlaybookVariables {
  /** redkeep's own defaults: anything in the inventory wins over them. */
  playDefaults?: Variables;
  playVars?: Variables;
  taskVars?: Variables;
}

/**
 * Every variable of a host after Ansible's order of precedence, weakest first: the play's defaults, what the inventory
 * says (steps 1 to 9), the play's vars (10), the task's vars (11), `-e` (12). inventory_hostname,
 * inventory_hostname_short, group_names and groups always have their real values. A stronger value replaces a weaker one whole, unless
 * the inventory combines mappings.
 */
export function hostVariables(
  inventory: Inventory,
  hostName: string,
  { playDefaults, playVars, taskVars }: PlaybookVariables = {},
): Map<string, Variable> {
  const host = inventory.hosts.get(hostName);
  if (host === undefined) throw new Error(`no host ${hostName} in the inventory`);
  const { combine = replacing, extraVars } = inventory;
  const own = combined(
    [playDefaults ?? [], host.variables, playVars ?? [], taskVars ?? [], extraVars],
    combine,
  );
  return new Map([...own, ...magicVariables(inventory, host)]);
}

/** The variable `groups`, which is the same for every host: each group's hosts are found when somebody names it. */
const groupsOf = new WeakMap<Inventory["groups"], Record<string, readonly string[]>>();

function groupsVariable(inventory: Inventory): Record<string, readonly string[]> {
  const made = groupsOf.get(inventory.groups);
  if (made !== undefined) return made;
  const groups: Record<string, readonly string[]> = Object.create(null);
  for (const [name, group] of inventory.groups)
    Object.defineProperty(groups, name, { enumerable: true, get: () => group.allHosts });
  groupsOf.set(inventory.groups, groups);
  return groups;
}

function magicVariables(inventory: Inventory, host: Host): [string, Variable][] {
  const shortName = isIP(host.name) ? host.name : (host.name.split(".")[0] ?? host.name);
  const values: [string, unknown][] = [
    ["inventory_hostname", host.name],
    ["inventory_hostname_short", shortName],
    ["group_names", host.groups],
    ["groups", groupsVariable(inventory)],
  ];
  return values.map(([name, value]) => [name, { value, place: host.place }]);
}
