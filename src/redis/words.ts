import { InputError } from "../lib/errors.ts";

/**
 * The words of one line of redis.conf, read as Redis' sdssplitargs does: blanks separate, `"…"` takes `\n \r \t \b \a`,
 * `\xHH` and `\` before anything else, `'…'` takes only `\'`. Undefined where Redis says "Unbalanced quotes".
 */
export function splitWords(line: string): string[] | undefined {
  const found: string[] = [];
  let at = 0;
  while (true) {
    while (at < line.length && isBlank(line.charAt(at))) at++;
    if (at >= line.length) return found;
    const word = readWord(line, at);
    if (word === undefined) return undefined;
    found.push(word.text);
    at = word.end;
  }
}

function readWord(line: string, start: number): { text: string; end: number } | undefined {
  let text = "";
  let at = start;
  while (at < line.length && !endsWord(line.charAt(at))) {
    const character = line.charAt(at);
    if (character !== '"' && character !== "'") {
      text += character;
      at++;
      continue;
    }
    const quoted = character === '"' ? readDoubleQuoted(line, at + 1) : readSingleQuoted(line, at + 1);
    // A closing quote ends the word: Redis wants a blank or the end behind it.
    const isClosed = quoted !== undefined && (quoted.end === line.length || isBlank(line.charAt(quoted.end)));
    return isClosed ? { text: text + quoted.text, end: quoted.end } : undefined;
  }
  return { text, end: at };
}

const ESCAPES = new Map([
  ["n", "\n"],
  ["r", "\r"],
  ["t", "\t"],
  ["b", "\b"],
  ["a", "\x07"],
]);

function readDoubleQuoted(line: string, start: number): { text: string; end: number } | undefined {
  const close = line.indexOf('"', start);
  const plain = line.slice(start, Math.max(close, start));
  if (close >= 0 && !plain.includes("\\")) return { text: plain.toWellFormed(), end: close + 1 };
  // Bytes, because \xc3\xa9 is one letter.
  const bytes: number[] = [];
  let at = start;
  while (at < line.length) {
    const character = String.fromCodePoint(line.codePointAt(at) ?? 0);
    if (character === '"') return { text: Buffer.from(bytes).toString("utf8"), end: at + 1 };
    const next = line.charAt(at + 1);
    const hex = /^[0-9a-f]{2}$/i.exec(line.slice(at + 2, at + 4));
    if (character === "\\" && next === "x" && hex !== null) {
      bytes.push(Number.parseInt(hex[0], 16));
      at += 4;
    } else if (character === "\\" && next !== "") {
      const escaped = String.fromCodePoint(line.codePointAt(at + 1) ?? 0);
      bytes.push(...Buffer.from(ESCAPES.get(escaped) ?? escaped));
      at += 1 + escaped.length;
    } else {
      bytes.push(...Buffer.from(character));
      at += character.length;
    }
  }
  return undefined;
}

function readSingleQuoted(line: string, start: number): { text: string; end: number } | undefined {
  let text = "";
  let at = start;
  while (at < line.length) {
    if (line.charAt(at) === "'") return { text, end: at + 1 };
    if (line.startsWith("\\'", at)) at++;
    text += line.charAt(at);
    at++;
  }
  return undefined;
}

/** isspace() of the C locale; not JavaScript's, which also takes the no-break space that Redis keeps in a word. */
const isBlank = (character: string): boolean => " \t\n\v\f\r".includes(character);

/** Vertical tab and form feed are skipped before a word, but stay in it once it has begun. */
const endsWord = (character: string): boolean => " \t\n\r".includes(character);

/**
 * Words as a line that Redis reads back as the same words: quoted only where needed.
 * Throws an InputError for a line break or NUL, which could only be there to smuggle in another directive.
 */
export function joinWords(name: string, args: readonly string[]): string {
  return [name, ...args.map((arg) => quoteWord(name, arg))].join(" ");
}

function quoteWord(name: string, word: string): string {
  if (/[\r\n\0]/.test(word)) {
    throw new InputError({
      key: name,
      message: "should be one line, found a line break or NUL in the value",
    });
  }
  if (/^[^\s"'\x00-\x1f\x7f]+$/.test(word)) return word;
  const escaped = word.replace(/["\\]/g, "\\$&").replace(/[\x00-\x1f\x7f]/g, hexEscape);
  return `"${escaped}"`;
}

const hexEscape = (character: string): string =>
  character === "\t" ? "\\t" : `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
