import { stripVTControlCharacters } from "node:util";
import { excerpt, redact } from "../lib/secret.ts";

/** Control, bidirectional and zero-width characters: they can rewrite a line that a person or a CI log reads. */
const INVISIBLE = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+/g;

/** How many characters we look at: the time that Node needs to find escapes grows with the square of their number. */
const MOST = 4_096;

/** What a host said, as part of one line of ours: no control characters, no secret, at most `limit` characters. */
export function oneLine(text: string, limit = 300): string {
  // Redact before the cut, since half a secret is not recognised; and again, since escapes may have split one.
  const start = redact(text).slice(0, MOST);
  return excerpt(stripVTControlCharacters(start).replace(INVISIBLE, " ").trim(), limit);
}
