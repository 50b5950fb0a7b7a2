import {
  boolYaml11Tag,
  defineScalarTag,
  EVENT_ID,
  type Event,
  floatYaml11Tag,
  intYaml11Tag,
  NOT_RESOLVED,
  SCALAR_STYLE,
  type ScalarTagDefinition,
  timestampTag,
  YAML11_SCHEMA,
} from "js-yaml";
import { InputError, type Place, type Problem } from "./errors.ts";
import { readEvents, scalarText } from "./yaml-events.ts";
import {
  formatPath,
  VaultText,
  type YamlEntry,
  type YamlMapping,
  type YamlNode,
  type YamlScalar,
  type YamlScalarValue,
  type YamlSequence,
} from "./yaml-node.ts";
import { type CollectionEvent, type Lines, offsetOf, type ScalarEvent } from "./yaml-source.ts";

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
 * Builds nodes from the parser's events. js-yaml's own constructor is not used because its values have no places, its
 * objects put keys such as "10" first, and it shares what aliases name.
 */
export class Composer {
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
    this.#events = readEvents(this.#source, this.#lines);
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

  #mapping(place: Place, unsafe: boolean): YamlMapping | YamlScalar {
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
    const encrypted = this.#isJson ? entries.get("__ansible_vault")?.node : undefined;
    // As ansible-inventory prints a !vault value.
    if (encrypted?.kind === "scalar" && typeof encrypted.value === "string")
      return {
        kind: "scalar",
        place,
        value: new VaultText(encrypted.value, { ...place, fromVault: true }),
        type: "vault",
      };
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
    const text = scalarText(this.#source, event);
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
        return scalar("vault", new VaultText(text, { ...place, fromVault: true }));
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
      const node = scalar("int", value);
      return text === String(value) ? { ...node, isPlainInteger: true } : node;
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
