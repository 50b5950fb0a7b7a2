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

/** Shorter ones are left alone: masking them would garble ordinary words and so tell where they stand. */
const SHORTEST = 4;

/**
 * Whether a text is short enough to be a word or a number of everyday's language, such as `redis` or `6379`. Masking that
 * everywhere would garble what is said of Redis, and tell by its place what it is.
 */
export function readsAsWord(text: string): boolean {
  return text.length < 8 || (text.length < 16 && /^[a-z._-]*$/.test(text));
}

/** Texts that begin alike, sorted, each with the longest other one that it begins with, or -1. */
interface Sorted {
  texts: readonly string[];
  shorter: Int32Array;
  longest: number;
}

/** Characters of secrets and of text that may still be held against each other. */
interface Effort {
  left: number;
}

/**
 * Secrets in every form in which one leaks. Each place of a text costs one search, by halves, among the forms that begin
 * as it does: a host chooses what its files hold, and thousands that begin alike must not slow the run of the others.
 */
class Forms {
  readonly #texts = new Set<string>();
  readonly #byStart = new Map<string, Set<string>>();
  readonly #sorted = new Map<string, Sorted>();

  has(text: string): boolean {
    return this.#texts.has(text);
  }

  add(text: string): void {
    if (text.length < SHORTEST || this.#texts.has(text)) return;
    this.#texts.add(text);
    for (const form of formsOf(text)) {
      const start = form.slice(0, SHORTEST);
      const forms = this.#byStart.get(start);
      if (forms === undefined) this.#byStart.set(start, new Set([form]));
      else forms.add(form);
      this.#sorted.delete(start);
    }
  }

  /** @param effort what may be spent; undefined comes back where it is not enough. */
  mask(text: string): string;
  mask(text: string, effort: Effort): string | undefined;
  mask(text: string, effort?: Effort): string | undefined {
    if (this.#texts.size === 0) return text;
    let result = "";
    let shown = 0;
    for (let at = 0; at <= text.length - SHORTEST; at++) {
      const length = this.#longestAt(text, at, effort);
      if (effort !== undefined && effort.left < 0) return undefined;
      if (length === 0) continue;
      // Where one begins within another, nothing of either may stay.
      if (at >= shown) result += text.slice(shown, at) + MASK;
      shown = Math.max(shown, at + length);
    }
    return result + text.slice(shown);
  }

  /** Characters of the longest form that stands there; 0 where none does. */
  #longestAt(text: string, at: number, effort: Effort | undefined): number {
    const start = text.slice(at, at + SHORTEST);
    const forms = this.#byStart.get(start);
    if (forms === undefined) return 0;
    let sorted = this.#sorted.get(start);
    if (sorted === undefined) {
      sorted = sort(forms);
      this.#sorted.set(start, sorted);
    }
    const { texts, shorter, longest } = sorted;
    const piece = text.slice(at, at + longest);
    if (effort !== undefined) effort.left -= piece.length;
    let [low, high] = [0, texts.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((texts[middle] ?? "") <= piece) low = middle + 1;
      else high = middle;
    }
    // Any form that the piece begins with is also the start of the last form that sorts before the piece.
    let index = low - 1;
    const common = commonLength(texts[index] ?? "", piece);
    while (index >= 0 && (texts[index] ?? "").length > common) index = shorter[index] ?? -1;
    return texts[index]?.length ?? 0;
  }
}

function sort(forms: ReadonlySet<string>): Sorted {
  const texts = [...forms].sort();
  const shorter = new Int32Array(texts.length).fill(-1);
  let longest = 0;
  for (const [index, text] of texts.entries()) {
    longest = Math.max(longest, text.length);
    const before = texts[index - 1] ?? "";
    const common = commonLength(before, text);
    let at = index - 1;
    while (at >= 0 && (texts[at] ?? "").length > common) at = shorter[at] ?? -1;
    shorter[index] = at;
  }
  return { texts, shorter, longest };
}

function commonLength(a: string, b: string): number {
  let length = 0;
  while (length < a.length && length < b.length && a.charCodeAt(length) === b.charCodeAt(length)) length++;
  return length;
}

/** Every secret that this process itself knows, so that `redact` can be the second net under the type. */
let known = new Forms();

/** Knows no secret any more, as a process that has just begun: each file of the tests starts like that. */
export function forgetSecrets(): void {
  known = new Forms();
}

function know(value: string): void {
  known.add(value);
  // A key in PEM form leaks line by line, too: messages hold single lines.
  const lines = value.includes("\n") ? value.split(/\r?\n/) : [];
  for (const line of lines) if (/^[^\s-]{16,}$/.test(line)) known.add(line);
}

/** Whether the whole text is one that this process knows as a secret, such as the value of a variable from a vault. */
export function isKnownSecret(text: string): boolean {
  return known.has(text);
}

/** Far more than a server has: masking costs time and memory for each. */
const MOST_FOUND = 500;
/**
 * The effort for all output of one host: secrets and output that begin alike at every place could delay every other host.
 * Ten thousand lines with a password in each cost a fiftieth of this.
 */
const MOST_EFFORT = 15_000_000;
/** Characters of one. Passwords are chosen by people and generators; none is that long. */
const LONGEST_FOUND = 512;

/**
 * What one host keeps in clear text, and must not tell. It is masked only in that host's own words (what its programs and its
 * server said), where they are taken: never in an id, a name or a sentence of redkeep's, and never in what another host
 * says, for whoever writes a host's configuration chooses these.
 */
export class FoundSecrets {
  readonly #values = new Set<string>();
  #forms: Forms | undefined;
  readonly #effort: Effort = { left: MOST_EFFORT };
  #isTooMuch = false;

  /**
   * Passwords that read as a short word, such as `redis`, are left out: masking them would garble every sentence about Redis,
   * and so tell the password.
   */
  add(values: Iterable<string>): void {
    for (const value of values) {
      if (readsAsWord(value)) continue;
      if (this.#values.has(value)) continue;
      if (value.length > LONGEST_FOUND || this.#values.size === MOST_FOUND) {
        this.#isTooMuch = true;
        return;
      }
      this.#values.add(value);
      this.#forms = undefined;
    }
  }

  /** The host's words with every secret of its own masked; none of them where it has more than can be looked for. */
  mask(text: string): string {
    if (text === "" || (this.#values.size === 0 && !this.#isTooMuch)) return text;
    if (this.#isTooMuch)
      return "(not shown: the host's files hold too many or too long passwords in clear text)";
    if (this.#forms === undefined) {
      this.#forms = new Forms();
      for (const value of this.#values) this.#forms.add(value);
    }
    return (
      this.#forms.mask(redact(text), this.#effort) ??
      "(not shown: to look for the passwords of the host's files in it would take too long)"
    );
  }
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
  return known.mask(text.replace(QUOTED_LINE, `$1${MASK}`));
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
