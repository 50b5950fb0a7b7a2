import { shellProgram } from "../shell/program.ts";

/**
 * How the probe's script reads on a host where others may write: the one place that decides with whose rights a file is
 * opened. Root opens by path only what nobody else can swap: where root alone may write each folder that the path leads
 * through, those that hold a link of it included. Where it leads is not enough: by then a link may lead elsewhere. Below any
 * other folder a process with the rights of the folder's owner reads, so that a link leads it nowhere that he could not go
 * himself; it opens no FIFO for long, and is ended after some seconds.
 *
 * A file of another's in a folder of root's is opened by root, and may be of any size, then grow while it is read, or be held
 * by its owner. So its size is looked at first, and whoever reads it has some seconds.
 */

/** Bytes of one file that are taken: a configuration beyond that is not one, and none is read. */
export const FILE_LIMIT = 1_048_576;

/** Bytes that one reader hands over of all its files: more than any configuration has. */
export const FILES_LIMIT = 8 * 1024 * 1024;

/** Seconds for a program that reads with another user's rights, or another user's file. */
const READER_LIMIT = 5;

/** Seconds for what it prints: its user may take the pipe's end out of it, and keep that open. */
export const HEARD_LIMIT = READER_LIMIT + 2;

/** KiB of address space for a program that keeps what it reads. */
export const READER_MEMORY = 256 * 1024;

/** Who reads where there is nobody better: no file of anybody's. */
export const NOBODY = "--reuid=65534 --regid=65534 --clear-groups";

/** The functions of the shell by which every part of the probe reads: src/shell/probe/reading.sh. */
export function readingFunctions(): string {
  return shellProgram("probe/reading.sh", { FILE_LIMIT, HEARD_LIMIT, READER_MEMORY, NOBODY });
}
