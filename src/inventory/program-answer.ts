import { InputError, type Place } from "../lib/errors.ts";
import { describeNode, type YamlMapping, type YamlNode } from "../lib/yaml-node.ts";
import { checkHostName } from "./host-name.ts";
import { type DraftGroup, type InventoryBuilder, unknownGroupKey } from "./inventory-builder.ts";
import { variableOf } from "./variable.ts";

const SECTIONS = ["hosts", "vars", "children"];

/** The form of JSON that inventory programs print. */
export class ProgramAnswer {
  readonly #builder: InventoryBuilder;
  /** Those that the program names, each with the place of its first mention. */
  readonly hosts = new Map<string, Place>();

  constructor(builder: InventoryBuilder) {
    this.#builder = builder;
  }

  /** Adds the groups. Returns the hosts' variables; undefined where the answer has none and each host is still to be asked for. */
  read(root: YamlMapping): YamlMapping | undefined {
    let variables: YamlMapping | undefined;
    for (const [name, { node, place }] of root.entries) {
      if (name === "_meta") variables = this.#hostvars(node, place);
      else this.#group(name, node, place);
    }
    return variables;
  }

  #hostvars(meta: YamlNode, place: Place): YamlMapping | undefined {
    if (meta.kind !== "mapping") {
      this.#problem(place, "_meta", `expected an object, found ${describeNode(meta)}`);
      return undefined;
    }
    const hostvars = meta.entries.get("hostvars");
    if (hostvars === undefined || (hostvars.node.kind === "scalar" && hostvars.node.value === null))
      return undefined;
    if (hostvars.node.kind === "mapping") return hostvars.node;
    this.#problem(
      hostvars.place,
      "_meta.hostvars",
      `expected the variables of each host as an object, found ${describeNode(hostvars.node)}`,
    );
    return { kind: "mapping", place, entries: new Map() };
  }

  #group(name: string, node: YamlNode, place: Place): void {
    const group = this.#builder.addGroup(name, place);
    if (node.kind !== "mapping") {
      this.#hosts(group, node, place, name);
      return;
    }
    if (!SECTIONS.some((key) => node.entries.has(key))) {
      this.#problem(
        place,
        name,
        "expected hosts, vars or children in the group. Ansible takes this for the variables of a host with the " +
          'group\'s name; an empty group is {"hosts": []}',
      );
      return;
    }
    for (const [key, entry] of node.entries) {
      const path = `${name}.${key}`;
      if (key === "hosts") this.#hosts(group, entry.node, entry.place, path);
      else if (key === "vars") this.#variables(group, entry.node, entry.place, path);
      else if (key === "children") this.#children(group, entry.node, entry.place, path);
      else this.#builder.problems.push(unknownGroupKey(key, entry.place, path));
    }
  }

  #hosts(group: DraftGroup, node: YamlNode, place: Place, path: string): void {
    for (const { name, place: own } of this.#names(node, place, path, "hosts")) {
      try {
        checkHostName(name, name, own);
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        this.#builder.problems.push(...error.problems);
        continue;
      }
      this.#builder.addHost(name, undefined, group, own);
      if (!this.hosts.has(name)) this.hosts.set(name, own);
    }
  }

  #children(group: DraftGroup, node: YamlNode, place: Place, path: string): void {
    for (const { name, place: own } of this.#names(node, place, path, "groups")) {
      this.#builder.addChild(group, this.#builder.addGroup(name, own), own);
    }
  }

  #names(node: YamlNode, place: Place, path: string, what: string): { name: string; place: Place }[] {
    if (node.kind !== "sequence") {
      this.#problem(place, path, `expected a list of ${what}, found ${describeNode(node)}`);
      return [];
    }
    return node.items.flatMap((item) => {
      if (item.kind === "scalar" && typeof item.value === "string" && item.value !== "")
        return [{ name: item.value, place: item.place }];
      this.#problem(item.place, path, `expected a list of names, found ${describeNode(item)} in it`);
      return [];
    });
  }

  #variables(group: DraftGroup, node: YamlNode, place: Place, path: string): void {
    if (node.kind !== "mapping") {
      this.#problem(place, path, `expected the group's variables as an object, found ${describeNode(node)}`);
      return;
    }
    for (const [name, entry] of node.entries) {
      this.#builder.setGroupVariable(group, name, variableOf(entry), `${path}.${name}`);
    }
  }

  /** @param node undefined where the program says nothing of the host */
  setHost(name: string, node: YamlNode | undefined, place = node?.place): void {
    if (node === undefined) return;
    if (node.kind !== "mapping") {
      this.#problem(
        place ?? node.place,
        name,
        `expected the host's variables as an object, found ${describeNode(node)}`,
      );
      return;
    }
    const host = this.#builder.hosts.get(name);
    if (host === undefined) return;
    for (const [variable, entry] of node.entries)
      this.#builder.setHostVariable(host, variable, variableOf(entry));
  }

  #problem(place: Place, key: string, message: string): void {
    this.#builder.problems.push({ place, key, message });
  }
}
