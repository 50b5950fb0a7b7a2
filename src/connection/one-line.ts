import { stripVTControlCharacters } from "node:util";
import { excerpt } from "../secret.ts";

/** Control, bidirectional and zero-width characters: they can rewrite a line that a person or a CI log reads. */
const INVISIBLE = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+/g;

/** What a host said, as part of one line of ours: no control characters, no secret, at most `limit` characters. */
export function oneLine(text: string, limit = 300): string {
  return excerpt(stripVTControlCharacters(text).replace(INVISIBLE, " ").trim(), limit);
}
