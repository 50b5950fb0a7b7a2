import { didYouMean, InputError } from "../lib/errors.ts";
import { Secret } from "../lib/secret.ts";
import { toValue, VaultText, type YamlNode } from "../lib/yaml-node.ts";
import { isVault } from "../vault/envelope.ts";
import { combined, replacing } from "./combining.ts";
import type { Host, Inventory } from "./inventory.ts";
import { compareBytes } from "./order.ts";

const MASK = String(new Secret(""));
const MAX_GRAPH_LINES = 100_000;

/**
 * What `ansible-inventory --list` prints, without a line end: groups with their hosts and children, `_meta.hostvars` with raw
 * values. `hosts` limits it: other hosts are left out, and groups that have none of them.
 */
export function inventoryList(
  inventory: Inventory,
  hosts: Iterable<string> = inventory.hosts.keys(),
): string {
  const shown = new Set(hosts);
  const isShown = (name: string) =>
    inventory.groups.get(name)?.allHosts.some((host) => shown.has(host)) ?? false;
  const list = new Map<string, Json>();
  for (const group of inventory.groups.values()) {
    const members = group.hosts.filter((host) => shown.has(host));
    const children = shown.size === inventory.hosts.size ? group.children : group.children.filter(isShown);
    const entry = new Map<string, Json>();
    if (children.length > 0) entry.set("children", [...children]);
    if (members.length > 0 && group.name !== "all") entry.set("hosts", members);
    if (entry.size > 0) list.set(group.name, entry);
  }
  const hostvars = new Map<string, Json>();
  for (const host of inventory.hosts.values()) {
    const variables = listedVariables(inventory, host);
    if (shown.has(host.name) && variables.size > 0) hostvars.set(host.name, variables);
  }
  list.set("_meta", new Map([["hostvars", hostvars]]));
  return printJson(list);
}

/**
 * What `ansible-inventory --graph` prints, without a line end.
 *
 * @throws InputError when groups share children so often that the tree never ends.
 */
export function inventoryGraph(inventory: Inventory): string {
  const lines: string[] = [];
  const add = (name: string, depth: number) => {
    lines.push(depth === 0 ? name : `${"  |".repeat(depth)}--${name}`);
    if (lines.length > MAX_GRAPH_LINES) {
      throw new InputError({ message: `the graph has more than ${MAX_GRAPH_LINES} lines; use --list` });
    }
  };
  // A stack instead of recursion: groups may be nested more deeply than calls.
  const todo: { name: string; depth: number; isHost: boolean }[] = [{ name: "all", depth: 0, isHost: false }];
  for (let next = todo.pop(); next; next = todo.pop()) {
    const { name, isHost } = next;
    add(isHost ? name : `@${name}:`, next.depth);
    const group = isHost ? undefined : inventory.groups.get(name);
    if (group === undefined) continue;
    const depth = next.depth + 1;
    const hosts = name === "all" ? [] : group.hosts;
    todo.push(...hosts.map((host) => ({ name: host, depth, isHost: true })).reverse());
    todo.push(...group.children.map((child) => ({ name: child, depth, isHost: false })).reverse());
  }
  return lines.join("\n");
}

/**
 * What `ansible-inventory --host NAME` prints, without a line end: the host's variables with raw values.
 *
 * @throws InputError for an unknown host.
 */
export function inventoryHost(inventory: Inventory, name: string): string {
  const host = inventory.hosts.get(name);
  if (host === undefined) {
    const hint = didYouMean(name, inventory.hosts.keys());
    throw new InputError({ key: "--host", message: `the inventory has no host "${name}".${hint}` });
  }
  return printJson(listedVariables(inventory, host));
}

/** Magic variables always have their real values, so the listing leaves out what a file says about them. */
const MAGIC = ["inventory_hostname", "inventory_hostname_short", "group_names", "groups"];

function listedVariables(inventory: Inventory, host: Host): Map<string, Json> {
  const variables = combined([host.variables, inventory.extraVars], inventory.combine ?? replacing);
  for (const name of MAGIC) variables.delete(name);
  return new Map(
    [...variables].map(([name, { node, value, place }]) => [
      name,
      node ? jsonOf(node) : place.fromVault === true ? MASK : (value as Json),
    ]),
  );
}

/** Text that is printed as it stands. */
class Raw {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

type Json = string | number | boolean | null | Raw | Json[] | Map<string, Json>;

export function jsonOf(node: YamlNode): Json {
  switch (node.kind) {
    case "sequence":
      return node.items.map(jsonOf);
    case "mapping":
      return new Map([...node.entries].map(([key, entry]) => [key, jsonOf(entry.node)]));
    case "scalar":
      if (node.value instanceof VaultText) {
        const { text } = node.value;
        // In a file that is encrypted as a whole, a plain text may have the tag by mistake.
        return isVault(text) ? new Map([["__ansible_vault", text]]) : MASK;
      }
      // The value comes from a file that is encrypted as a whole: ansible-inventory would print it.
      if (node.place.fromVault === true) return MASK;
      if (node.type === "unsafe") return new Map([["__ansible_unsafe", String(node.value)]]);
      return node.type === "float" ? new Raw(pythonFloat(Number(node.value))) : (toValue(node) as Json);
  }
}

/** A float as Python writes it: `1.0`, `1e+16`, `1e-05`, `Infinity`. */
export function pythonFloat(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  if (Object.is(value, -0)) return "-0.0";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e16)) {
    return value.toExponential().replace(/e([+-])([0-9])$/, "e$10$2");
  }
  return Number.isInteger(value) ? `${value}.0` : String(value);
}

/** JSON as Python's json.dumps(sort_keys=True, indent=4, ensure_ascii=False) writes it. */
export function printJson(value: Json, indent = ""): string {
  const inner = `${indent}    `;
  if (value instanceof Raw) return value.text;
  if (Array.isArray(value)) {
    return value.length === 0
      ? "[]"
      : `[\n${value.map((item) => inner + printJson(item, inner)).join(",\n")}\n${indent}]`;
  }
  if (value instanceof Map) {
    if (value.size === 0) return "{}";
    const lines = [...value]
      .sort(([a], [b]) => compareBytes(a, b))
      .map(([key, item]) => `${inner}${JSON.stringify(key)}: ${printJson(item, inner)}`);
    return `{\n${lines.join(",\n")}\n${indent}}`;
  }
  return JSON.stringify(value);
}
