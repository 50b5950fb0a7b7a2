import { redact } from "./secret.ts";

/** Control (C0, DEL, C1), format (bidi, zero-width, tags), separator and surrogate characters, and blank fillers. */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Default_Ignorable_Code_Point}]/gu;

/**
 * Command markers that CI systems obey anywhere in a line: GitHub's older `##[` and Azure's `##vso[`. The newer `::`
 * only counts at the beginning of a line: see `guardLines`.
 */
const CI_COMMAND = /##(?=\[|vso\[)/gi;

const MAX_LINE = 4_096;
const MAX_TEXT = 65_536;

/**
 * Text from a host or a user's file as one line that is safe to print: secrets masked, and what would steer a
 * terminal, hide or reorder text shown as an escape such as `\x1b` or `\u{202e}`.
 */
export function printable(text: string, maxLength = MAX_LINE): string {
  return neutralise(cap(redact(text), maxLength));
}

/** The same for text of several lines: line breaks and tabs stay. */
export function printableText(text: string, maxLength = MAX_TEXT): string {
  return cap(redact(text), maxLength)
    .split("\n")
    .map((line) => line.split("\t").map(neutralise).join("\t"))
    .join("\n");
}

function neutralise(text: string): string {
  return text.replace(UNSAFE, escapeCharacter).replace(CI_COMMAND, "# #");
}

function escapeCharacter(character: string): string {
  if (character === "\n") return "\\n";
  if (character === "\r") return "\\r";
  if (character === "\t") return "\\t";
  const code = character.codePointAt(0) ?? 0;
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
}

function cap(text: string, maxLength: number): string {
  if (text.length <= maxLength) return text;
  return `${text.slice(0, maxLength)}… (${text.length - maxLength} more characters)`;
}

/**
 * No line of `text` begins with `::`, which GitHub's runner would obey as a command, leading blanks or not. The last
 * step of every renderer, since wrapping can move remote text to the beginning of a line.
 */
export function guardLines(text: string): string {
  return text.replace(/^([^\S\r\n\u2028\u2029]*)::/gm, "$1| ::");
}
