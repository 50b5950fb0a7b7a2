import { InputError, type Place } from "../lib/errors.ts";
import type { YamlEntry, YamlNode, YamlScalar, YamlScalarValue } from "../lib/yaml-node.ts";

/** Deeper ones are text for Python's own parser. */
const PYTHON_DEPTH = 200;
/** As deep as YAML may be nested. */
const MAX_DEPTH = 100;
/** Python reads no decimal number with more digits. */
const MAX_DIGITS = 4300;

const COMPLEX = "a complex number";

/** What one letter behind a backslash stands for in Python. */
export const SIMPLE_ESCAPES: Readonly<Record<string, string>> = {
  "\\": "\\",
  "'": "'",
  '"': '"',
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
};

const INTEGER =
  /(?:0[xX](?:_?[0-9a-fA-F])+|0[oO](?:_?[0-7])+|0[bB](?:_?[01])+|[1-9](?:_?[0-9])*|0(?:_?0)*)(?![0-9A-Za-z_.\u0080-\uffff])/y;
const FLOAT =
  /(?:[0-9](?:_?[0-9])*)?(?:\.(?:[0-9](?:_?[0-9])*)?)?(?:[eE][-+]?[0-9](?:_?[0-9])*)?(?![0-9A-Za-z_.\u0080-\uffff])/y;
const IMAGINARY =
  /(?:[0-9](?:_?[0-9])*\.?|(?:[0-9](?:_?[0-9])*)?\.[0-9](?:_?[0-9])*)(?:[eE][-+]?[0-9](?:_?[0-9])*)?[jJ](?![0-9A-Za-z_.\u0080-\uffff])/y;
const WORD = /[A-Za-z_\u0080-\uffff][0-9A-Za-z_\u0080-\uffff]*/y;
const STRING_START = /([A-Za-z]{0,2})('''|"""|'|")/y;
const BLANKS = /(?:[ \t\f]|#.*)*/y;

/**
 * The value that Python's ast.literal_eval gives for `text`, which is how Ansible reads a value in an INI inventory: numbers, quoted
 * texts, True, False, None, lists, tuples and dicts. Undefined where it is none of these: then Ansible takes the text as it stands.
 *
 * @throws InputError for a literal that Ansible stumbles over (a set, a complex number, a list as a key), and for one that
 * would not be exact (a huge integer, a key that stands twice).
 */
export function pythonLiteral(text: string, place: Place): YamlNode | undefined {
  return new LiteralParser(text.replace(/^[ \t]+/, ""), place).parse();
}

/** Thrown and caught in this file only: the text is no literal. */
class NoLiteral extends Error {}

interface Bytes {
  kind: "bytes";
  text: string;
}
interface Unprintable {
  kind: "unprintable";
  what: string;
  isKey: boolean;
}
/** `isTuple` since only a tuple can be a key in Python; `isSigned` since a number takes one sign. */
type Value = (YamlNode & { isTuple?: boolean; isSigned?: boolean }) | Bytes | Unprintable;

class LiteralParser {
  readonly #text: string;
  readonly #place: Place;
  #at = 0;
  #depth = 0;
  /** Reported only where the whole text is a literal. */
  #refusal: string | undefined;

  constructor(text: string, place: Place) {
    this.#text = text;
    this.#place = place;
  }

  parse(): YamlNode | undefined {
    let value: Value;
    try {
      value = this.#items("", "tuple");
    } catch (error) {
      if (error instanceof NoLiteral) return undefined;
      throw error;
    }
    // Where it stands alone, Ansible turns it into text.
    const node = value.kind === "bytes" ? this.#textNode(value.text) : this.#node(value);
    if (this.#refusal !== undefined) throw new InputError({ place: this.#place, message: this.#refusal });
    return node;
  }

  #fail(): never {
    throw new NoLiteral();
  }

  /** The first thing that is wrong counts. */
  #refuse(message: string): void {
    this.#refusal ??= message;
  }

  #skipBlanks(): void {
    BLANKS.lastIndex = this.#at;
    BLANKS.exec(this.#text);
    this.#at = BLANKS.lastIndex;
  }

  #match(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match === null || match[0] === "") return undefined;
    this.#at += match[0].length;
    return match;
  }

  /** Whether `sign` stands here. If so, steps over it. */
  #takes(sign: string): boolean {
    this.#skipBlanks();
    if (!this.#text.startsWith(sign, this.#at)) return false;
    this.#at += sign.length;
    return true;
  }

  #isAt(end: string): boolean {
    this.#skipBlanks();
    return end === "" ? this.#at === this.#text.length : this.#text.startsWith(end, this.#at);
  }

  /** The values up to `end`, between commas. In parentheses, one value without a comma is that value and no tuple. */
  #items(end: "" | ")" | "]", kind: "tuple" | "list"): Value {
    const items: Value[] = [];
    let hasComma = false;
    while (!this.#isAt(end)) {
      if (items.length > 0 && !hasComma) this.#fail();
      items.push(this.#sum());
      hasComma = this.#takes(",");
    }
    this.#at += end.length;
    const [first] = items;
    if (kind === "tuple") {
      if (first === undefined && end === "") this.#fail();
      if (items.length === 1 && first !== undefined && !hasComma) return first;
    }
    const nodes = items.map((item) => this.#node(item));
    return { kind: "sequence", place: this.#place, items: nodes, isTuple: kind === "tuple" };
  }

  /** A value; `1+2j` is one too. */
  #sum(): Value {
    const left = this.#signed();
    this.#skipBlanks();
    const sign = this.#text.charAt(this.#at);
    if (sign !== "+" && sign !== "-") return left;
    this.#at++;
    const right = this.#atom();
    if (!isNumber(left) || !isComplex(right)) this.#fail();
    return right;
  }

  #signed(): Value {
    this.#skipBlanks();
    const sign = this.#text.charAt(this.#at);
    if (sign !== "+" && sign !== "-") return this.#atom();
    this.#at++;
    const value = this.#atom();
    if (isComplex(value)) return value;
    if (!isNumber(value) || value.isSigned) this.#fail();
    if (sign === "+") return { ...value, isSigned: true };
    // There is no -0 among integers.
    const negative = value.type === "int" && value.value === 0 ? 0 : -Number(value.value);
    return { ...value, value: negative, isSigned: true };
  }

  #atom(): Value {
    this.#skipBlanks();
    switch (this.#text.charAt(this.#at)) {
      case "[":
        return this.#nested(() => this.#items("]", "list"));
      case "(":
        return this.#nested(() => this.#items(")", "tuple"));
      case "{":
        return this.#nested(() => this.#braces());
    }
    if (this.#text.startsWith("...", this.#at)) {
      this.#at += 3;
      return { kind: "unprintable", what: "an ellipsis", isKey: true };
    }
    return this.#string() ?? this.#number() ?? this.#word();
  }

  #nested(read: () => Value): Value {
    this.#at++;
    this.#depth++;
    if (this.#depth > PYTHON_DEPTH) this.#fail();
    if (this.#depth > MAX_DEPTH) this.#refuse(`is nested more than ${MAX_DEPTH} deep`);
    const value = read();
    this.#depth--;
    return value;
  }

  /** A dict, or a set. */
  #braces(): Value {
    const entries = new Map<string, YamlEntry>();
    let isSet: boolean | undefined;
    let hasComma = true;
    while (!this.#isAt("}")) {
      if (!hasComma) this.#fail();
      const key = this.#sum();
      const isPair = this.#takes(":");
      if (isSet === isPair) this.#fail();
      isSet = !isPair;
      if (!isHashable(key)) this.#refuse(`has ${described(key)} as ${isSet ? "an item of a set" : "a key"}`);
      if (isPair) this.#pair(entries, key);
      hasComma = this.#takes(",");
    }
    this.#at++;
    if (isSet) return { kind: "unprintable", what: "a set", isKey: false };
    return { kind: "mapping", place: this.#place, entries };
  }

  #pair(entries: Map<string, YamlEntry>, key: Value): void {
    const node = this.#node(this.#sum());
    if (key.kind !== "scalar") {
      this.#refuse(`has ${described(key)} as a key, expected a text`);
      return;
    }
    const name = String(key.value);
    if (entries.has(name)) this.#refuse(`has the key ${JSON.stringify(name.slice(0, 60))} twice`);
    entries.set(name, { place: this.#place, keyIsText: typeof key.value === "string", node });
  }

  #word(): Value {
    const word = this.#match(WORD)?.[0];
    switch (word) {
      case "True":
      case "False":
        return this.#scalar("boolean", word === "True");
      case "None":
        return this.#scalar("null", null);
      case "set":
        if (this.#takes("(") && this.#takes(")")) return { kind: "unprintable", what: "a set", isKey: false };
    }
    return this.#fail();
  }

  #number(): Value | undefined {
    if (this.#match(IMAGINARY)) return { kind: "unprintable", what: COMPLEX, isKey: true };
    const integer = this.#match(INTEGER)?.[0].replaceAll("_", "");
    if (integer !== undefined) {
      if (integer.length > MAX_DIGITS && !/^0[a-z]/i.test(integer)) this.#fail();
      const value = Number(integer);
      if (!Number.isSafeInteger(value)) {
        this.#refuse(
          `the number ${integer.slice(0, 40)} is too large to be read exactly: quote it to have it as text ("'…'")`,
        );
      }
      return this.#scalar("int", value);
    }
    const start = this.#text.slice(this.#at, this.#at + 2);
    if (!/^(?:[0-9]|\.[0-9])/.test(start)) return undefined;
    const float = this.#match(FLOAT)?.[0].replaceAll("_", "");
    // Without a point or an exponent it is an integer that begins with a zero, which Python refuses.
    if (float === undefined || !/[.eE]/.test(float)) this.#fail();
    return this.#scalar("float", Number(float));
  }

  /** A text. Several that follow each other are one. */
  #string(): Value | undefined {
    let text: string | undefined;
    let isBytes: boolean | undefined;
    for (;;) {
      this.#skipBlanks();
      const start = this.#match(STRING_START);
      if (start === undefined) break;
      const [, prefix = "", quote = ""] = start;
      if (!/^(?:|[rub]|rb|br)$/i.test(prefix)) this.#fail();
      const partIsBytes = /b/i.test(prefix);
      if (isBytes !== undefined && isBytes !== partIsBytes) this.#fail();
      isBytes = partIsBytes;
      text = (text ?? "") + this.#content(quote, /r/i.test(prefix), partIsBytes);
    }
    if (text === undefined) return undefined;
    return isBytes ? { kind: "bytes", text } : this.#textNode(text);
  }

  #content(quote: string, isRaw: boolean, isBytes: boolean): string {
    let content = "";
    for (;;) {
      const char = this.#text.charAt(this.#at);
      if (char === "" || char === "\0") this.#fail();
      if (this.#text.startsWith(quote, this.#at)) {
        this.#at += quote.length;
        return content;
      }
      if (isBytes && char > "\x7f") this.#fail();
      this.#at++;
      if (char !== "\\") content += char;
      else if (isRaw) {
        if (this.#at === this.#text.length) this.#fail();
        content += char + this.#text.charAt(this.#at++);
      } else content += this.#escape(isBytes);
    }
  }

  /** What follows a backslash. */
  #escape(isBytes: boolean): string {
    const octal = this.#match(/[0-7]{1,3}/y)?.[0];
    if (octal !== undefined)
      return this.#character(Number.parseInt(octal, 8) & (isBytes ? 0xff : 0x1ff), isBytes);
    const char = this.#text.charAt(this.#at++);
    const simple = SIMPLE_ESCAPES[char];
    if (simple !== undefined) return simple;
    const digits = { x: 2, u: 4, U: 8 }[char];
    if (digits !== undefined && (char === "x" || !isBytes)) {
      const code = this.#match(new RegExp(`[0-9a-fA-F]{${digits}}`, "y"))?.[0];
      if (code === undefined) this.#fail();
      return this.#character(Number.parseInt(code, 16), isBytes);
    }
    if (char === "N" && !isBytes) {
      if (this.#match(/\{[^}]+\}/y) === undefined) this.#fail();
      this.#refuse("names a character by \\N{…}: write the character itself");
      return "";
    }
    return `\\${char}`;
  }

  #character(code: number, isBytes: boolean): string {
    if (code > 0x10ffff) this.#fail();
    if (code >= 0xd800 && code <= 0xdfff) this.#refuse("holds half a character (a surrogate)");
    if (isBytes && code > 0x7f) this.#refuse("holds bytes that are no text");
    return String.fromCodePoint(code);
  }

  #textNode(text: string): YamlScalar {
    return this.#scalar("text", text);
  }

  #scalar(type: YamlScalar["type"], value: YamlScalarValue): YamlScalar {
    return { kind: "scalar", place: this.#place, value, type };
  }

  /** A value as a plain node. Refuses what JSON cannot hold. */
  #node(value: Value): YamlNode {
    if (value.kind === "bytes" || value.kind === "unprintable") {
      this.#refuse(`is or holds ${described(value)}, which Ansible cannot list: quote it to have it as text`);
      return this.#scalar("null", null);
    }
    if (value.kind === "sequence") return { kind: value.kind, place: value.place, items: value.items };
    if (value.kind === "scalar") return this.#scalar(value.type, value.value);
    return value;
  }
}

function isNumber(value: Value): value is YamlScalar & { isSigned?: boolean } {
  return value.kind === "scalar" && (value.type === "int" || value.type === "float");
}

function isComplex(value: Value): boolean {
  return value.kind === "unprintable" && value.what === COMPLEX;
}

function isHashable(value: Value): boolean {
  if (value.kind === "sequence") return value.isTuple === true;
  return value.kind === "unprintable" ? value.isKey : value.kind !== "mapping";
}

function described(value: Value): string {
  if (value.kind === "unprintable") return value.what;
  if (value.kind === "bytes") return "bytes";
  if (value.kind === "mapping") return "a dict";
  return value.kind === "sequence" ? (value.isTuple ? "a tuple" : "a list") : "a plain value";
}
