import type { Place } from "../lib/errors.ts";
import type { YamlNode } from "../lib/yaml-node.ts";
import { hostVariables, type Inventory, type Variables } from "./inventory.ts";
import { JinjaError } from "./jinja-syntax.ts";
import { pythonFloat } from "./listing.ts";
import type { Variable } from "./variable.ts";

/** What `default(omit)` gives: the variable counts as not set. */
export const OMIT = Symbol("omit");

/** What is rendered: a node of YAML, or the value of a variable that was not written as YAML, such as that of `-e NAME=VALUE`. */
export type Content = YamlNode | { kind: "plain"; value: unknown };

/** A list or mapping of which nothing is rendered yet, or a scalar. */
export interface Raw {
  content: Content;
  scope: Scope;
  /** Its texts are no templates, whatever kind of content it is: they were rendered already. */
  isPlain: boolean;
}

/** A name that is not there. Jinja's `default` catches it, also where further keys follow the name. */
export class Undefined {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

/** A number that Python prints with its point. */
export class Float {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }
}

/** A list or mapping. */
export class Container {
  readonly raw: Raw;

  constructor(raw: Raw) {
    this.raw = raw;
  }
}

export type Scalar = string | number | boolean | null | Float;
export type Value = Scalar | Container | Undefined | Scope | HostVars | typeof OMIT;

/** The name `hostvars`. */
export class HostVars {
  readonly scope: Scope;

  constructor(scope: Scope) {
    this.scope = scope;
  }
}

/** A variable by name; `isPlain` where its texts are no templates, because they were rendered already. */
export type Look = (name: string) => { variable: Variable; isPlain?: boolean } | undefined;

/** The names of one host. */
export class Scope {
  readonly host: string;
  readonly look: Look;
  readonly inventory: Inventory | undefined;
  /** As in Ansible, a variable of another host does not know `hostvars`. */
  readonly isOther: boolean;

  constructor(host: string, look: Look, inventory: Inventory | undefined, isOther = false) {
    this.host = host;
    this.look = look;
    this.inventory = inventory;
    this.isOther = isOther;
  }
}

export function otherScope({ inventory }: Scope, host: string): Scope | undefined {
  if (inventory === undefined || !inventory.hosts.has(host)) return undefined;
  return new Scope(host, lookIn(hostVariables(inventory, host)), inventory, true);
}

export function lookIn(variables: Variables): Look {
  return (name) => {
    const variable = variables.get(name);
    return variable && { variable };
  };
}

export function rawOf({ node, value }: Variable, scope: Scope, isPlain: boolean): Raw {
  // A password of digits in INI is the text that was written, whatever number its node is listed as.
  const isOtherwiseListed = node?.kind === "scalar" && node.type === "int" && typeof value === "string";
  return { content: node === undefined || isOtherwiseListed ? plainContent(value) : node, scope, isPlain };
}

export function plainContent(value: unknown): Content {
  return { kind: "plain", value };
}

export function itemsOf(content: Content): readonly Content[] | undefined {
  if (content.kind === "sequence") return content.items;
  return content.kind === "plain" && Array.isArray(content.value)
    ? content.value.map(plainContent)
    : undefined;
}

export function entriesOf(content: Content): [string, Content][] {
  if (content.kind === "mapping") return [...content.entries].map(([key, { node }]) => [key, node]);
  const { value } = content as { value: object };
  return Object.entries(value).map(([key, part]) => [key, plainContent(part)]);
}

/** @throws JinjaError for a mapping that is asked for a number: YAML's number keys are texts here. */
export function partOf(content: Content, key: string | number): Content | undefined {
  const items = itemsOf(content);
  if (items !== undefined) return typeof key === "number" ? items.at(key) : undefined;
  if (typeof key === "number") throw new JinjaError("that asks a mapping for a number");
  if (content.kind === "mapping") return content.entries.get(key)?.node;
  const { value } = content as { value: object };
  return Object.hasOwn(value, key) ? plainContent(Reflect.get(value, key)) : undefined;
}

/** As Python's str() prints it in a template. */
export function printed(value: Scalar): string {
  if (value === null) return "";
  if (typeof value === "boolean") return value ? "True" : "False";
  return value instanceof Float ? pythonFloat(value.value) : String(value);
}

const PYTHON_WORDS = new Set(
  "True False None true false null set b B r R u U br bR Br BR rb rB Rb RB".split(" "),
);

/** Whether Python's literal_eval may read a list, mapping or set in the text. It does not where the text has any other word than Python's own. */
export function mayBePython(text: string): boolean {
  if (!/^(?:\{[\s\S]*\}|\[[\s\S]*\])\s*$/.test(text)) return false;
  let isWhole = true;
  // A string that does not end counts too: looking for an end from each quote would take too long.
  const code = text.replace(
    /'(?:[^'\\]|\\[\s\S])*('?)|"(?:[^"\\]|\\[\s\S])*("?)/g,
    (_, ...ends: string[]) => {
      isWhole &&= Boolean(ends[0] || ends[1]);
      return "''";
    },
  );
  if (!isWhole) return false;
  return (code.match(/(?<![\w.])[\p{L}_][\p{L}\p{N}_]*/gu) ?? []).every((word) => PYTHON_WORDS.has(word));
}

export function isTrue(value: Value): boolean {
  if (value instanceof Container) {
    const { content } = value.raw;
    return (itemsOf(content) ?? entriesOf(content)).length > 0;
  }
  if (value instanceof Float) return value.value !== 0;
  return value instanceof Undefined
    ? false
    : value !== "" && value !== 0 && value !== false && value !== null;
}

export function placeOf(content: Content): Place | undefined {
  return content.kind === "plain" ? undefined : content.place;
}
