import { didYouMean, InputError, type Place, type Problem } from "../lib/errors.ts";
import { type Combine, replacing } from "./combining.ts";
import { parseHostKey } from "./host-name.ts";
import { compareBytes } from "./order.ts";
import type { Variable } from "./variable.ts";

/** The most hosts of one inventory: more would fill this machine's memory. */
const MOST_HOSTS = 500_000;

/** A host while sources are read. */
export interface DraftHost {
  readonly name: string;
  readonly place: Place;
  /** From a name such as `web:2222`; an explicit ansible_port on the host wins. */
  readonly port: number | undefined;
  readonly groups: Set<DraftGroup>;
  readonly variables: Map<string, Variable>;
}

/** A group while sources are read. */
export interface DraftGroup {
  readonly name: string;
  readonly place: Place;
  readonly children: Map<DraftGroup, Place>;
  readonly parents: Set<DraftGroup>;
  readonly hosts: Set<DraftHost>;
  readonly variables: Map<string, Variable>;
  /** Longest path from `all`. */
  depth: number;
  priority: number;
}

/** Collects what the sources say about groups and hosts; several entries of one group or host are merged. */
export class InventoryBuilder {
  readonly groups = new Map<string, DraftGroup>();
  readonly hosts = new Map<string, DraftHost>();
  readonly problems: Problem[] = [];
  readonly warnings: string[] = [];
  readonly #empty: Problem[] = [];
  /** Hosts that are named like a group, and whose variables went to it. */
  readonly #givers = new Set<DraftHost>();
  readonly ungrouped: DraftGroup;
  readonly #all: DraftGroup;
  readonly #combine: Combine;

  constructor(place: Place, combine: Combine = replacing) {
    this.#combine = combine;
    this.#all = this.addGroup("all", place);
    this.ungrouped = this.addGroup("ungrouped", place);
    this.#all.children.set(this.ungrouped, place);
    this.ungrouped.parents.add(this.#all);
  }

  /** Notes a file without a host: that is a problem only where no other file has one. */
  foundEmpty(place: Place, message = "the inventory file is empty: it has no hosts"): void {
    this.#empty.push({ place, message });
  }

  addGroup(name: string, place: Place): DraftGroup {
    const known = this.groups.get(name);
    if (known) return known;
    // A group's name becomes a file name in group_vars and a word of a host pattern.
    if (!/^[\p{L}\p{N}_][\p{L}\p{N}_. -]*$/u.test(name)) {
      this.problems.push({
        place,
        key: JSON.stringify(name.slice(0, 200)),
        message:
          "a group name has only letters, digits, spaces, . _ and -, and starts with a letter, a digit or _",
      });
    }
    const group: DraftGroup = {
      name,
      place,
      children: new Map(),
      parents: new Set(),
      hosts: new Set(),
      variables: new Map(),
      depth: 0,
      priority: 1,
    };
    this.groups.set(name, group);
    return group;
  }

  addChild(parent: DraftGroup, child: DraftGroup, place: Place): void {
    if (child.name === "all") {
      this.problems.push({
        place,
        key: "all",
        message: "all holds every group and cannot be a child of one",
      });
    } else if (child.name === "ungrouped" && parent.name !== "all") {
      this.problems.push({ place, key: "ungrouped", message: "ungrouped can stand only under all" });
    } else if (!parent.children.has(child)) {
      parent.children.set(child, place);
      child.parents.add(parent);
    }
  }

  /** Sets a variable, or the group's priority. @param key under which the variable stands, for messages */
  setGroupVariable(group: DraftGroup, name: string, variable: Variable, key = name): void {
    if (name !== "ansible_group_priority") {
      group.variables.set(name, this.#combine(group.variables.get(name), variable));
      return;
    }
    const { value, place } = variable;
    const text = typeof value === "object" ? "" : String(value);
    if (/^[-+]?[0-9]{1,9}$/.test(text)) group.priority = Number(text);
    else this.problems.push({ place, key, message: `expected an integer, found ${shown(value)}` });
  }

  /** Adds the hosts that a key such as `web:2222` or `r[01:20]` stands for; a wrong one is a problem, and adds none. */
  addHosts(key: string, group: DraftGroup, place: Place): DraftHost[] {
    try {
      const { names, port } = parseHostKey(key, place);
      return names.map((name) => this.addHost(name, port, group, place));
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      this.problems.push(...error.problems);
      return [];
    }
  }

  /** Sets a host's variable. Of a host that is named like a group, Ansible gives it to the group where that is known by then. */
  setHostVariable(host: DraftHost, name: string, variable: Variable): void {
    const namesake = this.groups.get(host.name);
    if (namesake === undefined) {
      host.variables.set(name, this.#combine(host.variables.get(name), variable));
      return;
    }
    this.#givers.add(host);
    this.setGroupVariable(namesake, name, variable);
  }

  addHost(name: string, port: number | undefined, group: DraftGroup, place: Place): DraftHost {
    let host = this.hosts.get(name);
    if (host === undefined) {
      if (this.hosts.size === MOST_HOSTS)
        throw new InputError({ place, message: `the inventory has more than ${MOST_HOSTS} hosts` });
      host = { name, place, port, groups: new Set(), variables: new Map() };
      if (port !== undefined) host.variables.set("ansible_port", { value: port, place });
      this.hosts.set(name, host);
    } else if (port !== undefined && port !== host.port) {
      this.problems.push({
        place,
        key: `${name}:${port}`,
        message: `only the first mention of a host sets its port, and at ${host.place.file}:${host.place.line ?? 1} it stands ${
          host.port === undefined ? "without one" : `with ${host.port}`
        }: set ansible_port instead`,
      });
    }
    group.hosts.add(host);
    host.groups.add(group);
    return host;
  }

  /**
   * Finishes what needs the whole inventory: puts groups without a parent under `all` and hosts in no group under
   * `ungrouped`, and gives every group its depth.
   *
   * @throws InputError listing every problem, including groups that contain each other and a host named like a group of others.
   */
  finish(): void {
    for (const group of this.groups.values()) {
      if (group !== this.#all && group.parents.size === 0) this.addChild(this.#all, group, group.place);
    }
    for (const host of this.hosts.values()) {
      const isGrouped = [...host.groups].some((group) => group !== this.#all && group !== this.ungrouped);
      if (isGrouped) {
        this.ungrouped.hosts.delete(host);
        host.groups.delete(this.ungrouped);
      } else {
        this.ungrouped.hosts.add(host);
        host.groups.add(this.ungrouped);
      }
    }
    this.#setDepths();
    if (this.problems.length === 0) this.#compareNames();
    if (this.problems.length > 0) throw new InputError(this.problems);
    if (this.hosts.size === 0) {
      const nowhere = { place: this.#all.place, message: "the inventory has no hosts" };
      throw new InputError(this.#empty.length > 0 ? this.#empty : nowhere);
    }
  }

  /** A host may be named like a group that has it alone: what it says of itself reaches no other host then. */
  #compareNames(): void {
    for (const host of this.hosts.values()) {
      const group = this.groups.get(host.name);
      if (group === undefined) continue;
      const isMember = groupsAbove(host).includes(group);
      const other = otherHostBelow(group, host);
      if (isMember && other === undefined) continue;
      const whose = isMember ? `and the group has ${other?.name} too` : "and the group does not have it";
      this.problems.push({
        place: host.place,
        key: host.name,
        message: `a host and a group have this name, ${whose}, while Ansible gives the host's variables to the group: rename one`,
      });
    }
    if (this.#givers.size > 0) {
      const names = [...this.#givers].map(({ name }) => name).join(", ");
      this.warnings.push(
        `named like the group that has it alone: ${names}. As for Ansible, what the inventory says of such a host is the group's, and group_vars/all is stronger`,
      );
    }
  }

  /** Puts each group after all its parents. Groups that are left over contain each other. */
  #setDepths(): void {
    const waitsFor = new Map([...this.groups.values()].map((group) => [group, group.parents.size]));
    const ready = [...this.groups.values()].filter((group) => group.parents.size === 0);
    for (let group = ready.pop(); group; group = ready.pop()) {
      waitsFor.delete(group);
      for (const child of group.children.keys()) {
        child.depth = Math.max(child.depth, group.depth + 1);
        const left = (waitsFor.get(child) ?? 0) - 1;
        waitsFor.set(child, left);
        if (left === 0) ready.push(child);
      }
    }
    if (waitsFor.size > 0) this.problems.push(ringProblem(new Set(waitsFor.keys())));
  }
}

/** Every group left over has a parent that is left over, so walking upwards must return to a group already seen. */
function ringProblem(groups: ReadonlySet<DraftGroup>): Problem {
  const seen = new Set<DraftGroup>();
  let group = [...groups][0];
  while (group && !seen.has(group)) {
    seen.add(group);
    group = [...group.parents].find((parent) => groups.has(parent));
  }
  const path = [...seen];
  const ring = group ? [...path.slice(path.indexOf(group)), group].reverse() : path;
  const [parent, child] = ring.slice(-2);
  const place = (child && parent?.children.get(child)) ?? parent?.place;
  return { place, message: `groups contain each other: ${ring.map(({ name }) => name).join(" > ")}` };
}

/** A group's hosts and those below it, in inventory order. */
export function hostsBelow(group: DraftGroup): Set<DraftHost> {
  const groups = new Set([group]);
  const hosts = new Set<DraftHost>();
  // The set grows while the loop walks it: that makes a breadth-first walk.
  for (const { hosts: own, children } of groups) {
    for (const host of own) hosts.add(host);
    for (const child of children.keys()) groups.add(child);
  }
  return hosts;
}

/**
 * The names of `hostsBelow`.
 * @param known is filled: a group that has nothing but one child has that child's hosts, also at the top of a long chain
 */
export function namesBelow(group: DraftGroup, known: Map<DraftGroup, readonly string[]>): readonly string[] {
  const same: DraftGroup[] = [];
  let holder = group;
  for (;;) {
    same.push(holder);
    const [child] = holder.children.keys();
    if (known.has(holder) || child === undefined || holder.children.size > 1 || holder.hosts.size > 0) break;
    holder = child;
  }
  const names = known.get(holder) ?? [...hostsBelow(holder)].map(({ name }) => name);
  for (const one of same) known.set(one, names);
  return names;
}

/** A host of a group, or of one below it, that is not `host`. */
function otherHostBelow(group: DraftGroup, host: DraftHost): DraftHost | undefined {
  const groups = new Set([group]);
  for (const { hosts, children } of groups) {
    for (const own of hosts) if (own !== host) return own;
    for (const child of children.keys()) groups.add(child);
  }
  return undefined;
}

/** A host's groups and all above them, weakest first; `all` is left out. */
export function groupsAbove(host: DraftHost): DraftGroup[] {
  const groups = new Set(host.groups);
  for (const { parents } of groups) for (const parent of parents) groups.add(parent);
  return [...groups]
    .filter(({ name }) => name !== "all")
    .sort((a, b) => a.depth - b.depth || a.priority - b.priority || compareBytes(a.name, b.name));
}

/** The problem for a key that groups do not have. */
export function unknownGroupKey(key: string, place: Place, path: string): Problem {
  return {
    place,
    key: path,
    message: `unknown key "${key}" in a group, expected hosts, children or vars.${didYouMean(key, ["hosts", "children", "vars"])}`,
  };
}

function shown(value: unknown): string {
  if (value === null) return "nothing";
  return typeof value === "object" ? "a list or mapping" : JSON.stringify(value).slice(0, 80);
}
