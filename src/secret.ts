import { inspect } from "node:util";

const MASK = "••••";

/**
 * A value that does not print. `${secret}`, JSON and console.log show `••••`; only `reveal()` gives the text,
 * so that a search for that one word finds every place where a secret leaves the program.
 */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
    know(value);
  }

  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return MASK;
  }

  toJSON(): string {
    return MASK;
  }

  [inspect.custom](): string {
    return MASK;
  }
}

/** Every secret of this process, so that `redact` can be the second net under the type. */
const known = new Set<string>();
/**
 * Their forms, the longest first, by their first characters: each place of a text is looked up once, however many
 * secrets a thousand hosts have.
 */
const formsByStart = new Map<string, string[]>();

/** Shorter ones are left alone: masking them would garble ordinary words and so tell where they stand. */
const SHORTEST = 4;

function know(value: string): void {
  // A key in PEM form leaks line by line, too: messages hold single lines.
  const lines = value.includes("\n") ? value.split(/\r?\n/).filter((line) => /^[^\s-]{16,}$/.test(line)) : [];
  for (const text of [value, ...lines]) {
    if (text.length < SHORTEST || known.has(text)) continue;
    known.add(text);
    for (const form of formsOf(text)) {
      const start = form.slice(0, SHORTEST);
      const forms = new Set([...(formsByStart.get(start) ?? []), form]);
      formsByStart.set(
        start,
        [...forms].sort((a, b) => b.length - a.length),
      );
    }
  }
}

/**
 * Masks what a host keeps in clear text, in all that is printed from now on. Passwords that read as a short word, such
 * as `redis`, are left out: masking them would garble paths and names of this program, and so tell the password.
 */
export function maskFound(value: string): void {
  if (value.length >= 8 && (value.length >= 16 || !/^[a-z._-]*$/.test(value))) know(value);
}

/** A line of its configuration that Redis quotes where it does not take it, from the secret on. */
const QUOTED_LINE =
  /(>>> '(?:requirepass|masterauth|primaryauth|tls-key-file-pass|tls-client-key-file-pass|user|rename-command)\s).*/gi;

/**
 * `text` with every known secret replaced by `••••`, also in the forms in which a secret usually leaks: base64 (wherever
 * in a longer text it begins), hex, URL-encoded, JSON-escaped, and quoted as shells and Redis do. A host's text has to
 * be whole: of a secret that was cut nothing is recognised (see `excerpt`).
 */
export function redact(text: string): string {
  const safe = text.replace(QUOTED_LINE, `$1${MASK}`);
  let result = "";
  let shown = 0;
  for (let at = 0; at <= safe.length - SHORTEST; at++) {
    const forms = formsByStart.get(safe.slice(at, at + SHORTEST));
    const form = forms?.find((candidate) => safe.startsWith(candidate, at));
    if (form === undefined) continue;
    // Where one begins within another, nothing of either may stay.
    if (at >= shown) result += safe.slice(shown, at) + MASK;
    shown = Math.max(shown, at + form.length);
  }
  return result + safe.slice(shown);
}

/** The first `limit` characters of `text`, with its secrets masked before the cut can show a part of one. */
export function excerpt(text: string, limit: number): string {
  const safe = redact(text);
  return safe.length > limit ? `${safe.slice(0, limit)}…` : safe;
}

function formsOf(value: string): string[] {
  const bytes = Buffer.from(value);
  const hex = bytes.toString("hex");
  const url = encodeURIComponent(value.toWellFormed());
  const allOfUrl = url.replace(/[!'()*~]/g, (character) => `%${hexOf(character)}`);
  const urls = [url, allOfUrl, allOfUrl.replaceAll("%20", "+")];
  const json = JSON.stringify(value).slice(1, -1);
  const words = hex.replace(/../g, "\\x$&");
  const base64 = [0, 1, 2].map((offset) => base64Within(bytes, offset)).filter((text) => text.length >= 8);
  return [
    value,
    bytes.toString("base64"),
    ...base64,
    ...base64.map((text) => text.replaceAll("+", "-").replaceAll("/", "_")),
    ...urls,
    ...urls.map((text) => text.replace(/%[0-9A-F]{2}/g, (byte) => byte.toLowerCase())),
    json,
    json.replaceAll("/", "\\/"),
    json.replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`),
    value.replaceAll("'", `'\\''`),
    value.replaceAll("'", `'"'"'`),
    value.replaceAll("'", "\\'"),
    value.replace(/["\\$`]/g, "\\$&"),
    value.replace(/[^\w@%+=:,./\u0080-\uffff-]/g, "\\$&"),
    // As redis-cli is given words, and as Redis prints them.
    words,
    [...bytes].map(redisCharacter).join(""),
    hex,
    hex.toUpperCase(),
  ];
}

/** The part of a base64 text that does not depend on what stands before (`offset` bytes, of three) and behind. */
function base64Within(bytes: Buffer, offset: number): string {
  const text = Buffer.concat([Buffer.alloc(offset), bytes])
    .toString("base64")
    .replace(/=+$/, "");
  const whole = Math.floor(((offset + bytes.length) * 8) / 6);
  return text.slice(Math.ceil((offset * 8) / 6), whole);
}

function hexOf(character: string): string {
  return character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0");
}

const REDIS_ESCAPES: Readonly<Record<string, string>> = {
  '"': '\\"',
  "\\": "\\\\",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\x07": "\\a",
  "\b": "\\b",
};

function redisCharacter(byte: number): string {
  const character = String.fromCharCode(byte);
  const escaped = REDIS_ESCAPES[character];
  if (escaped !== undefined) return escaped;
  return byte >= 0x20 && byte < 0x7f ? character : `\\x${byte.toString(16).padStart(2, "0")}`;
}
