import type { WriteStream } from "node:tty";
import { styleText } from "node:util";

/** How a stream can be written to: what `TextContext` and the progress need to know of a terminal. */
export interface Terminal {
  /** False for a pipe or a file, and under `CI=true`, where a terminal only pretends to be one. */
  interactive: boolean;
  colour: boolean;
  unicode: boolean;
  /** Columns; 100 where there is no terminal. */
  width: number;
}

export function terminalOf(stream: NodeJS.WritableStream, env: NodeJS.ProcessEnv): Terminal {
  const tty = "isTTY" in stream && stream.isTTY === true ? (stream as WriteStream) : undefined;
  const isCi = env.CI !== undefined && env.CI !== "" && env.CI !== "false" && env.CI !== "0";
  return {
    interactive: tty !== undefined && !isCi && env.TERM !== "dumb",
    // Node knows NO_COLOR and the terminals that have none.
    colour: tty !== undefined && !isCi && tty.hasColors(env),
    unicode: isUtf8(env) && env.TERM !== "linux",
    width: tty === undefined ? 100 : sizeOf(tty).width,
  };
}

/** Columns and rows as they are now. Some terminals say 0, which is taken for the usual 80 by 24. */
export function sizeOf(stream: NodeJS.WritableStream): { width: number; height: number } {
  const { columns, rows } = stream as Partial<WriteStream>;
  return { width: columns || 80, height: rows || 24 };
}

/**
 * Of these three the first that is set says what the terminal shows, as in POSIX. Where none is, as in many containers,
 * UTF-8 is what nearly every terminal and log shows.
 */
function isUtf8(env: NodeJS.ProcessEnv): boolean {
  const locale = env.LC_ALL || env.LC_CTYPE || env.LANG;
  return !locale || /utf-?8/i.test(locale);
}

type Style = Parameters<typeof styleText>[0];
export type Paint = (style: Style, text: string) => string;

export function painter(colour: boolean): Paint {
  return colour ? (style, text) => styleText(style, text, { validateStream: false }) : (_, text) => text;
}

const IN_ASCII = new Map([
  ["→", "->"],
  ["…", "..."],
  ["–", "-"],
  ["—", "-"],
  ["−", "-"],
  ["•", "*"],
  ["‹", "<"],
  ["›", ">"],
  ["“", '"'],
  ["”", '"'],
  ["’", "'"],
  ["×", "x"],
  ["≥", ">="],
  ["≤", "<="],
]);

/** `text` with our own signs spelled in ASCII. Names and values of the user are left as they are. */
export function toAscii(text: string): string {
  return text.replace(/[→…–—−•‹›“”’×≥≤]/g, (sign) => IN_ASCII.get(sign) ?? sign);
}
