import { InputError, type Place, type Problem } from "../lib/errors.ts";
import type { Secret } from "../lib/secret.ts";
import { decrypt, type Envelope, encrypt, idOf, isVault, parseEnvelope, VaultDamage } from "./envelope.ts";
import type { VaultIdentity, VaultSettings } from "./identities.ts";
import { fetchPassword, type PasswordContext } from "./password.ts";

/** An encrypted text, with its name for messages. */
export interface Sealed {
  text: string;
  place: Place;
  /** Such as a variable's name. */
  key?: string | undefined;
}

/** What was encrypted, and the identity whose password opened it. */
export interface Opened {
  text: string;
  identity: VaultIdentity;
}

/** No password opens an encrypted text: none was given, none can be fetched, or it needs another one. */
export class VaultRefusal extends InputError {
  /** Whether a password was tried. */
  readonly isWrong: boolean;

  constructor(problems: readonly Problem[], isWrong: boolean) {
    super(problems);
    this.isWrong = isWrong;
  }
}

/** Opens the text of a file that `{ file: PATH }` names, where the text is encrypted. */
export function openerOf(vault: Vault): (text: string, file: string) => Promise<string> {
  return async (text, file) => (isVault(text) ? (await vault.open({ text, place: { file } })).text : text);
}

/** A vault without a password: it refuses whatever is encrypted, by its name. */
export function noVault(): Vault {
  return new Vault(
    { identities: [], idMatch: false, encryptIdentity: undefined },
    {
      env: {},
      interrupted: new AbortController().signal,
      ask: () => Promise.reject(new Error("there is no question without an identity")),
    },
  );
}

const NO_PASSWORD =
  "give the vault's password by --vault-password-file FILE, --vault-id ID@FILE, --ask-vault-pass, ANSIBLE_VAULT_PASSWORD_FILE or ansible.cfg";

/** What a run has for vaults: it opens encrypted texts, and makes them. It fetches a password once, when the first text needs it. */
export class Vault {
  readonly #settings: VaultSettings;
  readonly #context: PasswordContext;
  readonly #passwords = new Map<VaultIdentity, Promise<Secret>>();
  #opened = 0;

  constructor(settings: VaultSettings, context: PasswordContext) {
    this.#settings = settings;
    this.#context = context;
  }

  /** Whether there is any password to try. */
  get hasPassword(): boolean {
    return this.#settings.identities.length > 0;
  }

  /** The passwords to try, and where each comes from: `default (ansible.cfg:3)`. */
  get names(): string {
    return idsOf(this.#settings.identities);
  }

  /** How many encrypted texts were opened. */
  get opened(): number {
    return this.#opened;
  }

  /**
   * @throws InputError that names the text's place: without a password, with none that fits, or where the text is damaged.
   */
  async open(sealed: Sealed): Promise<Opened> {
    const opened = await this.#open(sealed, this.#settings.identities);
    this.#opened += 1;
    return opened;
  }

  async #open({ text, place, key }: Sealed, identities: readonly VaultIdentity[]): Promise<Opened> {
    const envelope = envelopeOf({ text, place, key });
    const id = idOf(text);
    const refuse = (message: string, more: InputError[] = [], isWrong = false) =>
      new VaultRefusal([{ place, key, message }, ...more.flatMap(({ problems }) => problems)], isWrong);
    if (identities.length === 0)
      throw refuse(`is encrypted with Ansible Vault (id ${id}), and there is no password: ${NO_PASSWORD}`);
    const own = identities.filter((identity) => identity.id === envelope.id);
    const others = this.#settings.idMatch && envelope.id !== undefined ? [] : identities;
    const candidates = [...new Set([...own, ...others])];
    if (candidates.length === 0)
      throw refuse(
        `is encrypted with the vault id ${id}, and vault_id_match allows no other password; redkeep has those of ${idsOf(identities)}`,
      );
    const failures: InputError[] = [];
    for (const identity of candidates) {
      const opened = await this.#openWith(envelope, identity, failures);
      if (opened === undefined) continue;
      if (opened.isUtf8) return { text: opened.text, identity };
      throw refuse("is no UTF-8 text once it is opened");
    }
    if (failures.length === candidates.length)
      throw refuse("is encrypted with Ansible Vault, and its password cannot be had", failures);
    throw refuse(
      `is encrypted with Ansible Vault (id ${id}), and ${candidates.length - failures.length === 1 ? "the password" : "none of the passwords"} of ${idsOf(candidates)} ${candidates.length - failures.length === 1 ? "does not open it" : "opens it"}: it needs another, or is damaged`,
      failures,
      true,
    );
  }

  async #openWith(
    envelope: Envelope,
    identity: VaultIdentity,
    failures: InputError[],
  ): Promise<{ text: string; isUtf8: boolean } | undefined> {
    let bytes: Buffer | undefined;
    try {
      bytes = await decrypt(envelope, await this.#password(identity));
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      failures.push(error);
    }
    if (bytes === undefined) return undefined;
    try {
      return {
        text: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes),
        isUtf8: true,
      };
    } catch {
      return { text: "", isUtf8: false };
    }
  }

  /**
   * The identity whose password encrypts something new: `vault_encrypt_identity`, else the first one.
   * @throws InputError where there is none
   */
  get writer(): VaultIdentity {
    const { identities, encryptIdentity } = this.#settings;
    const [first] = identities;
    if (first === undefined) throw new InputError({ message: `there is no password: ${NO_PASSWORD}` });
    if (encryptIdentity === undefined) return first;
    const named = identities.find(({ id }) => id === encryptIdentity);
    if (named !== undefined) return named;
    throw new InputError({
      key: "vault_encrypt_identity",
      message: `there is no vault id ${JSON.stringify(encryptIdentity)}, found ${idsOf(identities)}`,
    });
  }

  /** Fetches the password now, so that a question to the user comes before other output. */
  async prepare(identity: VaultIdentity): Promise<void> {
    await this.#password(identity);
  }

  /** Encrypts a text as `ansible-vault encrypt` does. @param id for its header, where that is not the identity's own */
  async seal(text: string, identity: VaultIdentity, id = identity.id): Promise<string> {
    return await encrypt(text, await this.#password(identity), id);
  }

  #password(identity: VaultIdentity): Promise<Secret> {
    let password = this.#passwords.get(identity);
    if (password === undefined) {
      const { identities } = this.#settings;
      // A password file may itself be encrypted: a password that was named before it opens it.
      const before = identities.slice(0, Math.max(0, identities.indexOf(identity)));
      password = fetchPassword(identity, this.#context, async (text, file) => {
        return (await this.#open({ text, place: { file } }, before)).text;
      });
      this.#passwords.set(identity, password);
    }
    return password;
  }
}

/** @throws InputError with the line of the file, where the text begins at the place's line */
function envelopeOf({ text, place, key }: Sealed): Envelope {
  try {
    return parseEnvelope(text);
  } catch (error) {
    if (!(error instanceof VaultDamage)) throw error;
    // The text of a `!vault` value begins in the line after its key, or beside the key.
    const { file, line, fromVault } = place;
    const isHeader = line !== undefined && error.line === 1;
    const found = isHeader ? place : { file, line: (line ?? 0) + error.line, column: 1, fromVault };
    throw new InputError({ place: found, key, message: error.message });
  }
}

function idsOf(identities: readonly VaultIdentity[]): string {
  return [...new Set(identities.map(({ id, given }) => `${id} (${given})`))].join(", ");
}
