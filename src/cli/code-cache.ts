import { existsSync, mkdirSync, realpathSync, statSync } from "node:fs";
// We import the default: on an older Node a missing name would end the program before it could say that it needs Node 22.
import nodeModule from "node:module";
import { homedir } from "node:os";
import { dirname, join } from "node:path";

/**
 * Has Node cache the compiled code of the modules loaded from now on in the user's own `~/.cache/redkeep`, for the next
 * start. Node's default folder lies in the temporary folder, which all users share.
 */
export function keepCompiledCode({ env, getuid }: NodeJS.Process): void {
  // Sources start no faster with it.
  if (import.meta.filename.endsWith(".ts")) return;
  // Node would cache nothing, so we make no folder.
  if (env.NODE_DISABLE_COMPILE_CACHE || getuid === undefined) return;
  const directory = ownFolder(env.XDG_CACHE_HOME || join(homedir(), ".cache"), getuid());
  if (directory !== undefined) nodeModule.enableCompileCache(directory);
}

/**
 * `redkeep` in the user's cache folder. Its content is run, so: undefined where the folder is not the user's, or where
 * others may write to it or put another folder in its place.
 */
function ownFolder(caches: string, user: number): string | undefined {
  const folder = join(caches, "redkeep");
  try {
    // One by one: on a file system that refuses new folders, such as /proc, Node's `recursive` never ends.
    for (const missing of [caches, folder]) if (!existsSync(missing)) mkdirSync(missing, { mode: 0o700 });
    const real = realpathSync(folder);
    const { uid, mode } = statSync(real);
    // Under sudo with the caller's HOME the folder is somebody else's.
    if (uid !== user || (mode & 0o022) !== 0) return undefined;
    for (let above = dirname(real); ; above = dirname(above)) {
      const { uid, mode } = statSync(above);
      // In a sticky folder such as /tmp, only the folder's owner could swap what lies below.
      const isClosed = (mode & 0o022) === 0 || (mode & 0o1000) !== 0;
      if (!isClosed || (uid !== 0 && uid !== user)) return undefined;
      if (above === dirname(above)) return real;
    }
  } catch {
    // A home that is missing, full or read-only is no reason not to run.
    return undefined;
  }
}
