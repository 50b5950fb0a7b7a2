import { constants } from "node:fs";
import { access, realpath, stat } from "node:fs/promises";
import { dirname } from "node:path";

const OTHERS_WRITE = 0o002;
/** In such a folder, as /tmp is one, nobody changes another user's files. */
const STICKY = 0o1000;

/** Whether we may run the file, where it is there. */
export async function isExecutable(path: string): Promise<boolean> {
  return await access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

/**
 * Why a program must not be run, as the end of a sentence: every user of this machine could have put another in its place.
 * Undefined where that is not so.
 */
export async function openToOthers(path: string): Promise<string | undefined> {
  const real = await realpath(path);
  const folder = dirname(real);
  if (((await stat(real)).mode & OTHERS_WRITE) !== 0)
    return `is not run, as every user may write to it: say chmod o-w ${real}`;
  if (((await stat(folder)).mode & (OTHERS_WRITE | STICKY)) === OTHERS_WRITE)
    return `is not run, as every user may write to its folder: say chmod o-w ${folder}`;
  return undefined;
}
