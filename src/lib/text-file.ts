import { createReadStream } from "node:fs";
import { InputError } from "./errors.ts";

const MAX_FILE_BYTES = 1024 * 1024;

/** Reads a UTF-8 text file of at most `maxBytes`, without its byte order mark. @throws InputError when it cannot. */
export async function readTextFile(
  path: string,
  file: string = path,
  maxBytes = MAX_FILE_BYTES,
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
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new InputError({ place: { file }, message: "is not UTF-8 text" });
  }
}

/** The InputError for a file that the system refused to open. */
export function unreadable(error: unknown, file: string): InputError {
  const code = (error as NodeJS.ErrnoException).code;
  const reasons: Record<string, string> = {
    ENOENT: "does not exist",
    EACCES: "may not be read (permission denied)",
    EISDIR: "is a directory, expected a file",
    ENOTDIR: "lies below something that is no directory",
    ELOOP: "is a circle of symbolic links",
  };
  return new InputError({ place: { file }, message: reasons[code ?? ""] ?? `cannot be read (${code})` });
}
