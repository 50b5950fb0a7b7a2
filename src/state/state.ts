import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, lstat, mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join, relative, resolve } from "node:path";
import { setTimeout } from "node:timers/promises";
import { dump } from "js-yaml";
import { kindOf } from "../inventory/sources.ts";
import { InputError, type Problem } from "../lib/errors.ts";
import { Secret } from "../lib/secret.ts";
import { unreadable } from "../lib/text-file.ts";
import { parseYaml } from "../lib/yaml.ts";

const SECRETS = "secrets.yml";
const HEADER = `# Passwords that redkeep generated. Keep this file: without it, hosts that have them are refused.
# Under servers, each server has a password of its own, made of the key and its name: redkeep password HOST prints it.
`;
/** The folder's name unless --state gives another: a folder with this name is redkeep's. */
const OWN_NAME = ".redkeep";
/** How long another run may hold the lock: all it does meanwhile is write a few files. */
const LOCK_TIMEOUT_MS = 5000;
const LOCK_RETRY_MS = 20;
/** How many rotations a server may miss before redkeep can no longer log in to it. */
const PREVIOUS_KEPT = 3;

/** The key that the servers' own passwords of one user are derived from. */
export interface ServerKey {
  key: Secret;
  /** The keys that it replaced, newest first: a server that no run has reached since still has its old password. */
  previous: readonly Secret[];
  /** Servers that have their own password, by the names that the passwords are made for. */
  names: ReadonlySet<string>;
  /** By such a name: the transaction in which the server's own password replaced the shared one. */
  replacedIn: ReadonlyMap<string, string>;
}

/** The controller's state: generated passwords, the PKI and the run records, readable by its owner alone. */
export class State {
  readonly directory: string;
  /** The folder as messages name it: relative where it lies below the current folder. */
  readonly name: string;
  #passwords = new Map<string, Secret>();
  #servers = new Map<string, ServerKey>();

  private constructor(directory: string, name: string) {
    this.directory = directory;
    this.name = name;
  }

  /**
   * Reads the state; creates nothing.
   *
   * @param chosen --state; else `.redkeep` beside the first `-i` file, inside it where it is a directory, else in `cwd`.
   * @throws InputError where secrets.yml cannot be read, or others than its owner may enter the folder.
   */
  static async open(
    chosen: string | undefined,
    firstInventory: string | undefined,
    cwd: string,
  ): Promise<State> {
    const directory =
      chosen === undefined ? await besideInventory(firstInventory, cwd) : resolve(cwd, chosen);
    const path = relative(cwd, directory);
    const state = new State(directory, path === "" || path.startsWith("..") ? directory : path);
    await state.#refuseOpenFolder();
    await state.#readPasswords();
    return state;
  }

  /** A password that is the same on all servers, for clients that use them all. redkeep sends only its hash. */
  password(name: string): Secret | undefined {
    return this.#passwords.get(name);
  }

  /** The key that the passwords of a user whom redkeep logs in as are derived from. */
  serverKey(user: string): ServerKey | undefined {
    return this.#servers.get(user);
  }

  /** The users who have a password of their own on each server. */
  serverUsers(): string[] {
    return [...this.#servers.keys()];
  }

  /** Stores a new random password. If another run has stored one meanwhile, this run uses that. */
  generatePassword(name: string): Promise<void> {
    return this.#change(() => {
      if (!this.#passwords.has(name)) this.#passwords.set(name, randomSecret());
    });
  }

  /** Replaces the stored password by a new random one. */
  replacePassword(name: string): Promise<void> {
    return this.#change(() => {
      this.#passwords.set(name, randomSecret());
    });
  }

  /** Stores a new key for a user's own passwords. If another run has stored one meanwhile, this run uses that. */
  generateServerKey(user: string): Promise<void> {
    return this.#change(() => {
      if (!this.#servers.has(user))
        this.#servers.set(user, {
          key: randomSecret(),
          previous: [],
          names: new Set(),
          replacedIn: new Map(),
        });
    });
  }

  /** Replaces the stored key by a new one, whose passwords no server has yet. The old key is kept, to log in with. */
  replaceServerKey(user: string): Promise<void> {
    return this.#change(() => {
      const old = this.#servers.get(user);
      const previous = old === undefined ? [] : [old.key, ...old.previous].slice(0, PREVIOUS_KEPT);
      this.#servers.set(user, { key: randomSecret(), previous, names: new Set(), replacedIn: new Map() });
    });
  }

  /**
   * Notes which servers now have their own password, and which have the shared one again.
   * @param replacedIn the transactions of servers whose own password has just replaced the shared one.
   */
  async noteServers(
    user: string,
    own: Iterable<string>,
    back: Iterable<string> = [],
    replacedIn: ReadonlyMap<string, string> = new Map(),
  ): Promise<void> {
    const [got, lost] = [[...own], [...back]];
    const noted = this.#servers.get(user)?.names;
    if (noted === undefined) return;
    const isNoted = got.every((name) => noted.has(name)) && !lost.some((name) => noted.has(name));
    if (isNoted && replacedIn.size === 0) return;
    await this.#change(() => {
      const there = this.#servers.get(user);
      if (there === undefined) return;
      const names = new Set([...there.names, ...got]);
      const transactions = new Map([...there.replacedIn, ...replacedIn]);
      for (const name of lost) {
        names.delete(name);
        transactions.delete(name);
      }
      this.#servers.set(user, { ...there, names, replacedIn: transactions });
    });
  }

  /** Removes a password that no server has any more. */
  forgetPassword(name: string): Promise<void> {
    return this.#change(() => {
      this.#passwords.delete(name);
      const server = this.#servers.get(name);
      if (server !== undefined) this.#servers.set(name, { ...server, replacedIn: new Map() });
    });
  }

  /** Reads, changes and stores the secrets while no other run can do so. */
  #change(work: () => void): Promise<void> {
    return this.exclusively(async () => {
      await this.#readPasswords();
      const before = this.#storedText();
      work();
      const text = this.#storedText();
      if (text !== before) await this.write(SECRETS, HEADER + text);
    });
  }

  #storedText(): string {
    const passwords = Object.fromEntries(
      [...this.#passwords].map(([name, secret]) => [name, secret.reveal()]),
    );
    const servers = Object.fromEntries(
      [...this.#servers].map(([user, { key, previous, names, replacedIn }]) => [
        user,
        {
          key: key.reveal(),
          ...(previous.length === 0 ? {} : { previous: previous.map((one) => one.reveal()) }),
          names: [...names].toSorted(),
          ...(replacedIn.size === 0 ? {} : { replacedIn: Object.fromEntries(replacedIn) }),
        },
      ]),
    );
    return dump(this.#servers.size === 0 ? { passwords } : { passwords, servers }, { sortKeys: true });
  }

  /** Does `work` under the lock of this state: for code that reads first and then writes. */
  async exclusively<T>(work: () => Promise<T>): Promise<T> {
    const lock = await this.pathFor("lock");
    for (let waited = 0; ; waited += LOCK_RETRY_MS) {
      try {
        await writeFile(lock, `${process.pid}\n`, { flag: "wx", mode: 0o600 });
        break;
      } catch (error) {
        if (codeOf(error) !== "EEXIST") throw unwritable(error, lock);
        if (waited >= LOCK_TIMEOUT_MS) {
          const message = "another run holds this lock; if none is running, one was killed: remove the file";
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

  /** Removes a file of the state; one that is not there is removed already. */
  async remove(name: string): Promise<void> {
    const path = join(this.directory, name);
    try {
      await rm(path, { force: true });
    } catch (error) {
      throw unwritable(error, path);
    }
  }

  /** The path of a file in the state; makes its folder. */
  async pathFor(name: string): Promise<string> {
    const path = join(this.directory, name);
    try {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      // A CI cache that restores this folder may lose its mode, so we set it. A folder that --state names must already be private.
      if (basename(this.directory) === OWN_NAME) await chmod(this.directory, 0o700);
      await writeFile(join(this.directory, ".gitignore"), "*\n", { flag: "wx", mode: 0o600 });
    } catch (error) {
      // Keep an existing .gitignore: --state may name a folder that you use for other things.
      if (codeOf(error) !== "EEXIST") throw unwritable(error, path);
    }
    return path;
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

  /** Anybody else who may enter the folder could read or replace the secrets of the hosts. redkeep does not change its mode. */
  async #refuseOpenFolder(): Promise<void> {
    const found = await stat(this.directory).catch((error: unknown) => {
      if (codeOf(error) === "ENOENT") return undefined;
      throw unreadable(error, this.directory);
    });
    if (found === undefined || !found.isDirectory()) return;
    const us = process.getuid?.();
    // Root may be root of a container, with a folder of the user who started it.
    const isTheirs = us !== undefined && us !== 0 && found.uid !== us;
    const isOpen = (found.mode & 0o077) !== 0 && basename(this.directory) !== OWN_NAME;
    if (!isTheirs && !isOpen) return;
    const mode = (found.mode & 0o7777).toString(8).padStart(4, "0");
    throw new InputError({
      place: { file: this.directory },
      key: "--state",
      message: isTheirs
        ? `should belong to you (uid ${us}), found uid ${found.uid}, mode ${mode}: name a folder of your own`
        : `should be closed to others (mode 0700), found mode ${mode}: name a folder that redkeep makes, or say chmod 700 where nobody else needs it`,
    });
  }

  async #readPasswords(): Promise<void> {
    const text = await this.read(SECRETS);
    if (text === undefined) return;
    const [known, keys] = [new Map<string, Secret>(), new Map<string, ServerKey>()];
    const { value, placeOf } = parseYaml(text, join(this.directory, SECRETS));
    const { passwords, servers = {}, ...others } = isMapping(value) ? value : {};
    const problem = (path: string[], message: string): Problem => ({
      place: placeOf(path),
      key: path.join("."),
      message,
    });
    const problems = Object.keys(others).map((key) =>
      problem([key], "unknown key, expected only passwords and servers"),
    );
    if (!isMapping(passwords)) {
      problems.push(problem(["passwords"], "should be a mapping of names to passwords"));
    }
    for (const [name, password] of Object.entries(isMapping(passwords) ? passwords : {})) {
      if (isLine(password)) known.set(name, new Secret(password));
      else problems.push(problem(["passwords", name], "should be one line of text, in quotes"));
    }
    if (!isMapping(servers)) problems.push(problem(["servers"], "should be a mapping of users to keys"));
    for (const [user, server] of Object.entries(isMapping(servers) ? servers : {})) {
      const { key, previous = [], names, replacedIn = {} } = isMapping(server) ? server : {};
      const transactions = isMapping(replacedIn) ? Object.entries(replacedIn) : [["", undefined] as const];
      if (
        isLine(key) &&
        Array.isArray(previous) &&
        previous.every(isLine) &&
        Array.isArray(names) &&
        names.every(isLine) &&
        transactions.every((entry): entry is [string, string] => isLine(entry[1]))
      )
        keys.set(user, {
          key: new Secret(key),
          previous: previous.map((one) => new Secret(one)),
          names: new Set(names),
          replacedIn: new Map(transactions),
        });
      else problems.push(problem(["servers", user], "should be { key: TEXT, names: [NAME, …] }"));
    }
    if (problems.length > 0) throw new InputError(problems);
    [this.#passwords, this.#servers] = [known, keys];
  }
}

async function besideInventory(first: string | undefined, cwd: string): Promise<string> {
  const path = resolve(cwd, first ?? "");
  const kind = first === undefined ? undefined : await kindOf(path);
  return join(kind === undefined ? cwd : kind === "directory" ? path : dirname(path), OWN_NAME);
}

/** 32 bytes: far more than the 128 bits that a password should have, and no character that needs quoting anywhere. */
function randomSecret(): Secret {
  return new Secret(randomBytes(32).toString("base64url"));
}

function isLine(value: unknown): value is string {
  return typeof value === "string" && /^[^\0\r\n]+$/.test(value);
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
