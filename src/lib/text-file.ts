import { createReadStream } from "node:fs";
import { codeOf, InputError } from "./errors.ts";

const MAX_FILE_BYTES = 1024 * 1024;
const MARK = "\ufeff";

export interface TextOptions {
  /** Default: 1 MiB. */
  maxBytes?: number;
  /** Whether a byte order mark stays, where Ansible has it for the file's first character. */
  keepsMark?: boolean;
}

/** Reads a UTF-8 text file, without its byte order mark. @throws InputError when it cannot. */
export async function readTextFile(
  path: string,
  file: string = path,
  { maxBytes = MAX_FILE_BYTES, keepsMark = false }: TextOptions = {},
): Promise<string> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of createReadStream(path, { end: maxBytes })) chunks.push(chunk);
  } catch (error) {
    throw unreadable(error, file);
  }
  const bytes = Buffer.concat(chunks);
  if (bytes.length > maxBytes)
    throw new InputError({ place: { file }, message: `is larger than ${maxBytes / 1024 / 1024} MiB` });
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: keepsMark }).decode(bytes);
  } catch {
    throw new InputError({ place: { file }, message: "is not UTF-8 text" });
  }
}

/** The text behind a byte order mark; undefined where there is none. */
export function behindMark(text: string): string | undefined {
  return text.startsWith(MARK) ? text.slice(MARK.length) : undefined;
}

/** The InputError for a text that begins with a byte order mark. @param ansible what Ansible makes of it */
export function markRefused(file: string, ansible: string): InputError {
  return new InputError({
    place: { file, line: 1 },
    message: `begins with a byte order mark, ${ansible}: save it as UTF-8 without one`,
  });
}

/** The InputError for a file that the system refused to open. */
export function unreadable(error: unknown, file: string): InputError {
  const code = codeOf(error);
  const reasons: Record<string, string> = {
    ENOENT: "does not exist",
    EACCES: "may not be read (permission denied)",
    EISDIR: "is a directory, expected a file",
    ENOTDIR: "lies below something that is no directory",
    ELOOP: "is a circle of symbolic links",
  };
  return new InputError({ place: { file }, message: reasons[code ?? ""] ?? `cannot be read (${code})` });
}
