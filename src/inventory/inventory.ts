import { isIP } from "node:net";
import type { Place } from "../lib/errors.ts";
import type { YamlNode } from "../lib/yaml-node.ts";
import type { Vault } from "../vault/vault.ts";

/**
 * A variable's value as written in the file, never rendered, with its place. One from a vault has a place that says so, and
 * is shown to nobody.
 */
export interface Variable {
  readonly value: unknown;
  readonly place: Place;
  /** The value's parts with their places, where it was written as YAML. */
  readonly node?: YamlNode;
}

export type Variables = ReadonlyMap<string, Variable>;

export interface Host {
  readonly name: string;
  /** Where the host is first mentioned. */
  readonly place: Place;
  /** All groups that hold it, directly or through children, but for `all`; sorted by name. */
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
  /**
   * The inventory with the encrypted files of variables opened that these hosts have. Of other hosts they stay closed, so
   * that nobody is asked for a password that no selected host needs.
   * @throws InputError where one cannot be opened
   */
  readonly unlock: (hosts: Iterable<string>, vault: Vault) => Promise<Inventory>;
  /** The same inventory with every such file closed: what does not depend on who is selected reads this. */
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
 * inventory_hostname_short, group_names and groups always have their real values. A stronger value replaces a weaker one whole.
 */
export function hostVariables(
  inventory: Inventory,
  hostName: string,
  { playDefaults, playVars, taskVars }: PlaybookVariables = {},
): Map<string, Variable> {
  const host = inventory.hosts.get(hostName);
  if (host === undefined) throw new Error(`no host ${hostName} in the inventory`);
  return new Map([
    ...(playDefaults ?? []),
    ...host.variables,
    ...(playVars ?? []),
    ...(taskVars ?? []),
    ...inventory.extraVars,
    ...magicVariables(inventory, host),
  ]);
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
