import { stripVTControlCharacters } from "node:util";
import { excerpt, redact } from "../lib/secret.ts";

/** Control, bidirectional and zero-width characters: they can rewrite a line that a person or a CI log reads. */
const INVISIBLE = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+/g;

/** Characters that are looked at: what Node takes to find escapes grows with the square of their number. */
const MOST = 4_096;

/** What a host said, as part of one line of ours: no control characters, no secret, at most `limit` characters. */
export function oneLine(text: string, limit = 300): string {
  // Before the cut, for of half a secret nothing is recognised; and once more, where escapes stood within one.
  const start = redact(text).slice(0, MOST);
  return excerpt(stripVTControlCharacters(start).replace(INVISIBLE, " ").trim(), limit);
}
