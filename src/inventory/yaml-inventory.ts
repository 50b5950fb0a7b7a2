import type { Place } from "../lib/errors.ts";
import type { YamlDocument } from "../lib/yaml.ts";
import { describeNode, formatPath, type YamlEntry, type YamlNode } from "../lib/yaml-node.ts";
import { type DraftGroup, type InventoryBuilder, unknownGroupKey } from "./inventory-builder.ts";
import { variableOf } from "./variable.ts";

type Path = readonly string[];

/**
 * Adds an inventory file in Ansible's YAML layout to `builder`. Where Ansible only warns, or drops a whole file, this
 * reports a problem.
 *
 * @param exportCommand the command that turns a plugin's configuration into a file, for messages
 */
export function parseYamlInventory(
  document: YamlDocument,
  builder: InventoryBuilder,
  exportCommand: (plugin: string) => string,
): void {
  new YamlInventoryParser(builder, exportCommand).parse(document.root);
}

class YamlInventoryParser {
  readonly #builder: InventoryBuilder;
  readonly #exportCommand: (plugin: string) => string;

  constructor(builder: InventoryBuilder, exportCommand: (plugin: string) => string) {
    this.#builder = builder;
    this.#exportCommand = exportCommand;
  }

  parse(root: YamlNode): void {
    if (root.kind !== "mapping" || root.entries.size === 0) {
      this.#builder.foundEmpty(root.place);
      return;
    }
    const plugin = root.entries.get("plugin");
    if (plugin && !isEmpty(plugin.node)) {
      const name = plugin.node.kind === "scalar" ? String(plugin.node.value) : "of no name";
      this.#problem(
        plugin.place,
        ["plugin"],
        `this is the configuration of the inventory plugin ${name}, which redkeep does not run. This makes a file of what it ` +
          `finds: ${this.#exportCommand(name)}. That file holds in plain text what vaulted files hold: keep it to yourself`,
      );
      return;
    }
    const meta = root.entries.get("_meta");
    if (meta) {
      this.#problem(
        meta.place,
        ["_meta"],
        `this is the JSON that inventory programs print. This makes a file of it: ${this.#exportCommand("")}, with the program itself after -i`,
      );
      return;
    }
    for (const [name, entry] of root.entries) this.#group(name, entry, []);
  }

  #group(name: string, entry: YamlEntry, parents: Path): DraftGroup | undefined {
    const path = [...parents, name];
    if (!this.#isName(name, entry, path, "group")) return undefined;
    const { node } = entry;
    if (!isNull(node) && node.kind !== "mapping") {
      this.#problem(
        entry.place,
        path,
        `expected a group (hosts, children, vars), found ${describeNode(node)}`,
      );
      return undefined;
    }
    const group = this.#builder.addGroup(name, entry.place);
    if (node.kind !== "mapping") return group;
    for (const [key, section] of node.entries) {
      const sectionPath = [...path, key];
      switch (key) {
        case "vars":
          for (const [variable, value] of this.#section(section, sectionPath)) {
            const key = formatPath([...sectionPath, variable]);
            this.#builder.setGroupVariable(group, variable, variableOf(value), key);
          }
          break;
        case "children":
          for (const [childName, childEntry] of this.#section(section, sectionPath, true)) {
            const child = this.#group(childName, childEntry, sectionPath);
            if (child) this.#builder.addChild(group, child, childEntry.place);
          }
          break;
        case "hosts":
          for (const [hostKey, hostEntry] of this.#section(section, sectionPath, true)) {
            this.#host(group, hostKey, hostEntry, [...sectionPath, hostKey]);
          }
          break;
        default:
          this.#builder.problems.push(unknownGroupKey(key, section.place, formatPath(sectionPath)));
      }
    }
    return group;
  }

  /** The entries of `hosts`, `children` or `vars`. Except for `vars`, a single name as text counts as a list of it. */
  #section(entry: YamlEntry, path: Path, mayBeText = false): Iterable<[string, YamlEntry]> {
    const { node } = entry;
    if (node.kind === "mapping") return node.entries;
    if (isNull(node)) return [];
    if (mayBeText && node.kind === "scalar" && typeof node.value === "string" && node.value !== "") {
      const nothing: YamlNode = { kind: "scalar", place: node.place, value: null, type: "null" };
      return [[node.value, { place: node.place, keyIsText: true, node: nothing }]];
    }
    const hint =
      node.kind === "sequence" ? '; write each name with a ":" after it instead of "- " before it' : "";
    this.#problem(entry.place, path, `expected a mapping, found ${describeNode(node)}${hint}`);
    return [];
  }

  #host(group: DraftGroup, key: string, entry: YamlEntry, path: Path): void {
    if (!this.#isName(key, entry, path, "host")) return;
    const { node } = entry;
    if (!isNull(node) && node.kind !== "mapping") {
      this.#problem(
        entry.place,
        path,
        `expected the host's variables as a mapping, found ${describeNode(node)}`,
      );
      return;
    }
    for (const host of this.#builder.addHosts(key, group, entry.place)) {
      for (const [name, value] of node.kind === "mapping" ? node.entries : []) {
        this.#builder.setHostVariable(host, name, variableOf(value));
      }
    }
  }

  /** YAML reads an unquoted `10`, `1.5` or `yes` as a number or a boolean, so the name as written is lost. */
  #isName(name: string, entry: YamlEntry, path: Path, what: string): boolean {
    if (entry.keyIsText && name !== "") return true;
    this.#problem(
      entry.place,
      path,
      `expected the name of a ${what}, which is text: quote it (YAML reads it as ${name === "" ? "nothing" : name})`,
    );
    return false;
  }

  #problem(place: Place, path: Path, message: string): void {
    this.#builder.problems.push({ place, key: formatPath(path), message });
  }
}

function isNull(node: YamlNode): boolean {
  return node.kind === "scalar" && node.value === null;
}

/** What Python takes for false: with such a value `plugin` names none. */
function isEmpty(node: YamlNode): boolean {
  if (node.kind === "scalar") return !node.value;
  return node.kind === "mapping" ? node.entries.size === 0 : node.items.length === 0;
}
