import { chmod } from "node:fs/promises";
import { join } from "node:path";
import { InputError, type Problem } from "../lib/errors.ts";
import { printable } from "../lib/printable.ts";
import { behindMark, markRefused } from "../lib/text-file.ts";
import { idOf, isVault } from "../vault/envelope.ts";
import type { VaultIdentity } from "../vault/identities.ts";
import type { Vault } from "../vault/vault.ts";
import { Folder } from "./folder.ts";
import { trackedByGit } from "./tracked.ts";

/** Whose password encrypts a state, and the id in its files' headers. */
interface Seal {
  identity: VaultIdentity;
  id: string;
}

/** A secret file of a state, by its name in it. */
export interface SecretFile {
  name: string;
  /** The vault id in its header; undefined where it is plain. */
  id: string | undefined;
}

export const SECRETS = "secrets.yml";
const CA_KEY = "pki/ca.key";
const CLIENTS = "pki/clients";
/** Where a conversion lays the new files, and the file that says that all of them are there. */
const NEXT = "next";
const READY = `${NEXT}/ready`;

const IGNORE_ALL = "*\n";
/** Lets git take what may be committed and nothing else: no records, no lock, no file that is being written. */
const IGNORE_REST = `# Secrets are encrypted here: commit what is not ignored.
*
!.gitignore
!${SECRETS}
!pki/
!pki/ca.crt
!${CA_KEY}
!${CLIENTS}/
!${CLIENTS}/*.crt
!${CLIENTS}/*.key
`;

/**
 * A state whose secret files are either all encrypted with Ansible Vault, or all plain and for their owner alone. A new state
 * is encrypted where there is a password for it.
 */
export class SealedFolder extends Folder {
  readonly #vault: Vault;
  #files: readonly SecretFile[] = [];
  /** What was opened, by its encrypted text: the same key is read many times. */
  readonly #opened = new Map<string, Promise<{ text: string; identity: VaultIdentity }>>();

  protected constructor(place: Pick<Folder, "directory" | "name">, vault: Vault) {
    super(place);
    this.#vault = vault;
  }

  /** The secret files, as they were when the state was last opened, written to or converted. */
  get secretFiles(): readonly SecretFile[] {
    return this.#files;
  }

  /** Undefined where nothing secret is here yet; true also where only some files are: `refuseMixed` names the others. */
  get isEncrypted(): boolean | undefined {
    return this.#files.length === 0 ? undefined : this.#files.some(({ id }) => id !== undefined);
  }

  /** Finds out what lies here. Finishes a conversion that was killed while new files took the places of old ones. */
  protected async look(): Promise<void> {
    if (this.lacking([READY]).length === 0) {
      await this.#refuseBroughtConversion();
      await this.exclusively(() => this.#finish());
    }
    // Others may write to no state, and read only one that is all encrypted: what this one is shows below.
    await this.refuseOpenFolder(true);
    this.#files = await this.#secretFiles();
    const isAllEncrypted = this.isEncrypted === true && this.#plainFiles().length === 0;
    if (!isAllEncrypted) await this.refuseOpenFolder(false);
    // Somebody may have decrypted it by hand.
    if (this.isEncrypted === false) await this.#ignore(IGNORE_ALL);
  }

  /**
   * Refuses a conversion that git has. redkeep's own is there for a moment, and ignored: what a repository brings would put
   * somebody else's secrets in the place of those that lie here, which git may not know.
   */
  async #refuseBroughtConversion(): Promise<void> {
    const names = await this.#secretFiles();
    const brought = await trackedByGit(this.directory, [
      READY,
      ...names.map(({ name }) => `${NEXT}/${name}`),
    ]);
    if (brought === undefined || brought.length === 0) return;
    const path = printable(join(this.name, NEXT));
    throw new InputError({
      place: { file: join(this.directory, NEXT) },
      message: `git has it, and it would replace the secrets here: only redkeep lays files there, and only for a moment. Look who committed it (git log -- ${path}), then take it out: git rm -r ${path}`,
    });
  }

  /** Refuses plain secret files beside encrypted ones, since git would take them. @throws InputError that names them */
  refuseMixed(): void {
    const plain = this.#plainFiles();
    if (this.isEncrypted !== true || plain.length === 0) return;
    throw new InputError(
      plain.map(
        ({ name }): Problem => ({
          place: { file: join(this.directory, name) },
          message: "is plain text, while other secrets beside it are encrypted: run redkeep state encrypt",
        }),
      ),
    );
  }

  /**
   * Whoever may write to the repository, and does not know the vault's password, can still put a plain state in the place of an
   * encrypted one: hosts that are new would then get passwords and a CA that are known to them.
   *
   * @returns a warning where it cannot be told whether that happened
   * @throws InputError where git has plain secrets, and there is a password that they should be encrypted with
   */
  async refuseReplaced(): Promise<string | undefined> {
    if (this.isEncrypted !== false) return undefined;
    const tracked = await trackedByGit(
      this.directory,
      this.#files.map(({ name }) => name),
    );
    const [first] = tracked ?? [];
    const path = printable(this.name);
    if (!this.#vault.hasPassword)
      return (
        first && `git has ${path}/${first} in plain text: give a vault's password to redkeep state encrypt`
      );
    if (first !== undefined)
      throw new InputError({
        place: { file: join(this.directory, first) },
        message: `is plain text, git has it, and there is a vault's password: somebody decrypted it by hand, or put another state in the place of yours. Take the encrypted one back (git log -- ${path}). Where this one is yours, say redkeep state encrypt, or keep it out of git: git rm -r --cached ${path}`,
      });
    return tracked === undefined
      ? `${path} is plain though there is a vault's password, and git cannot tell whether somebody put it in the place of an encrypted one: redkeep state encrypt takes it for yours`
      : undefined;
  }

  /** How redkeep's own folder lies open to others with plain secrets in it, as a backup or a CI job may have restored it. */
  async exposure(): Promise<string | undefined> {
    const mode = this.isEncrypted === false ? await this.openMode() : undefined;
    return mode && `lies open to others (mode ${mode}) with plain secrets in it`;
  }

  /** Closes it. @returns a warning where it was open */
  async closeOwn(): Promise<string | undefined> {
    const exposure = await this.exposure();
    if (exposure === undefined) return undefined;
    const told = `${printable(this.name)} ${exposure}: whoever can log in to this machine may have read them`;
    return await chmod(this.directory, 0o700).then(
      () => `${told}. redkeep closed it now`,
      (error: NodeJS.ErrnoException) => `${told}. redkeep cannot close it (${error.code})`,
    );
  }

  #plainFiles(): SecretFile[] {
    return this.#files.filter(({ id }) => id === undefined);
  }

  async #secretFiles(): Promise<SecretFile[]> {
    const files = [await this.#secretFile(SECRETS), await this.#secretFile(CA_KEY)];
    for (const name of (await this.list(CLIENTS)).toSorted())
      if (name.endsWith(".key")) files.push(await this.#secretFile(`${CLIENTS}/${name}`));
    return files.filter((file) => file !== undefined);
  }

  async #secretFile(name: string): Promise<SecretFile | undefined> {
    const found = await super.read(name);
    if (found === undefined) return undefined;
    const text = withoutConflict(found);
    if (isVault(behindMark(text) ?? ""))
      throw markRefused(join(this.directory, name), "so that Ansible does not see that it is encrypted");
    return { name, id: isVault(text) ? idOf(text) : undefined };
  }

  /** The text of a file, decrypted where it is encrypted. */
  override async read(name: string): Promise<string | undefined> {
    const text = await super.read(name);
    return text === undefined || !isSecret(name) || !isVault(withoutConflict(text))
      ? text
      : (await this.#open(name, text)).text;
  }

  async #open(name: string, text: string) {
    const known = this.#opened.get(text);
    if (known !== undefined) return await known;
    const opening = this.#vault.open({ text, place: { file: join(this.directory, name) } });
    this.#opened.set(text, opening);
    return await opening;
  }

  /** Writes a file. Encrypts a secret one where the state is encrypted, or where it is new and there is a password. */
  override async write(name: string, text: string): Promise<void> {
    if (!isSecret(name)) return await super.write(name, text);
    const seal = await this.#sealForWriting();
    // An earlier run that made no secret may have left the .gitignore of an encrypted state.
    if (seal === undefined) await this.#ignore(IGNORE_ALL);
    await super.write(name, seal === undefined ? text : await this.#sealed(text, seal));
    if (seal !== undefined && this.isEncrypted === undefined) await this.#ignore(IGNORE_REST);
    if (!this.#files.some((file) => file.name === name))
      this.#files = [...this.#files, { name, id: seal?.id }];
  }

  async #sealed(text: string, { identity, id }: Seal): Promise<string> {
    return await this.#vault.seal(text, identity, id);
  }

  /** Whose password encrypts the files; undefined where they are plain. */
  async sealedBy(): Promise<VaultIdentity | undefined> {
    return this.isEncrypted === true ? (await this.#sealForWriting())?.identity : undefined;
  }

  async #sealForWriting(): Promise<Seal | undefined> {
    // Each time: another process may have encrypted it, or changed its password.
    this.#files = await this.#secretFiles();
    if (this.isEncrypted === false || (this.isEncrypted === undefined && !this.#vault.hasPassword))
      return undefined;
    const [encrypted] = this.#files.filter(({ id }) => id !== undefined);
    if (encrypted !== undefined) {
      // Whoever opens one of them knows the password for the others.
      const text = (await super.read(encrypted.name)) ?? "";
      return { identity: (await this.#open(encrypted.name, text)).identity, id: idOf(text) };
    }
    const { writer } = this.#vault;
    return { identity: writer, id: writer.id };
  }

  /** Fetches the password that will encrypt a new state, so that a question to the user comes before other output. */
  async prepareToWrite(): Promise<void> {
    const seal = await this.#sealForWriting();
    if (seal !== undefined) await this.#vault.prepare(seal.identity);
  }

  protected override ignored(): string {
    const isEncrypted = this.isEncrypted ?? this.#vault.hasPassword;
    return isEncrypted ? IGNORE_REST : IGNORE_ALL;
  }

  /**
   * Encrypts all secret files anew with this password, or makes them all plain. Wherever it is killed, the next look finds all
   * of them old, or makes all of them new.
   */
  async convert(to: { vault: Vault; identity: VaultIdentity } | "plain"): Promise<void> {
    await this.exclusively(async () => {
      await this.remove(NEXT);
      for (const { name } of await this.#secretFiles()) {
        const text = (await this.read(name)) ?? "";
        const next = to === "plain" ? text : await to.vault.seal(text, to.identity);
        await super.write(`${NEXT}/${name}`, next);
      }
      await super.write(READY, to === "plain" ? "plain\n" : "encrypted\n");
      await this.#finish();
      this.#files = await this.#secretFiles();
    });
  }

  /** Puts the files that lie ready into their places. Where it is killed, the next call goes on. */
  async #finish(): Promise<void> {
    const isPlain = (await super.read(READY))?.trim() === "plain";
    // Git ignores the files before the first of them is plain.
    if (isPlain) await this.#ignore(IGNORE_ALL);
    for (const { name } of await this.#secretFiles())
      if (this.lacking([`${NEXT}/${name}`]).length === 0) await this.replace(name, `${NEXT}/${name}`);
    if (!isPlain) await this.#ignore(IGNORE_REST);
    await this.remove(READY);
    await this.remove(NEXT);
  }

  /** Changes .gitignore where it is redkeep's own. */
  async #ignore(text: string): Promise<void> {
    const found = await super.read(".gitignore");
    if (found !== text && (found === IGNORE_ALL || found === IGNORE_REST))
      await super.write(".gitignore", text);
  }
}

function isSecret(name: string): boolean {
  return name === SECRETS || name === CA_KEY || (name.startsWith(`${CLIENTS}/`) && name.endsWith(".key"));
}

/** Git puts the mark of a merge conflict ahead of an encrypted file's header. */
function withoutConflict(text: string): string {
  return text.replace(/^<{7}[^\n]*\n/, "");
}
