import { randomBytes } from "node:crypto";
import { chmod, mkdir, open, readFile, rename, stat, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { dump } from "js-yaml";
import { InputError } from "./errors.ts";
import { Secret } from "./secret.ts";
import { readYamlFile, unreadable } from "./yaml.ts";

/** The state of the controller: generated passwords, the PKI and the run records, beside the inventory, for its owner alone. */
export class State {
  readonly directory: string;
  #passwords = new Map<string, Secret>();

  private constructor(directory: string) {
    this.directory = directory;
  }

  /**
   * Reads what is there; creates nothing.
   * @param chosen --state; else `.redkeep` beside the first inventory file, inside it where that is a directory.
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

  /** Stores a new random password before any host learns of it. */
  async generatePassword(name: string): Promise<void> {
    await this.#ensureDirectory(this.directory);
    // Another run may have made one meanwhile: both must go on with the same.
    await this.#readPasswords();
    if (this.#passwords.has(name)) return;
    await this.replacePassword(name);
  }

  async replacePassword(name: string): Promise<void> {
    await this.#ensureDirectory(this.directory);
    await this.#readPasswords();
    // 32 bytes: far more than the 128 bits that a password should have, and no character that needs quoting anywhere.
    this.#passwords.set(name, new Secret(randomBytes(32).toString("base64url")));
    const passwords = Object.fromEntries(
      [...this.#passwords].sort().map(([name, secret]) => [name, secret.reveal()]),
    );
    const text = `# Passwords that redkeep generated. Keep this file: without it, hosts that have them are refused.\n${dump({ passwords })}`;
    await this.write("secrets.yml", text);
  }

  async read(name: string): Promise<string | undefined> {
    try {
      return await readFile(join(this.directory, name), "utf8");
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
      throw unreadable(error, join(this.directory, name));
    }
  }

  /** The path of a file in the state, whose folder is there afterwards. */
  async pathFor(name: string): Promise<string> {
    const path = join(this.directory, name);
    await this.#ensureDirectory(dirname(path));
    return path;
  }

  /** Writes a file for its owner alone, whole or not at all. */
  async write(name: string, text: string): Promise<string> {
    const path = join(this.directory, name);
    await this.#ensureDirectory(dirname(path));
    const temporary = `${path}.${randomBytes(6).toString("hex")}`;
    const file = await open(temporary, "wx", 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    return path;
  }

  async #readPasswords(): Promise<void> {
    const path = join(this.directory, "secrets.yml");
    if ((await this.read("secrets.yml")) === undefined) return;
    const { value } = await readYamlFile(path);
    const passwords =
      typeof value === "object" && value !== null && "passwords" in value ? value.passwords : undefined;
    if (typeof passwords !== "object" || passwords === null) {
      throw new InputError({
        place: { file: path },
        key: "passwords",
        message: "should be a mapping of names to passwords",
      });
    }
    for (const [name, password] of Object.entries(passwords)) {
      if (typeof password !== "string") {
        throw new InputError({
          place: { file: path },
          key: `passwords.${name}`,
          message: "should be text, in quotes",
        });
      }
      this.#passwords.set(name, new Secret(password));
    }
  }

  async #ensureDirectory(directory: string): Promise<void> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await chmod(this.directory, 0o700);
    await writeFile(join(this.directory, ".gitignore"), "*\n", { mode: 0o600 });
  }
}

async function besideInventory(first: string | undefined, cwd: string): Promise<string> {
  if (first === undefined || first.includes(",")) return join(cwd, ".redkeep");
  const path = resolve(cwd, first);
  const isDirectory = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  return join(isDirectory ? path : dirname(path), ".redkeep");
}
