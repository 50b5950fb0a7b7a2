/**
 * How a host's answer to a script is framed: the one mechanism for the probe and for a transaction's report.
 *
 * A frame begins with a line `WORD title`, which only root's own shell prints. The word is random for each script, and
 * reaches no argument, no file and no process of another user, so nobody else can print such a line. What others made is
 * encoded besides, by a process or the shell on root's side: lines of text begin with a sign, files come as a tar archive,
 * whose lengths are root's. So no byte of theirs is the first of a line, whatever they know.
 */

/** The answer is missing, incomplete, or not framed as the script frames it: nothing may be concluded from it. */
export class FrameError extends Error {
  override readonly name = "FrameError";
}

/** The sign at the start of each line whose content others made. */
export const SIGN = ">";

/** A frame's title: words of visible ASCII. */
const TITLE = /^[\x21-\x7e]+(?: [\x21-\x7e]+)*$/;

/** The end of every answer. */
const END = "end";

/**
 * The frames of an answer by title, in their order. What stands before the first is a login shell's noise.
 * @param isKnown which titles the script prints: any other is an error, as is one that comes twice.
 * @throws FrameError
 */
export function parseFrames(
  output: Buffer,
  word: string,
  isKnown: (title: string) => boolean,
): Map<string, Buffer> {
  const start = Buffer.from(`\n${word} `);
  const frames = new Map<string, Buffer>();
  let at = output.indexOf(start);
  while (at >= 0) {
    const next = output.indexOf(start, at + start.length);
    const part = output.subarray(at + start.length, next < 0 ? output.length : next);
    const lineEnd = part.indexOf("\n");
    const title = part.subarray(0, lineEnd < 0 ? part.length : lineEnd).toString("latin1");
    if (frames.has(END)) throw new FrameError(`the answer goes on behind its end, with ${quoted(title)}`);
    if (title !== END && (!TITLE.test(title) || !isKnown(title)))
      throw new FrameError(`the answer has a part that was not asked for: ${quoted(title)}`);
    if (frames.has(title)) throw new FrameError(`the answer has two parts called ${quoted(title)}`);
    frames.set(title, lineEnd < 0 ? Buffer.alloc(0) : part.subarray(lineEnd + 1));
    at = next;
  }
  if (!frames.delete(END)) throw new FrameError("the host's answer ends too early");
  return frames;
}

/**
 * The text of a frame that others made, without the signs.
 * @throws FrameError where a line has no sign: then it is not the text that root's side encoded.
 */
export function unsigned(title: string, body: Buffer): string {
  const lines = body.toString("utf8").split("\n");
  // The last line break belongs to the next frame.
  if (lines.at(-1) === "") lines.pop();
  return lines
    .map((line) => {
      if (!line.startsWith(SIGN))
        throw new FrameError(
          `the answer's part ${quoted(title)} has a line that redkeep's own script did not print`,
        );
      return `${line.slice(SIGN.length)}\n`;
    })
    .join("");
}

/** A file of a tar archive; undefined bytes where it is no regular file, or did not come whole. */
export interface TarEntry {
  path: string;
  bytes: Buffer | undefined;
}

const BLOCK = 512;

/**
 * The files of an archive as GNU tar writes it. One that is cut short ends with an entry without bytes.
 * @throws FrameError where it is no archive.
 */
export function readTar(archive: Buffer): TarEntry[] {
  const entries: TarEntry[] = [];
  let longName: string | undefined;
  for (let at = 0; at + BLOCK <= archive.length; ) {
    const header = archive.subarray(at, at + BLOCK);
    if (header.every((byte) => byte === 0)) return entries;
    if (checksum(header) !== octal(header, 148, 8))
      throw new FrameError("the host sent something other than an archive");
    const kind = String.fromCharCode(header[156] ?? 0);
    const size = octal(header, 124, 12);
    const bytes = archive.subarray(at + BLOCK, at + BLOCK + size);
    const isWhole = bytes.length === size;
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
    if (kind === "L" && isWhole) longName = textOf(bytes, 0, size);
    else if (kind !== "K") {
      const isFile = kind === "0" || kind === "\0";
      entries.push({
        path: longName ?? textOf(header, 0, 100),
        bytes: isFile && isWhole ? bytes : undefined,
      });
      longName = undefined;
    }
  }
  return entries;
}

function checksum(header: Buffer): number {
  return header.reduce((sum, byte, at) => sum + (at >= 148 && at < 156 ? 0x20 : byte), 0);
}

function octal(header: Buffer, at: number, length: number): number {
  const text = textOf(header, at, length).trim();
  // From 8 GiB on the number is binary: no file that anybody wants.
  return /^[0-7]+$/.test(text) ? Number.parseInt(text, 8) : Number.POSITIVE_INFINITY;
}

function textOf(bytes: Buffer, at: number, length: number): string {
  const part = bytes.subarray(at, at + length);
  const end = part.indexOf(0);
  return part.subarray(0, end < 0 ? length : end).toString("utf8");
}

function quoted(title: string): string {
  return JSON.stringify(title.slice(0, 80));
}
