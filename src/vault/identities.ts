import { existsSync } from "node:fs";
import { InputError, type Place } from "../lib/errors.ts";
import { expandedPath } from "../lib/expanded-path.ts";
import { DEFAULT_ID } from "./envelope.ts";

/** One password that may open a vault: its id, and where it comes from. redkeep fetches it when a vault needs it. */
export interface VaultIdentity {
  id: string;
  /** A file's absolute path, or the question to ask. */
  source: { file: string } | { question: string };
  /** Where you named it, for messages: `--vault-password-file`, `ansible.cfg:12`. */
  given: string;
}

/** What the command line says of vaults, as given. */
export interface VaultOptions {
  /** Each `--vault-id`: `ID@FILE`, `ID@prompt`, `FILE` or `prompt`. */
  ids: readonly string[];
  /** Each `--vault-password-file`: `FILE` or `ID@FILE`. */
  passwordFiles: readonly string[];
  /** `--ask-vault-pass` */
  ask: boolean;
}

/** What names a password: an option, a variable of the environment, or a key of an ansible.cfg at its place. */
interface Origin {
  key: string;
  place?: Place | undefined;
}

/** A setting's value, with what gave it. */
export interface Named<T> extends Origin {
  value: T;
}

/** What Ansible's settings say of vaults: each ANSIBLE_VAULT_… of the environment, or else the `ansible.cfg`. */
export interface VaultConfig {
  /** `vault_password_file` as an absolute path, which is there. */
  passwordFile?: Named<string> | undefined;
  /** `vault_identity_list`, each as `ID@FILE`, `ID@prompt` or `FILE`. A relative file counts from the current folder. */
  identityList?: Named<readonly string[]> | undefined;
  /** `vault_id_match`: only the password of a vault's own id is tried. */
  idMatch?: boolean | undefined;
  /** `vault_encrypt_identity`: the id whose password encrypts new files. */
  encryptIdentity?: string | undefined;
}

/** All that a run knows of passwords for vaults. */
export interface VaultSettings {
  /** In the order in which they are tried. */
  identities: readonly VaultIdentity[];
  idMatch: boolean;
  encryptIdentity: string | undefined;
}

/** Where a path counts from, and what expands it. */
interface Surroundings {
  cwd: string;
  env: NodeJS.ProcessEnv;
}

/**
 * What the command line and Ansible's settings say together, in Ansible's order: the configured identities, `--vault-id`,
 * `--vault-password-file`, the configured file, the question.
 * @throws InputError where a file is not there
 */
export function vaultSettings(
  options: VaultOptions,
  surroundings: Surroundings,
  { passwordFile, identityList, idMatch = false, encryptIdentity }: VaultConfig = {},
): VaultSettings {
  const byId = (text: string, origin: Origin) => identityOf(text, origin, surroundings);
  return {
    identities: [
      ...(identityList ? identityList.value.filter(Boolean).map((text) => byId(text, identityList)) : []),
      ...options.ids.map((text) => byId(text, { key: "--vault-id" })),
      ...options.passwordFiles.map((text) => byFile(text, { key: "--vault-password-file" }, surroundings)),
      ...(passwordFile
        ? [{ id: DEFAULT_ID, source: { file: passwordFile.value }, given: nameOf(passwordFile) }]
        : []),
      ...(options.ask
        ? [{ id: DEFAULT_ID, source: { question: "Vault password: " }, given: "--ask-vault-pass" }]
        : []),
    ],
    idMatch,
    encryptIdentity,
  };
}

function nameOf({ key, place }: Origin): string {
  return place === undefined ? key : [place.file, place.line].filter(Boolean).join(":");
}

/** `ID@SOURCE`, or `SOURCE` alone; a source is `prompt` or a file. */
function identityOf(text: string, origin: Origin, surroundings: Surroundings): VaultIdentity {
  const at = text.indexOf("@");
  const [name, source] = at < 0 ? ["", text] : [text.slice(0, at), text.slice(at + 1)];
  const id = checkedId(name || DEFAULT_ID, origin);
  const given = nameOf(origin);
  if (source === "prompt" || source === "prompt_ask_vault_pass")
    return { id, source: { question: `Vault password (${id}): ` }, given };
  return { id, source: { file: existing(source, origin, surroundings) }, given };
}

/** Where a file is there whose name has an `@`, that file is meant, and no id. */
function byFile(text: string, origin: Origin, surroundings: Surroundings): VaultIdentity {
  const isNamed = text.includes("@") && !existsSync(expandedPath(text, surroundings.cwd, surroundings.env));
  if (isNamed) return identityOf(text, origin, surroundings);
  return { id: DEFAULT_ID, source: { file: existing(text, origin, surroundings) }, given: nameOf(origin) };
}

function existing(file: string, { key, place }: Origin, { cwd, env }: Surroundings): string {
  const path = expandedPath(file, cwd, env);
  if (file === "" || !existsSync(path))
    throw new InputError({
      key,
      place,
      message: `expected a file with the vault's password, or a program that prints it; found ${file === "" ? "nothing" : `no file ${JSON.stringify(file)}`}`,
    });
  return path;
}

/** An id stands in the header of what is encrypted, and on a client program's command line. */
function checkedId(id: string, { key, place }: Origin): string {
  if (/^[^\s;@\p{Cc}-][^\s;@\p{Cc}]{0,99}$/u.test(id)) return id;
  throw new InputError({
    key,
    place,
    message: `expected ID@FILE with an id of one word, found the id ${JSON.stringify(id.slice(0, 100))}`,
  });
}
