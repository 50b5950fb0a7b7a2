import { FrameError } from "../lib/frame.ts";
import { ANSWER_TITLES } from "./fact.ts";

/** A session with Redis, by the titles of redkeep's questions. */
export interface Session {
  texts: Map<string, string>;
  /** Titles whose answers were longer than the bound, or broke off. */
  cut: Set<string>;
}

/** The most bytes of one line that leave the host: longer lines are cut. All users, or all settings, are one line. */
export const LINE_LIMIT = 1024 * 1024;
/** Bytes of a whole session. */
export const SESSION_LIMIT = 8 * 1024 * 1024;

/**
 * Takes apart what redis-cli printed as CSV: each reply is one line with its strings quoted, so that no client's bytes begin
 * one. INFO and CLIENT LIST alone come as they are, and Redis lets no line break into what clients put there.
 * @param word stands in the titles, which redkeep had the server ECHO.
 * @throws FrameError for a title that comes twice or was not asked for: somebody else answers than a Redis.
 */
export function parseSession(text: string, word: string): Session {
  const session: Session = { texts: new Map(), cut: new Set() };
  const start = `"${word} `;
  const title = new RegExp(`^${start}([\\x20-\\x7e]+)"$`);
  let current: string | undefined;
  let lines: string[] = [];
  const finish = () => {
    if (current !== undefined) session.texts.set(current, lines.map((line) => `${line}\n`).join(""));
    lines = [];
  };
  for (const line of text.split("\n")) {
    const found = line.startsWith(start) ? title.exec(line)?.[1] : undefined;
    if (found === undefined) {
      if (current === undefined) continue;
      lines.push(line);
      if (line.length >= LINE_LIMIT) session.cut.add(current);
      continue;
    }
    const [kind = ""] = found.split(" ");
    if (!(ANSWER_TITLES as readonly string[]).includes(kind))
      throw new FrameError(
        `Redis gave an answer that was not asked for: ${JSON.stringify(found.slice(0, 80))}`,
      );
    if (session.texts.has(found))
      throw new FrameError(`Redis gave two answers for ${JSON.stringify(found.slice(0, 80))}`);
    finish();
    session.texts.set(found, "");
    current = found;
  }
  finish();
  // The text at which the answer broke off is incomplete.
  if (current !== undefined && !session.texts.has("session-end")) session.cut.add(current);
  return session;
}

/**
 * The strings and numbers of replies as redis-cli prints them in CSV, nested ones in a row; NIL reads as empty. Undefined for
 * an error, and for what is no CSV. A last string that was cut short is left out.
 */
export function csvWords(text: string): string[] | undefined {
  const line = withoutOuterBreaks(text);
  if (line.startsWith("ERROR,")) return undefined;
  if (line === "") return [];
  const words: string[] = [];
  const token = /(?:"((?:[^"\\]|\\.)*)"|([^",\\]*))(,|$)/y;
  for (let at = 0; at <= line.length; ) {
    token.lastIndex = at;
    const found = token.exec(line);
    if (found === null) return line.length + 1 >= LINE_LIMIT ? words : undefined;
    const [, quoted, plain = "", end] = found;
    words.push(quoted === undefined ? (/^(NULL|NIL)$/.test(plain) ? "" : plain) : unescaped(quoted));
    at = token.lastIndex;
    if (end === "") break;
  }
  return words;
}

/** The one string of a reply: an error's text too. Several lines, such as redis-cli's own, stay as they are. */
export function csvText(text: string): string {
  const line = withoutOuterBreaks(text);
  const error = /^ERROR,"((?:[^"\\]|\\.)*)"$/.exec(line)?.[1];
  if (error !== undefined) return unescaped(error).trim();
  const words = line.startsWith('"') ? csvWords(line) : undefined;
  return words === undefined ? line : words.join("\n");
}

/** By hand: a pattern that looks for line breaks before the end begins anew at each one that it meets on its way. */
function withoutOuterBreaks(text: string): string {
  let [start, end] = [0, text.length];
  while (start < end && text[start] === "\n") start++;
  while (start < end && text[end - 1] === "\n") end--;
  return text.slice(start, end);
}

const CONTROL: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", a: "\u0007", b: "\b" };

/** As redis-cli escapes: bytes that are no visible ASCII stand as `\xNN`. */
function unescaped(text: string): string {
  if (!text.includes("\\")) return text;
  const bytes = text.replace(/\\(?:x([0-9a-f]{2})|(.))/gi, (_, hex: string | undefined, sign = "") =>
    hex === undefined ? (CONTROL[sign] ?? sign) : String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return Buffer.from(bytes, "latin1").toString("utf8");
}

/** A string as redis-cli prints it, for the shell to compare. */
export function csvString(text: string): string {
  if (/^[\x20-\x7e]*$/.test(text) && !/["\\]/.test(text)) return `"${text}"`;
  const signs = [...Buffer.from(text)].map((byte) => {
    const sign = String.fromCharCode(byte);
    const control = Object.entries(CONTROL).find(([, value]) => value === sign)?.[0];
    if (control !== undefined) return `\\${control}`;
    if (sign === '"' || sign === "\\") return `\\${sign}`;
    return byte >= 0x20 && byte < 0x7f ? sign : `\\x${byte.toString(16).padStart(2, "0")}`;
  });
  return `"${signs.join("")}"`;
}
