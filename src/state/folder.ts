import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, lstat, mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { basename, dirname, join, relative, resolve } from "node:path";
import { setTimeout } from "node:timers/promises";
import { kindOf } from "../inventory/sources.ts";
import { InputError } from "../lib/errors.ts";
import { unreadable } from "../lib/text-file.ts";

/** The folder's name unless --state gives another: a folder with this name is redkeep's. */
const OWN_NAME = ".redkeep";
/** How long another run may hold the lock: it only writes a few files meanwhile. */
const LOCK_TIMEOUT_MS = 5000;
const LOCK_RETRY_MS = 20;

/** Where a state lies, as the options say it. */
export interface StatePlace {
  /** --state */
  chosen: string | undefined;
  /** The first `-i`: the state lies beside that file, or inside that directory. */
  firstInventory: string | undefined;
  cwd: string;
}

/** The files of a state as they lie on the disk. */
export class Folder {
  readonly directory: string;
  /** How messages name the folder: by a relative path where it lies below the current folder. */
  readonly name: string;

  protected constructor({ directory, name }: Pick<Folder, "directory" | "name">) {
    this.directory = directory;
    this.name = name;
  }

  protected static async place({ chosen, firstInventory, cwd }: StatePlace) {
    const directory =
      chosen === undefined ? await besideInventory(firstInventory, cwd) : resolve(cwd, chosen);
    const path = relative(cwd, directory);
    return { directory, name: path === "" || path.startsWith("..") ? directory : path };
  }

  /** Does `work` while it holds the lock of this state. Code that reads first and then writes needs it. */
  async exclusively<T>(work: () => Promise<T>): Promise<T> {
    const lock = await this.pathFor("lock");
    const end = Date.now() + LOCK_TIMEOUT_MS;
    for (;;) {
      try {
        const text = `${process.pid} ${hostname()} ${new Date().toISOString()}\n`;
        await writeFile(lock, text, { flag: "wx", mode: 0o600 });
        break;
      } catch (error) {
        if (codeOf(error) !== "EEXIST") throw unwritable(error, lock);
        const holder = await holderOf(lock);
        // Nobody waits for a process that has ended.
        if (Date.now() >= end || holder.hasEnded)
          throw new InputError({ place: { file: lock }, message: holder.message });
        await setTimeout(LOCK_RETRY_MS);
      }
    }
    try {
      return await work();
    } finally {
      await rm(lock, { force: true });
    }
  }

  /** The text of a file in the state; undefined where there is none. */
  async read(name: string): Promise<string | undefined> {
    const path = join(this.directory, name);
    try {
      return await readFile(path, "utf8");
    } catch (error) {
      if (codeOf(error) === "ENOENT") return undefined;
      throw unreadable(error, path);
    }
  }

  /** The files among these that the state lacks. */
  lacking(names: readonly string[]): string[] {
    return names.filter((name) => !existsSync(join(this.directory, name)));
  }

  /** The names of the files in a folder of the state; none where it is not there. */
  async list(folder: string): Promise<string[]> {
    const path = join(this.directory, folder);
    try {
      return await readdir(path);
    } catch (error) {
      if (codeOf(error) === "ENOENT") return [];
      throw unreadable(error, path);
    }
  }

  /** Bytes of a regular file in the state; undefined where there is none. */
  async sizeOf(name: string): Promise<number | undefined> {
    const path = join(this.directory, name);
    try {
      const found = await lstat(path);
      return found.isFile() ? found.size : undefined;
    } catch (error) {
      if (codeOf(error) === "ENOENT") return undefined;
      throw unreadable(error, path);
    }
  }

  /** The first `bytes` of a regular file in the state as text; nothing where there is none. */
  async beginning(name: string, bytes: number): Promise<string> {
    if ((await this.sizeOf(name)) === undefined) return "";
    const path = join(this.directory, name);
    try {
      await using file = await open(path, "r");
      const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes), 0, bytes, 0);
      return buffer.toString("utf8", 0, bytesRead);
    } catch (error) {
      if (codeOf(error) === "ENOENT") return "";
      throw unreadable(error, path);
    }
  }

  /** Removes a file of the state, or a folder; it may be gone already. */
  async remove(name: string): Promise<void> {
    const path = join(this.directory, name);
    try {
      await rm(path, { force: true, recursive: true });
    } catch (error) {
      throw unwritable(error, path);
    }
  }

  /** Whether redkeep may set the folder's mode. Not where it is a link: one in a repository may lead to any folder. */
  async #isOwn(): Promise<boolean> {
    return basename(this.directory) === OWN_NAME && !(await lstat(this.directory)).isSymbolicLink();
  }

  /** The mode of redkeep's own folder where others may enter it; undefined where it is closed. */
  protected async openMode(): Promise<string | undefined> {
    const { mode } = await stat(this.directory);
    return (mode & 0o077) !== 0 && (await this.#isOwn()) ? modeText(mode) : undefined;
  }

  /** The path of a file in the state; makes its folder. */
  async pathFor(name: string): Promise<string> {
    const path = join(this.directory, name);
    try {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      // A CI cache that restores this folder may lose its mode, so we set it. A folder that --state names has to be private already.
      if (await this.#isOwn()) await chmod(this.directory, 0o700);
      await writeFile(join(this.directory, ".gitignore"), this.ignored(), { flag: "wx", mode: 0o600 });
    } catch (error) {
      // Keep an existing .gitignore: --state may name a folder that you use for other things.
      if (codeOf(error) !== "EEXIST") throw unwritable(error, path);
    }
    return path;
  }

  /** What a new state's .gitignore says. */
  protected ignored(): string {
    return "*\n";
  }

  /** Writes a file that only its owner can read, whole or not at all. */
  async write(name: string, text: string): Promise<void> {
    const path = await this.pathFor(name);
    const temporary = `${path}.${randomBytes(6).toString("hex")}`;
    try {
      await using file = await open(temporary, "wx", 0o600);
      await file.writeFile(text);
      await file.sync();
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true });
      throw unwritable(error, path);
    }
  }

  /** Puts a file of the state in another's place. */
  protected async replace(name: string, by: string): Promise<void> {
    const path = await this.pathFor(name);
    try {
      await rename(join(this.directory, by), path);
    } catch (error) {
      throw unwritable(error, path);
    }
  }

  /**
   * Refuses a folder that others may enter: they could read or replace the hosts' secrets. redkeep does not change its mode.
   * @param isAllEncrypted whether all secrets in it are encrypted: then others may read it
   */
  protected async refuseOpenFolder(isAllEncrypted: boolean): Promise<void> {
    const found = await stat(this.directory).catch((error: unknown) => {
      if (codeOf(error) === "ENOENT") return undefined;
      throw unreadable(error, this.directory);
    });
    if (found === undefined || !found.isDirectory()) return;
    const us = process.getuid?.();
    // Root may be a container's root, and the folder may belong to the user who started it.
    const isTheirs = us !== undefined && us !== 0 && found.uid !== us;
    const isOpen = (found.mode & (isAllEncrypted ? 0o022 : 0o077)) !== 0 && !(await this.#isOwn());
    if (!isTheirs && !isOpen) return;
    const mode = modeText(found.mode);
    throw new InputError({
      place: { file: this.directory },
      key: "--state",
      message: isTheirs
        ? `should belong to you (uid ${us}), found uid ${found.uid}, mode ${mode}: name a folder of your own`
        : `should be closed to others (mode 0700), found mode ${mode}: name a folder that redkeep can make, or run chmod 700 if nobody else needs it`,
    });
  }
}

const modeText = (mode: number) => (mode & 0o7777).toString(8).padStart(4, "0");

/** Who holds a lock, as a message for the one who waits for it. */
async function holderOf(lock: string): Promise<{ message: string; hasEnded: boolean }> {
  // It was released just now, or may not be read: then nobody knows who holds it.
  const text = await readFile(lock, "utf8").catch(() => "");
  const [, pid, machine, since] = /^(\d{1,10}) (\S+) (\S+)\n$/.exec(text) ?? [];
  if (pid === undefined)
    return {
      message: "another run holds this lock; if none is running, one was killed: remove the file",
      hasEnded: false,
    };
  const hasEnded = machine === hostname() && !isRunning(Number(pid));
  return {
    message: hasEnded
      ? `process ${pid} on this machine took this lock at ${since} and was killed; nobody holds it now: remove the file`
      : `process ${pid} on ${machine} has held this lock since ${since}: wait until it ends; if it no longer runs there, remove the file`,
    hasEnded,
  };
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) !== "ESRCH";
  }
}

async function besideInventory(first: string | undefined, cwd: string): Promise<string> {
  const path = resolve(cwd, first ?? "");
  const kind = first === undefined ? undefined : await kindOf(path);
  return join(kind === undefined ? cwd : kind === "directory" ? path : dirname(path), OWN_NAME);
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error ? String(error.code) : undefined;
}

function unwritable(error: unknown, file: string): InputError {
  return new InputError({ place: { file }, message: `cannot be written (${codeOf(error) ?? error})` });
}
