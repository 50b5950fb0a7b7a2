import type { Place } from "./errors.ts";
import { Secret } from "./secret.ts";

/** A `!vault` value: it is listed and passed on as it was encrypted, and used once it was opened. */
export class VaultText {
  /** As encrypted. */
  readonly text: string;
  readonly place: Place;
  #opened: Secret | undefined;

  constructor(text: string, place: Place) {
    this.text = text;
    this.place = place;
  }

  /** What was encrypted; undefined until somebody has opened it. */
  get opened(): Secret | undefined {
    return this.#opened;
  }

  open(text: string): void {
    this.#opened = new Secret(text);
  }

  toJSON(): { __ansible_vault: string } {
    return { __ansible_vault: this.text };
  }
}

export type YamlScalarValue = string | number | boolean | null | VaultText;

export interface YamlScalar {
  readonly kind: "scalar";
  readonly place: Place;
  readonly value: YamlScalarValue;
  /** `unsafe` is a text that `!unsafe` marks as plain; `float` is told apart from `int` because 1.0 prints as 1.0. */
  readonly type: "text" | "unsafe" | "int" | "float" | "boolean" | "null" | "vault";
  /** An integer that is written as its decimal digits: `0123` and `1_0` are not. */
  readonly isPlainInteger?: true;
}

export interface YamlSequence {
  readonly kind: "sequence";
  readonly place: Place;
  readonly items: readonly YamlNode[];
}

export interface YamlEntry {
  /** Where the key stands. */
  readonly place: Place;
  /** False for an unquoted `10`, `yes` or `~`, which YAML reads as something else than text. */
  readonly keyIsText: boolean;
  readonly node: YamlNode;
}

export interface YamlMapping {
  readonly kind: "mapping";
  readonly place: Place;
  /** In file order; keys that `<<` merges in come first. */
  readonly entries: ReadonlyMap<string, YamlEntry>;
}

/** A value with its place. An alias is the very node of its anchor. */
export type YamlNode = YamlScalar | YamlSequence | YamlMapping;

export type YamlPath = readonly (string | number)[];

/** `tasks[3].tls.ciphers`. */
export function formatPath(path: YamlPath): string {
  return path
    .map((part, i) => (typeof part === "number" ? `[${part}]` : i === 0 ? part : `.${part}`))
    .join("");
}

/**
 * The plain value of a node: of a `!vault` value what was encrypted, where it was opened. Aliased parts are copied, so that
 * changing one place changes no other.
 */
export function toValue(node: YamlNode): unknown {
  switch (node.kind) {
    case "scalar":
      return node.value instanceof VaultText ? (node.value.opened?.reveal() ?? node.value) : node.value;
    case "sequence":
      return node.items.map(toValue);
    case "mapping": {
      const object: Record<string, unknown> = Object.create(null);
      for (const [key, entry] of node.entries) object[key] = toValue(entry.node);
      return object;
    }
  }
}

/** The `!vault` values in a node. */
export function vaultTexts(root: YamlNode): VaultText[] {
  const found: VaultText[] = [];
  const todo: YamlNode[] = [root];
  for (let node = todo.pop(); node; node = todo.pop()) {
    if (node.kind === "sequence") todo.push(...node.items.toReversed());
    else if (node.kind === "mapping")
      todo.push(...[...node.entries.values()].map((entry) => entry.node).reverse());
    else if (node.value instanceof VaultText) found.push(node.value);
  }
  return found;
}

/** Where `path` stands, or else the nearest parent of it. */
export function placeOf(root: YamlNode, path: YamlPath): Place {
  let node: YamlNode | undefined = root;
  let place = root.place;
  for (const part of path) {
    if (node?.kind === "mapping") {
      const entry: YamlEntry | undefined = node.entries.get(String(part));
      place = entry?.place ?? place;
      node = entry?.node;
    } else if (node?.kind === "sequence") {
      node = node.items[Number(part)];
      place = node?.place ?? place;
    } else break;
  }
  return place;
}

/** A node in words, for messages: `a list`, `the number 3`, `the text "abc"`. */
export function describeNode(node: YamlNode): string {
  if (node.kind === "mapping") return "a mapping";
  if (node.kind === "sequence") return "a list";
  switch (node.type) {
    case "null":
      return "nothing";
    case "vault":
      return "a !vault value";
    case "int":
    case "float":
      return `the number ${node.value}`;
    case "boolean":
      return `the boolean ${node.value}`;
    default:
      return node.value === ""
        ? "an empty text"
        : `the text ${JSON.stringify(String(node.value).slice(0, 60))}`;
  }
}
