import { randomBytes } from "node:crypto";
import { type FileHandle, open, realpath, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { RunRecord } from "./record.ts";
import { recordSafe } from "./safe-record.ts";

/** The record as JSON text, safe to print, with a line break at its end. */
export function recordToJson(record: RunRecord): string {
  return [...jsonPieces(record)].join("");
}

/** The same in pieces, each of a host: all together they are many megabytes where a fleet is large. */
function* jsonPieces(record: RunRecord): Generator<string> {
  const safe = recordSafe();
  const json = (value: unknown, key: string, indent: string) =>
    JSON.stringify(safe(value, key), null, 2).replaceAll("\n", `\n${indent}`);
  let before = "{\n";
  for (const [key, value] of Object.entries(record)) {
    if (value === undefined) continue;
    yield `${before}  ${JSON.stringify(key)}: `;
    before = ",\n";
    if (key !== "hosts" || record.hosts.length === 0) yield json(value, key, "  ");
    else {
      for (const [index, host] of record.hosts.entries())
        yield `${index === 0 ? "[" : ","}\n    ${json(host, "", "    ")}`;
      yield "\n  ]";
    }
  }
  yield "\n}\n";
}

/**
 * Writes the record to `path`, readable by its owner alone, so that a reader finds the old file or the whole new one.
 * What is there but is no regular file (`/dev/stdout`, a named pipe) is written to, never replaced.
 * @throws the file system's error, with its path.
 */
export async function writeRecord(record: RunRecord, path: string): Promise<void> {
  await writeText(jsonPieces(record), path, 0o600);
}

/**
 * The same for any text. `mode` is narrowed by the umask. Not by write-file-atomic: its temporary file has a name that can be
 * foretold and is opened through links, which in a shared folder would let others choose what is overwritten.
 */
export async function writeText(text: string | Iterable<string>, path: string, mode: number): Promise<void> {
  // A file that is not there yet gets this very name.
  const target = await realpath(path).catch(() => path);
  const isRegular = await stat(target).then(
    (found) => found.isFile(),
    () => true,
  );
  // On Linux /dev/stdout is a link to the file that it leads to; on a Mac it stays a name below /dev, where no file can be made.
  if (!isRegular || /^\/dev\/(?:fd\/\d+|std(?:out|err))$/.test(target))
    return await writeInto(await open(target, "w"), text);

  const temporary = join(dirname(target), `.redkeep.${randomBytes(6).toString("hex")}`);
  try {
    const file = await open(temporary, "wx", mode);
    await writeInto(file, text);
    await rename(temporary, target);
  } catch (cause) {
    await rm(temporary, { force: true });
    throw cause;
  }
}

async function writeInto(file: FileHandle, text: string | Iterable<string>): Promise<void> {
  try {
    await file.writeFile(text);
    await file.sync().catch((error: NodeJS.ErrnoException) => {
      // Pipes and terminals have nothing to synchronise. Anything else means that the record may not be on the disk.
      if (error.code !== "EINVAL" && error.code !== "ENOTSUP") throw error;
    });
  } finally {
    await file.close();
  }
}

/** Writes the record to a stream such as stdout, and resolves when it has left this process. */
export async function printRecord(record: RunRecord, stream: NodeJS.WritableStream): Promise<void> {
  for (const piece of jsonPieces(record)) await printText(piece, stream);
}

/** The same for any text. */
export async function printText(text: string, stream: NodeJS.WritableStream): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    stream.write(text, (error) => (error ? reject(error) : resolve()));
  });
}
