/** An expression between `{{` and `}}` that names a value and computes nothing. */
export type Expression =
  | { kind: "constant"; value: string | number | boolean | null }
  | { kind: "name"; name: string }
  /** `of.name`, `of[key]` */
  | { kind: "attribute"; of: Expression; name: string | number }
  | { kind: "item"; of: Expression; key: Expression }
  /** `of | default(otherwise, forFalse)` */
  | { kind: "default"; of: Expression; otherwise: Expression; forFalse: Expression | undefined }
  /** `lookup('env', variable)` */
  | { kind: "env"; variable: Expression };

/** A text cut into plain texts and expressions, in order. */
export type Template = readonly (string | Expression)[];

/** What redkeep does not render. The message is the end of the sentence "is a Jinja template …". */
export class JinjaError extends Error {
  override readonly name = "JinjaError";
}

const MOST_CHARACTERS = 65_536;
const MOST_DEPTH = 20;
const TOKEN = /\s*(?:([A-Za-z_]\w*)|(-?\d{1,9})(?![\w.])|'([^'\\]*)'|"([^"\\]*)"|(\}\}|[.[\](),|=])|(\S))/y;
const CONSTANTS: ReadonlyMap<string, boolean | null> = new Map([
  ["true", true],
  ["True", true],
  ["false", false],
  ["False", false],
  ["none", null],
  ["None", null],
]);
/** Words of Jinja's grammar that can stand where a name can. */
const WORDS = new Set(["and", "else", "for", "if", "import", "in", "is", "not", "or"]);

/** Whether Jinja would read the text at all. */
export function isTemplate(text: string): boolean {
  return /\{[{%#]/.test(text);
}

/** @throws JinjaError for everything that does more than name a value. */
export function parseTemplate(text: string): Template {
  if (text.length > MOST_CHARACTERS) throw new JinjaError(`that has more than ${MOST_CHARACTERS} characters`);
  const parts: (string | Expression)[] = [];
  for (let at = 0; at < text.length; ) {
    const open = text.slice(at).search(/\{[{%#]/);
    if (open !== 0) parts.push(open < 0 ? text.slice(at) : text.slice(at, at + open));
    if (open < 0) break;
    at += open;
    if (text.charAt(at + 1) !== "{")
      throw new JinjaError(
        `with ${text.charAt(at + 1) === "%" ? "a statement ({% … %})" : "a comment ({# … #})"}`,
      );
    const parser = new Parser(text, at + 2);
    parts.push(parser.expression());
    parser.expect("}}");
    at = parser.at;
  }
  return parts;
}

type Token = { kind: "name" | "number" | "string" | "sign" | "end"; text: string };

class Parser {
  readonly #text: string;
  /** Behind the last token that was taken. */
  at: number;
  #next: Token | undefined;
  #nextEnd = 0;
  #depth = 0;

  constructor(text: string, at: number) {
    this.#text = text;
    this.at = at;
  }

  expression(): Expression {
    if (++this.#depth > MOST_DEPTH) throw new JinjaError(`that is nested more than ${MOST_DEPTH} times`);
    let result = this.#primary();
    for (;;) {
      if (this.#takes(".")) result = this.#attribute(result);
      else if (this.#takes("[")) {
        result = { kind: "item", of: result, key: this.expression() };
        this.expect("]");
      } else if (this.#takes("|")) result = this.#filter(result);
      else break;
    }
    this.#depth--;
    return result;
  }

  expect(sign: string): void {
    const { text } = this.#take();
    if (text !== sign) throw beyond(text);
  }

  #primary(): Expression {
    const { kind, text } = this.#take();
    if (kind === "string") return { kind: "constant", value: text };
    if (kind === "number") return { kind: "constant", value: Number(text) };
    if (kind === "sign" && text === "(") {
      const inner = this.expression();
      this.expect(")");
      return inner;
    }
    if (kind !== "name" || WORDS.has(text)) throw beyond(text);
    const constant = CONSTANTS.get(text);
    if (constant !== undefined) return { kind: "constant", value: constant };
    if (!this.#takes("(")) return { kind: "name", name: text };
    if (text !== "lookup") throw new JinjaError(`that calls ${text}()`);
    return this.#lookup();
  }

  #attribute(of: Expression): Expression {
    const { kind, text } = this.#take();
    if (kind === "number" && !text.startsWith("-")) return { kind: "attribute", of, name: Number(text) };
    if (kind !== "name") throw beyond(text);
    if (this.#takes("(")) throw new JinjaError(`that calls ${text}()`);
    return { kind: "attribute", of, name: text };
  }

  #filter(of: Expression): Expression {
    const { text } = this.#take();
    if (!["default", "d", "ansible.builtin.default"].includes(text))
      throw new JinjaError(`with the filter ${text}`);
    const [otherwise = { kind: "constant", value: "" }, forFalse, ...more] = this.#takes("(")
      ? this.#arguments("boolean")
      : [];
    if (more.length > 0) throw new JinjaError("whose filter default has more than two arguments");
    return { kind: "default", of, otherwise, forFalse };
  }

  #lookup(): Expression {
    const [plugin, variable, ...more] = this.#arguments();
    const name = plugin?.kind === "constant" ? plugin.value : "";
    if (name !== "env" && name !== "ansible.builtin.env") throw new JinjaError(`with the lookup "${name}"`);
    if (variable === undefined || more.length > 0)
      throw new JinjaError("whose lookup of env has not exactly one variable");
    return { kind: "env", variable };
  }

  /** Up to the closing parenthesis. `keyword` may name the second one. */
  #arguments(keyword?: string): Expression[] {
    const found: Expression[] = [];
    if (this.#takes(")")) return found;
    do {
      const argument = this.expression();
      if (!this.#takes("=")) found.push(argument);
      else if (argument.kind === "name" && argument.name === keyword && found.length === 1)
        found.push(this.expression());
      else throw beyond("=");
    } while (this.#takes(","));
    this.expect(")");
    return found;
  }

  #takes(sign: string): boolean {
    const { kind, text } = this.#peek();
    if (kind !== "sign" || text !== sign) return false;
    this.#take();
    return true;
  }

  #take(): Token {
    const token = this.#peek();
    this.at = this.#nextEnd;
    this.#next = undefined;
    return token;
  }

  #peek(): Token {
    if (this.#next !== undefined) return this.#next;
    TOKEN.lastIndex = this.at;
    const [, name, number, single, double, sign, other] = TOKEN.exec(this.#text) ?? [];
    this.#nextEnd = TOKEN.lastIndex;
    const text = name ?? number ?? single ?? double ?? sign ?? other;
    const kind =
      text === undefined
        ? "end"
        : name !== undefined
          ? "name"
          : number !== undefined
            ? "number"
            : (single ?? double) !== undefined
              ? "string"
              : "sign";
    this.#next = { kind, text: text ?? "" };
    return this.#next;
  }
}

function beyond(found: string): JinjaError {
  return new JinjaError(
    found === "" ? "that does not end" : `with ${JSON.stringify(found)} where a plain name ends`,
  );
}
