import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { Secret } from "../lib/secret.ts";
import { noVault, type Vault } from "../vault/vault.ts";
import { type Generation, markOf, nextGeneration, numberIn } from "./generation.ts";
import { SECRETS, SealedFolder } from "./sealed-folder.ts";
import { parseSecrets, type ServerKey, type StoredSecrets, secretsText } from "./secrets-file.ts";

/** How many rotations a server may miss before redkeep can no longer log in to it. */
const PREVIOUS_KEPT = 3;

/** The controller's state: generated passwords, PKI and run records. Its secrets are encrypted, or for their owner alone. */
export class State extends SealedFolder {
  /** What was noticed of the state when it was opened. */
  warnings: readonly string[] = [];
  #secrets: StoredSecrets = { passwords: new Map(), servers: new Map(), generation: undefined };

  /**
   * Reads the state; makes no secret, finishes a conversion that was killed, and closes a folder of its own that lies open.
   *
   * @param chosen --state; without it, `.redkeep` beside the first `-i` file or inside that directory, else in `cwd`.
   * @throws InputError where secrets.yml cannot be read or opened, where anybody but its owner may enter the folder, where
   * only some of the secrets are encrypted, or where git has plain ones and there is a password.
   */
  static async open(
    chosen: string | undefined,
    firstInventory: string | undefined,
    cwd: string,
    vault: Vault = noVault(),
  ): Promise<State> {
    const state = await State.find(chosen, firstInventory, cwd, vault);
    state.refuseMixed();
    const doubt = await state.refuseReplaced();
    const closed = await state.closeOwn();
    state.warnings = [doubt, closed].filter((warning) => warning !== undefined);
    await state.readSecrets();
    return state;
  }

  /** As `open`, but reads no secret: for telling what lies there, and for converting it. */
  static async find(
    chosen: string | undefined,
    firstInventory: string | undefined,
    cwd: string,
    vault: Vault,
  ): Promise<State> {
    const state = new State(await State.place({ chosen, firstInventory, cwd }), vault);
    await state.look();
    return state;
  }

  /** A user's password that is the same on all servers, since clients use it on each. redkeep sends only its hash. */
  password(name: string): Secret | undefined {
    return this.#secrets.passwords.get(name);
  }

  /** The users who have the same password on all servers. */
  users(): string[] {
    return [...this.#secrets.passwords.keys()];
  }

  /** The key from which the passwords of a user are derived as whom redkeep logs in. */
  serverKey(user: string): ServerKey | undefined {
    return this.#secrets.servers.get(user);
  }

  /** The users who have a password of their own on each server. */
  serverUsers(): string[] {
    return [...this.#secrets.servers.keys()];
  }

  /** How often this state has made a secret; undefined where it never did, or only with an earlier version. */
  get generation(): Generation | undefined {
    return this.#secrets.generation;
  }

  /** What a host keeps once this state has changed it. */
  get mark(): string {
    return markOf(this.#secrets.generation);
  }

  /** The highest number of this state among a host's marks, where it is higher than the state's own. */
  newerOn(marks: Iterable<string>): number | undefined {
    const { generation } = this.#secrets;
    if (generation === undefined) return undefined;
    const numbers = [...marks].map((mark) => numberIn(mark, generation) ?? 0);
    const newest = Math.max(0, ...numbers);
    return newest > generation.number ? newest : undefined;
  }

  /** Stores a new random password. If another run has stored one meanwhile, this run uses that. */
  generatePassword(name: string): Promise<void> {
    return this.#change(({ passwords }) => {
      if (passwords.has(name)) return "kept";
      passwords.set(name, randomSecret());
      return "made";
    });
  }

  /** Replaces the stored password by a new random one. */
  replacePassword(name: string): Promise<void> {
    return this.#change(({ passwords }) => {
      passwords.set(name, randomSecret());
      return "made";
    });
  }

  /** Stores a new key for a user's own passwords. If another run has stored one meanwhile, this run uses that. */
  generateServerKey(user: string): Promise<void> {
    return this.#change(({ servers }) => {
      if (servers.has(user)) return "kept";
      servers.set(user, { key: randomSecret(), previous: [], names: new Set(), replacedIn: new Map() });
      return "made";
    });
  }

  /** Replaces the stored key by a new one, whose passwords no server has yet. Keeps the old key, to log in with. */
  replaceServerKey(user: string): Promise<void> {
    return this.#change(({ servers }) => {
      const old = servers.get(user);
      const previous = old === undefined ? [] : [old.key, ...old.previous].slice(0, PREVIOUS_KEPT);
      servers.set(user, { key: randomSecret(), previous, names: new Set(), replacedIn: new Map() });
      return "made";
    });
  }

  /**
   * Notes which servers have got their own password, and which have the shared one back.
   * @param replacedIn the transactions of servers whose own password has just replaced the shared one.
   */
  async noteServers(
    user: string,
    own: Iterable<string>,
    back: Iterable<string> = [],
    replacedIn: ReadonlyMap<string, string> = new Map(),
  ): Promise<void> {
    const [got, lost] = [[...own], [...back]];
    const noted = this.serverKey(user)?.names;
    if (noted === undefined) return;
    const isNoted = got.every((name) => noted.has(name)) && !lost.some((name) => noted.has(name));
    if (isNoted && replacedIn.size === 0) return;
    await this.#change(({ servers }) => {
      const there = servers.get(user);
      if (there === undefined) return "kept";
      const names = new Set([...there.names, ...got]);
      const transactions = new Map([...there.replacedIn, ...replacedIn]);
      for (const name of lost) {
        names.delete(name);
        transactions.delete(name);
      }
      servers.set(user, { ...there, names, replacedIn: transactions });
      return "kept";
    });
  }

  /** Removes a password that no server has any more. */
  forgetPassword(name: string): Promise<void> {
    return this.#change(({ passwords, servers }) => {
      passwords.delete(name);
      const server = servers.get(name);
      if (server !== undefined) servers.set(name, { ...server, replacedIn: new Map() });
      return "kept";
    });
  }

  /** Counts a secret that was made outside secrets.yml, such as the CA. Call it only within `exclusively`. */
  async countSecret(): Promise<void> {
    await this.#changeLocked(() => "made");
  }

  /**
   * Reads, changes and stores the secrets while no other run can do so. Where `work` says `made`, there is a new secret, and the
   * generation grows; where it says `kept`, there is none, and what else it changed is stored all the same.
   */
  #change(work: (secrets: StoredSecrets) => "made" | "kept"): Promise<void> {
    return this.exclusively(() => this.#changeLocked(work));
  }

  async #changeLocked(work: (secrets: StoredSecrets) => "made" | "kept"): Promise<void> {
    await this.readSecrets();
    const before = secretsText(this.#secrets);
    if (work(this.#secrets) === "made") this.#secrets.generation = nextGeneration(this.#secrets.generation);
    const text = secretsText(this.#secrets);
    if (text !== before) await this.write(SECRETS, text);
  }

  /** Reads secrets.yml, where there is one. */
  async readSecrets(): Promise<void> {
    const text = await this.read(SECRETS);
    if (text !== undefined) this.#secrets = parseSecrets(text, join(this.directory, SECRETS));
  }
}

/** 32 bytes: far more than the 128 bits that a password should have, and no character that needs quoting anywhere. */
function randomSecret(): Secret {
  return new Secret(randomBytes(32).toString("base64url"));
}
