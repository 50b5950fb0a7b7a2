import { randomBytes } from "node:crypto";
import { chmod, lstat, mkdir, open, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { setTimeout } from "node:timers/promises";
import { dump } from "js-yaml";
import { InputError, type Problem } from "./errors.ts";
import { kindOf } from "./inventory/sources.ts";
import { Secret } from "./secret.ts";
import { parseYaml, unreadable } from "./yaml.ts";

const SECRETS = "secrets.yml";
const HEADER =
  "# Passwords that redkeep generated. Keep this file: without it, hosts that have them are refused.\n";
/** How long another run may hold the lock: it only writes a few files meanwhile. */
const LOCK_TIMEOUT_MS = 5000;
const LOCK_RETRY_MS = 20;

/** The state of the controller: generated passwords, the PKI and the run records, for its owner alone. */
export class State {
  readonly directory: string;
  #passwords = new Map<string, Secret>();

  private constructor(directory: string) {
    this.directory = directory;
  }

  /**
   * Reads what is there; creates nothing.
   *
   * @param chosen --state; else `.redkeep` beside the first `-i` file, inside it where it is a directory, else in `cwd`.
   * @throws InputError where secrets.yml cannot be read.
   */
  static async open(
    chosen: string | undefined,
    firstInventory: string | undefined,
    cwd: string,
  ): Promise<State> {
    const state = new State(
      chosen === undefined ? await besideInventory(firstInventory, cwd) : resolve(cwd, chosen),
    );
    await state.#readPasswords();
    return state;
  }

  password(name: string): Secret | undefined {
    return this.#passwords.get(name);
  }

  /** Stores a new random password. Where another run has made one meanwhile, both go on with that. */
  generatePassword(name: string): Promise<void> {
    return this.#storePassword(name, false);
  }

  /** Stores a new random password in the place of the one that is there. */
  replacePassword(name: string): Promise<void> {
    return this.#storePassword(name, true);
  }

  #storePassword(name: string, replaces: boolean): Promise<void> {
    return this.exclusively(async () => {
      await this.#readPasswords();
      if (this.#passwords.has(name) && !replaces) return;
      // 32 bytes: far more than the 128 bits that a password should have, and no character that needs quoting anywhere.
      this.#passwords.set(name, new Secret(randomBytes(32).toString("base64url")));
      const passwords = Object.fromEntries(
        [...this.#passwords].map(([name, secret]) => [name, secret.reveal()]),
      );
      await this.write(SECRETS, HEADER + dump({ passwords }, { sortKeys: true }));
    });
  }

  /** Does `work` while no other run does its own on this state: for whoever reads first and then writes. */
  async exclusively<T>(work: () => Promise<T>): Promise<T> {
    const lock = await this.pathFor("lock");
    for (let waited = 0; ; waited += LOCK_RETRY_MS) {
      try {
        await writeFile(lock, `${process.pid}\n`, { flag: "wx", mode: 0o600 });
        break;
      } catch (error) {
        if (codeOf(error) !== "EEXIST") throw unwritable(error, lock);
        if (waited >= LOCK_TIMEOUT_MS) {
          const message = "another run holds it; where none is going, it was cut off: remove the file";
          throw new InputError({ place: { file: lock }, message });
        }
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

  /** Removes a file of the state; one that is not there is removed already. */
  async remove(name: string): Promise<void> {
    const path = join(this.directory, name);
    try {
      await rm(path, { force: true });
    } catch (error) {
      throw unwritable(error, path);
    }
  }

  /** The path of a file in the state, whose folder is there afterwards. */
  async pathFor(name: string): Promise<string> {
    const path = join(this.directory, name);
    try {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      await chmod(this.directory, 0o700);
      await writeFile(join(this.directory, ".gitignore"), "*\n", { flag: "wx", mode: 0o600 });
    } catch (error) {
      // A .gitignore that is there stays: --state may name a folder of the user's own.
      if (codeOf(error) !== "EEXIST") throw unwritable(error, path);
    }
    return path;
  }

  /** Writes a file for its owner alone, whole or not at all. */
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

  async #readPasswords(): Promise<void> {
    const text = await this.read(SECRETS);
    if (text === undefined) return;
    const { value, placeOf } = parseYaml(text, join(this.directory, SECRETS));
    const { passwords, ...others } = isMapping(value) ? value : {};
    const problem = (path: string[], message: string): Problem => ({
      place: placeOf(path),
      key: path.join("."),
      message,
    });
    const problems = Object.keys(others).map((key) => problem([key], "unknown key, expected only passwords"));
    if (!isMapping(passwords)) {
      problems.push(problem(["passwords"], "should be a mapping of names to passwords"));
    }
    for (const [name, password] of Object.entries(isMapping(passwords) ? passwords : {})) {
      if (typeof password === "string" && /^[^\0\r\n]+$/.test(password)) {
        this.#passwords.set(name, new Secret(password));
      } else problems.push(problem(["passwords", name], "should be one line of text, in quotes"));
    }
    if (problems.length > 0) throw new InputError(problems);
  }
}

async function besideInventory(first: string | undefined, cwd: string): Promise<string> {
  const path = resolve(cwd, first ?? "");
  const kind = first === undefined ? undefined : await kindOf(path);
  return join(kind === undefined ? cwd : kind === "directory" ? path : dirname(path), ".redkeep");
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error ? String(error.code) : undefined;
}

function unwritable(error: unknown, file: string): InputError {
  return new InputError({ place: { file }, message: `cannot be written (${codeOf(error) ?? error})` });
}
