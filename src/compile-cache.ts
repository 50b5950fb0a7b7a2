import { existsSync, lstatSync, mkdirSync } from "node:fs";
import { enableCompileCache, getCompileCacheDir } from "node:module";
import { homedir } from "node:os";
import { join } from "node:path";

/**
 * Lets Node keep what it compiled of redkeep for the next start, in the user's own cache. Where there is no safe place for
 * that, each start compiles anew. `NODE_COMPILE_CACHE` and `NODE_DISABLE_COMPILE_CACHE` are Node's and stand.
 */
export function keepCompiledCode(env: NodeJS.ProcessEnv): void {
  if (getCompileCacheDir() !== undefined || process.getuid === undefined) return;
  const caches = env.XDG_CACHE_HOME || join(homedir(), ".cache");
  const directory = join(caches, "redkeep");
  try {
    // One by one: on a file system that lets nobody make a folder, such as /proc, Node's `recursive` never ends.
    for (const folder of [caches, directory]) if (!existsSync(folder)) mkdirSync(folder, { mode: 0o700 });
    const found = lstatSync(directory);
    // What lies there is run. Under sudo with the caller's HOME the folder is somebody else's.
    if (!found.isDirectory() || found.uid !== process.getuid() || (found.mode & 0o022) !== 0) return;
    enableCompileCache(directory);
  } catch {
    // A home that is missing, full or read-only is no reason not to run.
  }
}
