import { createReadStream } from "node:fs";
import {
  boolYaml11Tag,
  defineScalarTag,
  EVENT_ID,
  type Event,
  floatYaml11Tag,
  getScalarValue,
  intYaml11Tag,
  NOT_RESOLVED,
  parseEvents,
  SCALAR_STYLE,
  type ScalarTagDefinition,
  timestampTag,
  YAML11_SCHEMA,
  YAMLException,
} from "js-yaml";
import { InputError, type Place, type Problem } from "./errors.ts";

/** The text of a `!vault` value: still encrypted, so it can be listed and passed on, but not used. */
export class VaultText {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
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

export interface YamlDocument {
  readonly root: YamlNode;
  /** The document as plain values: mappings are objects without a prototype; an empty document is null. */
  readonly value: unknown;
  /** Where `path` stands: the key of a mapping's entry, the start of a list's item, else the nearest parent's place. */
  placeOf(path: YamlPath): Place;
}

const MAX_FILE_BYTES = 1024 * 1024;
/** How many values aliases and merges may add to those that are written in the file. */
const MAX_ALIASED_VALUES = 100_000;

/** A tag that leaves the scalars matching `pattern` to be text, as PyYAML does. */
function except<T>(tag: ScalarTagDefinition<T>, pattern: RegExp): ScalarTagDefinition<T> {
  return defineScalarTag(tag.tagName, {
    ...tag,
    resolve: (text, isExplicit, name) =>
      !isExplicit && pattern.test(text) ? NOT_RESOLVED : tag.resolve(text, isExplicit, name),
  });
}

/** YAML 1.1 as PyYAML, and so Ansible, reads it; dates stay text. */
const schema = YAML11_SCHEMA.withTags(
  except(boolYaml11Tag, /^[yn]$/i),
  except(intYaml11Tag, /^[-+]?0[0-9_]*:/),
  except(floatYaml11Tag, /^(\.$|[-+]\.[0-9_]|\._)/),
  except(timestampTag, /^/),
);

/**
 * Parses one YAML document as Ansible reads it (YAML 1.1; text that is JSON follows JSON), with the place of every value.
 * `file` is the name for messages.
 *
 * @throws InputError for a syntax error, a duplicate key, a second document, an unknown tag, an alias that contains itself
 * or expands without measure, an integer that would be rounded, and an Ansible Vault file.
 */
export function parseYaml(text: string, file: string): YamlDocument {
  const source = text.startsWith("\ufeff") ? text.slice(1) : text;
  if (source.startsWith("$ANSIBLE_VAULT")) {
    throw new InputError({
      place: { file, line: 1, column: 1 },
      message:
        "is encrypted with Ansible Vault, which redkeep does not decrypt: keep the secrets elsewhere and name them by " +
        "{ env: NAME } or { command: [ansible-vault, view, FILE] }",
    });
  }
  const lines = new Lines(source, file);
  const root = new Composer(source, lines).compose();
  return {
    root,
    value: toValue(root),
    placeOf: (path) => placeOf(root, path),
  };
}

/**
 * Reads and parses a YAML file of at most 1 MiB. `file` is the name for messages.
 *
 * @throws InputError also when the file cannot be read or is not UTF-8.
 */
export async function readYamlFile(path: string, file: string = path): Promise<YamlDocument> {
  return parseYaml(await readTextFile(path, file), file);
}

/** Reads a UTF-8 text file of at most `maxBytes`, without its byte order mark. @throws InputError when it cannot. */
export async function readTextFile(
  path: string,
  file: string = path,
  maxBytes = MAX_FILE_BYTES,
): Promise<string> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of createReadStream(path, { end: maxBytes })) chunks.push(chunk);
  } catch (error) {
    throw unreadable(error, file);
  }
  const bytes = Buffer.concat(chunks);
  if (bytes.length > maxBytes)
    throw new InputError({ place: { file }, message: `is larger than ${maxBytes / 1024 / 1024} MiB` });
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new InputError({ place: { file }, message: "is not UTF-8 text" });
  }
}

/** The InputError for a file that the system refused to open. */
export function unreadable(error: unknown, file: string): InputError {
  const code = (error as NodeJS.ErrnoException).code;
  const reasons: Record<string, string> = {
    ENOENT: "does not exist",
    EACCES: "may not be read (permission denied)",
    EISDIR: "is a directory, expected a file",
    ENOTDIR: "lies below something that is no directory",
    ELOOP: "is a circle of symbolic links",
  };
  return new InputError({ place: { file }, message: reasons[code ?? ""] ?? `cannot be read (${code})` });
}

/** `tasks[3].tls.ciphers`. */
export function formatPath(path: YamlPath): string {
  return path
    .map((part, i) => (typeof part === "number" ? `[${part}]` : i === 0 ? part : `.${part}`))
    .join("");
}

/** The plain value of a node. Aliased parts are copied, so that changing one place changes no other. */
export function toValue(node: YamlNode): unknown {
  switch (node.kind) {
    case "scalar":
      return node.value;
    case "sequence":
      return node.items.map(toValue);
    case "mapping": {
      const object: Record<string, unknown> = Object.create(null);
      for (const [key, entry] of node.entries) object[key] = toValue(entry.node);
      return object;
    }
  }
}

function placeOf(root: YamlNode, path: YamlPath): Place {
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

/** Turns offsets into lines and columns. */
class Lines {
  readonly #file: string;
  readonly #starts: number[] = [0];

  constructor(source: string, file: string) {
    this.#file = file;
    for (const match of source.matchAll(/\r\n?|\n/g)) this.#starts.push(match.index + match[0].length);
  }

  place(offset: number): Place {
    let low = 0;
    let high = this.#starts.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((this.#starts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return { file: this.#file, line: low + 1, column: offset - (this.#starts[low] ?? 0) + 1 };
  }
}

type CollectionEvent = Extract<Event, { type: typeof EVENT_ID.MAPPING | typeof EVENT_ID.SEQUENCE }>;
type ScalarEvent = Extract<Event, { type: typeof EVENT_ID.SCALAR }>;

/**
 * Builds nodes from the parser's events. js-yaml's own constructor is not used because its values have no places, its
 * objects put keys such as "10" first, and it shares what aliases name.
 */
class Composer {
  readonly #source: string;
  readonly #lines: Lines;
  readonly #isJson: boolean;
  readonly #problems: Problem[] = [];
  readonly #path: (string | number)[] = [];
  /** Undefined while the anchor's own node is being built. */
  readonly #anchors = new Map<string, YamlNode | undefined>();
  /** How many values a node stands for, aliases expanded. */
  readonly #sizes = new WeakMap<YamlNode, number>();
  #events: Event[] = [];
  #next = 0;
  #aliased = 0;

  constructor(source: string, lines: Lines) {
    this.#source = source;
    this.#lines = lines;
    this.#isJson = isJson(source);
  }

  compose(): YamlNode {
    this.#events = this.#parse();
    let root: YamlNode = { kind: "scalar", place: this.#lines.place(0), value: null, type: "null" };
    if (this.#events.length > 0) {
      this.#take();
      root = this.#node(0, false);
      this.#take();
      if (this.#next < this.#events.length) this.#refuseSecondDocument();
    }
    if (this.#problems.length > 0) throw new InputError(this.#problems);
    return root;
  }

  #parse(): Event[] {
    try {
      return parseEvents(this.#source, {});
    } catch (error) {
      if (!(error instanceof YAMLException)) throw error;
      const offset = error.mark?.position ?? 0;
      throw new InputError({
        place: this.#lines.place(offset),
        message: explain(error.reason, this.#source, offset),
      });
    }
  }

  #refuseSecondDocument(): never {
    const content = this.#events.slice(this.#next + 1).find((event) => offsetOf(event) !== undefined);
    const offset = (content && offsetOf(content)) ?? this.#source.length;
    throw new InputError({
      place: this.#lines.place(offset),
      message: 'expected one YAML document, found a second one after "---"',
    });
  }

  #take(): Event {
    const event = this.#events[this.#next++];
    if (event === undefined) throw new Error("the YAML parser's events end too early");
    return event;
  }

  #isAtEnd(): boolean {
    return this.#events[this.#next]?.type === EVENT_ID.POP;
  }

  /** `near` is the offset for a value that is not written at all. */
  #node(near: number, unsafe: boolean): YamlNode {
    const event = this.#take();
    const place = this.#lines.place(offsetOf(event) ?? near);
    switch (event.type) {
      case EVENT_ID.ALIAS:
        return this.#alias(this.#source.slice(event.anchorStart, event.anchorEnd), place);
      case EVENT_ID.SCALAR:
        return this.#anchored(event, () => this.#scalar(event, place, unsafe));
      case EVENT_ID.SEQUENCE:
        return this.#anchored(event, () =>
          this.#sequence(place, this.#collectionTag(event, "seq", place) || unsafe),
        );
      case EVENT_ID.MAPPING:
        return this.#anchored(event, () =>
          this.#mapping(place, this.#collectionTag(event, "map", place) || unsafe),
        );
      default:
        throw new Error("the YAML parser's events are out of order");
    }
  }

  #alias(name: string, place: Place): YamlNode {
    const node = this.#anchors.get(name);
    if (node === undefined) {
      const message = this.#anchors.has(name)
        ? `the alias *${name} stands inside the value that it names`
        : `unknown alias *${name}; a value that starts with "*" must be quoted`;
      throw this.#error(place, message);
    }
    this.#charge(this.#sizes.get(node) ?? 1, place);
    return node;
  }

  /** An alias bomb is small in the file and in memory, and endless once somebody walks through it. */
  #charge(values: number, place: Place): void {
    this.#aliased += values;
    if (this.#aliased > MAX_ALIASED_VALUES) {
      throw this.#error(place, `aliases stand for more than ${MAX_ALIASED_VALUES} values`);
    }
  }

  #anchored(event: ScalarEvent | CollectionEvent, build: () => YamlNode): YamlNode {
    const name = event.anchorStart < 0 ? undefined : this.#source.slice(event.anchorStart, event.anchorEnd);
    if (name !== undefined) this.#anchors.set(name, undefined);
    const node = build();
    if (name !== undefined) this.#anchors.set(name, node);
    return node;
  }

  #sequence(place: Place, unsafe: boolean): YamlSequence {
    const items: YamlNode[] = [];
    let size = 1;
    while (!this.#isAtEnd()) {
      this.#path.push(items.length);
      const item = this.#node(0, unsafe);
      this.#path.pop();
      items.push(item);
      size += this.#sizes.get(item) ?? 1;
    }
    this.#take();
    const node: YamlSequence = { kind: "sequence", place, items };
    this.#sizes.set(node, size);
    return node;
  }

  #mapping(place: Place, unsafe: boolean): YamlMapping {
    const own = new Map<string, YamlEntry>();
    const merged = new Map<string, YamlEntry>();
    let mergePlace: Place | undefined;
    while (!this.#isAtEnd()) {
      const keyEvent = this.#events[this.#next];
      const isMerge = keyEvent !== undefined && this.#isMergeKey(keyEvent);
      const key = this.#key();
      this.#path.push(key.text);
      const first = isMerge ? mergePlace : own.get(key.text)?.place;
      if (first) {
        this.#problem(key.place, `duplicate key, it stands already at line ${first.line}`);
      }
      const node = this.#node(key.offset, unsafe);
      if (isMerge) {
        mergePlace = key.place;
        this.#merge(merged, node, key.place);
      } else {
        own.set(key.text, { place: key.place, keyIsText: key.isText, node });
      }
      this.#path.pop();
    }
    this.#take();
    const entries = new Map([...merged, ...own]);
    const node: YamlMapping = { kind: "mapping", place, entries };
    let size = 1;
    for (const entry of entries.values()) size += this.#sizes.get(entry.node) ?? 1;
    this.#sizes.set(node, size);
    return node;
  }

  #key(): { text: string; isText: boolean; place: Place; offset: number } {
    const event = this.#events[this.#next];
    const offset = (event && offsetOf(event)) ?? 0;
    const node = this.#node(offset, false);
    if (node.kind !== "scalar") {
      const looksLikeTemplate = this.#source.startsWith("{{", offset - 1);
      throw this.#error(
        this.#lines.place(looksLikeTemplate ? offset - 1 : offset),
        looksLikeTemplate
          ? 'a value that starts with "{{" must be quoted: "{{ … }}"'
          : `a ${node.kind} cannot be a key; a value that starts with "{" or "[" must be quoted`,
      );
    }
    if (node.value instanceof VaultText) throw this.#error(node.place, "a !vault value cannot be a key");
    return {
      text: String(node.value),
      isText: typeof node.value === "string",
      place: node.place,
      offset,
    };
  }

  #isMergeKey(event: Event): boolean {
    return (
      !this.#isJson &&
      event.type === EVENT_ID.SCALAR &&
      event.style === SCALAR_STYLE.PLAIN &&
      event.tagStart < 0 &&
      this.#source.slice(event.valueStart, event.valueEnd) === "<<"
    );
  }

  #merge(into: Map<string, YamlEntry>, node: YamlNode, place: Place): void {
    const sources = node.kind === "sequence" ? node.items : [node];
    for (const source of sources) {
      if (source.kind !== "mapping") {
        throw this.#error(place, '"<<" merges a mapping or a list of mappings, found something else');
      }
      this.#charge(source.entries.size, place);
      for (const [key, entry] of source.entries) if (!into.has(key)) into.set(key, entry);
    }
  }

  /** Refuses every tag of a collection but its own; true for `!unsafe`. */
  #collectionTag(event: CollectionEvent, own: "map" | "seq", place: Place): boolean {
    const tag = this.#tag(event);
    if (tag === "!unsafe") return true;
    if (tag !== undefined && tag !== "!" && tag !== `!!${own}`) this.#refuseTag(tag, place);
    return false;
  }

  #tag(event: ScalarEvent | CollectionEvent): string | undefined {
    if (event.tagStart < 0) return undefined;
    const written = this.#source.slice(event.tagStart, event.tagEnd);
    const verbatim = /^!<(.*)>$/.exec(written)?.[1] ?? written;
    return verbatim.startsWith("tag:yaml.org,2002:")
      ? `!!${verbatim.slice("tag:yaml.org,2002:".length)}`
      : verbatim;
  }

  #refuseTag(tag: string, place: Place): never {
    throw this.#error(place, `unknown tag ${tag}; redkeep knows !vault, !unsafe and YAML's plain types`);
  }

  #scalar(event: ScalarEvent, place: Place, unsafe: boolean): YamlScalar {
    const text = getScalarValue(this.#source, event);
    const tag = this.#tag(event);
    const scalar = (type: YamlScalar["type"], value: YamlScalarValue): YamlScalar => ({
      kind: "scalar",
      place,
      value,
      type,
    });
    switch (tag) {
      case undefined:
        break;
      case "!vault":
      case "!vault-encrypted":
        return scalar("vault", new VaultText(text));
      case "!unsafe":
        return scalar("unsafe", text);
      case "!":
      case "!!str":
        return scalar(unsafe ? "unsafe" : "text", text);
      case "!!int":
      case "!!float":
      case "!!bool":
      case "!!null":
        return this.#typed(tag, text, place, scalar);
      default:
        this.#refuseTag(tag, place);
    }
    if (event.style !== SCALAR_STYLE.PLAIN) return scalar(unsafe ? "unsafe" : "text", text);
    if (text === "=") throw this.#error(place, '"=" alone has a meaning of its own in YAML: quote it');
    if (this.#isJson) return this.#json(text, place, scalar);
    const resolved = schema.resolveImplicitScalarTag(text);
    return this.#checked(resolved.tag.tagName, resolved.value, text, place, (type, value) =>
      scalar(type === "text" && unsafe ? "unsafe" : type, value),
    );
  }

  #typed(tag: string, text: string, place: Place, scalar: MakeScalar): YamlScalar {
    const name = `tag:yaml.org,2002:${tag.slice(2)}`;
    const value = schema.lookupScalarTag(name)?.resolve(text, true, name);
    if (value === NOT_RESOLVED) throw this.#error(place, `expected a value for ${tag}, found "${text}"`);
    return this.#checked(name, value, text, place, scalar);
  }

  /** A number, a word or null of a JSON text. */
  #json(text: string, place: Place, scalar: MakeScalar): YamlScalar {
    const value: unknown = JSON.parse(text);
    const type = typeof value === "number" ? (/^-?[0-9]+$/.test(text) ? "int" : "float") : typeof value;
    return this.#checked(type === "boolean" ? "bool" : type, value, text, place, scalar);
  }

  #checked(tag: string, value: unknown, text: string, place: Place, scalar: MakeScalar): YamlScalar {
    if (value === null) return scalar("null", null);
    if (typeof value === "boolean") return scalar("boolean", value);
    if (typeof value === "number") {
      if (!tag.endsWith("int")) return scalar("float", value);
      if (!Number.isSafeInteger(value)) {
        this.#problem(
          place,
          `the number ${text.slice(0, 40)} is too large to be read exactly: quote it to have it as text`,
        );
      }
      return scalar("int", value);
    }
    return scalar("text", text);
  }

  #error(place: Place, message: string): InputError {
    return new InputError([...this.#problems, this.#located(place, message)]);
  }

  #problem(place: Place, message: string): void {
    this.#problems.push(this.#located(place, message));
  }

  #located(place: Place, message: string): Problem {
    return { place, key: formatPath(this.#path), message };
  }
}

type MakeScalar = (type: YamlScalar["type"], value: YamlScalarValue) => YamlScalar;

function isJson(source: string): boolean {
  try {
    JSON.parse(source);
    return true;
  } catch {
    return false;
  }
}

/** Where an event's text starts, quotes included; undefined where nothing is written. */
function offsetOf(event: Event): number | undefined {
  switch (event.type) {
    case EVENT_ID.ALIAS:
      return event.anchorStart - 1;
    case EVENT_ID.SCALAR: {
      if (event.tagStart >= 0) return event.tagStart;
      if (event.anchorStart >= 0) return event.anchorStart - 1;
      if (event.valueStart < 0) return undefined;
      const isQuoted =
        event.style === SCALAR_STYLE.SINGLE_QUOTED || event.style === SCALAR_STYLE.DOUBLE_QUOTED;
      return isQuoted ? event.valueStart - 1 : event.valueStart;
    }
    case EVENT_ID.SEQUENCE:
    case EVENT_ID.MAPPING:
      if (event.tagStart >= 0) return event.tagStart;
      return event.anchorStart >= 0 ? event.anchorStart - 1 : event.start;
    default:
      return undefined;
  }
}

/** js-yaml's reason, and for the usual slips what to do about it. */
function explain(reason: string, source: string, offset: number): string {
  const lineStart = Math.max(source.lastIndexOf("\n", offset - 1), source.lastIndexOf("\r", offset - 1)) + 1;
  const line = source.slice(lineStart).split(/[\r\n]/, 1)[0] ?? "";
  const found = source.charAt(offset);
  if (reason.startsWith("null byte")) return "found a NUL character";
  if (/[:-] +\{\{/.test(line)) return 'a value that starts with "{{" must be quoted: "{{ … }}"';
  if ("@`%".includes(found) && found !== "") return `a value that starts with "${found}" must be quoted`;
  if (found === "[") return `${reason}; in { … } a name with brackets must be quoted`;
  if (reason.startsWith("bad indentation") && /: .*: /.test(line)) {
    return `${reason}; a value that holds ": " must be quoted`;
  }
  return reason;
}
