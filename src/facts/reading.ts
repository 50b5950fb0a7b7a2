import { shellProgram } from "../shell/program.ts";

/**
 * How the probe reads files on a host where others may write: only this part decides with whose rights a file is opened.
 * Root opens a path itself only where nobody else can swap it: where only root may write each folder on the path, including
 * those that its links lead through. Checking just the target is not enough: a link may change afterwards. Below any other
 * folder, a process with the rights of the folder's owner reads, so that a link leads it only where the owner could go too.
 * It does not wait on a FIFO, and is stopped after some seconds.
 *
 * A file of another's in a folder of root's is opened by root, and may be of any size, then grow while it is read, or be held
 * by its owner. So its size is looked at first, and whoever reads it has some seconds.
 */

/** The most bytes of one file that is read: nothing larger is a configuration. */
export const FILE_LIMIT = 1_048_576;

/** Bytes that one reader hands over of all its files: more than any configuration has. */
export const FILES_LIMIT = 8 * 1024 * 1024;

/** Seconds for a program that reads with another user's rights, or another user's file. */
const READER_LIMIT = 5;

/** Seconds to wait for its output: its user may take over the end of the pipe and keep it open. */
export const HEARD_LIMIT = READER_LIMIT + 2;

/** KiB of address space for a program that keeps what it reads. */
export const READER_MEMORY = 256 * 1024;

/** The user who reads where no better one is known: this user owns no files. */
export const NOBODY = "--reuid=65534 --regid=65534 --clear-groups";

/** The functions of the shell by which every part of the probe reads: src/shell/probe/reading.sh. */
export function readingFunctions(): string {
  return shellProgram("probe/reading.sh", { FILE_LIMIT, HEARD_LIMIT, READER_MEMORY, NOBODY });
}
