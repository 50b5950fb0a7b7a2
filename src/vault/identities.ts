import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { resolve } from "node:path";
import { InputError, type Place } from "../lib/errors.ts";
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

/** What an `ansible.cfg` says of vaults. Each ANSIBLE_VAULT_… of the environment wins over its setting here. */
export interface VaultConfig {
  /** `vault_password_file` as an absolute path: a relative one counts from the folder of the `ansible.cfg`. */
  passwordFile?: string | undefined;
  /** `vault_identity_list`, each as `ID@FILE`, `ID@prompt` or `FILE`. A relative file counts from the current folder. */
  identityList?: readonly string[] | undefined;
  /** `vault_id_match`: only the password of a vault's own id is tried. */
  idMatch?: boolean | undefined;
  /** `vault_encrypt_identity`: the id whose password encrypts new files. */
  encryptIdentity?: string | undefined;
  /** Where each of them stands, for messages. */
  places?: Partial<Record<"passwordFile" | "identityList", Place>> | undefined;
}

/** All that a run knows of passwords for vaults. */
export interface VaultSettings {
  /** In the order in which they are tried. */
  identities: readonly VaultIdentity[];
  idMatch: boolean;
  encryptIdentity: string | undefined;
}

/**
 * What the command line, the environment and an `ansible.cfg` say together, in Ansible's order: the configured identities,
 * `--vault-id`, `--vault-password-file`, the configured file, the question.
 * @throws InputError where a file is not there
 */
export function vaultSettings(
  options: VaultOptions,
  env: NodeJS.ProcessEnv,
  cwd: string,
  config: VaultConfig = {},
): VaultSettings {
  const list = env.ANSIBLE_VAULT_IDENTITY_LIST;
  const configured =
    list === undefined ? (config.identityList ?? []) : list.split(",").map((item) => item.trim());
  const listOrigin =
    list === undefined
      ? { key: "vault_identity_list", place: config.places?.identityList ?? CONFIG }
      : { key: "ANSIBLE_VAULT_IDENTITY_LIST" };
  const file = env.ANSIBLE_VAULT_PASSWORD_FILE ?? config.passwordFile;
  const fileOrigin =
    env.ANSIBLE_VAULT_PASSWORD_FILE === undefined
      ? { key: "vault_password_file", place: config.places?.passwordFile ?? CONFIG }
      : { key: "ANSIBLE_VAULT_PASSWORD_FILE" };
  const match = env.ANSIBLE_VAULT_ID_MATCH;
  return {
    identities: [
      ...configured.filter(Boolean).map((text) => identityOf(text, listOrigin, cwd)),
      ...options.ids.map((text) => identityOf(text, { key: "--vault-id" }, cwd)),
      ...options.passwordFiles.map((text) => passwordFile(text, { key: "--vault-password-file" }, cwd)),
      ...(file ? [passwordFile(file, fileOrigin, cwd)] : []),
      ...(options.ask
        ? [{ id: DEFAULT_ID, source: { question: "Vault password: " }, given: "--ask-vault-pass" }]
        : []),
    ],
    idMatch: match === undefined ? (config.idMatch ?? false) : /^(?:true|yes|on|y|t|1)$/i.test(match),
    encryptIdentity: env.ANSIBLE_VAULT_ENCRYPT_IDENTITY ?? config.encryptIdentity,
  };
}

/** What names a password: an option, a variable of the environment, or a key of an ansible.cfg. */
interface Origin {
  key: string;
  place?: Place;
}

const CONFIG: Place = { file: "ansible.cfg" };

function nameOf({ key, place }: Origin): string {
  return place === undefined ? key : [place.file, place.line].filter(Boolean).join(":");
}

/** `ID@SOURCE`, or `SOURCE` alone; a source is `prompt` or a file. */
function identityOf(text: string, origin: Origin, cwd: string): VaultIdentity {
  const at = text.indexOf("@");
  const [name, source] = at < 0 ? ["", text] : [text.slice(0, at), text.slice(at + 1)];
  const id = checkedId(name || DEFAULT_ID, origin);
  const given = nameOf(origin);
  if (source === "prompt" || source === "prompt_ask_vault_pass")
    return { id, source: { question: `Vault password (${id}): ` }, given };
  return { id, source: { file: existing(source, origin, cwd) }, given };
}

/** Where a file is there whose name has an `@`, that file is meant, and no id. */
function passwordFile(text: string, origin: Origin, cwd: string): VaultIdentity {
  const isNamed = text.includes("@") && !existsSync(absolute(text, cwd));
  if (isNamed) return identityOf(text, origin, cwd);
  return { id: DEFAULT_ID, source: { file: existing(text, origin, cwd) }, given: nameOf(origin) };
}

function absolute(file: string, cwd: string): string {
  return resolve(cwd, file.replace(/^~(?=\/)/, homedir()));
}

function existing(file: string, origin: Origin, cwd: string): string {
  const path = absolute(file, cwd);
  if (file === "" || !existsSync(path))
    throw new InputError({
      ...origin,
      message: `expected a file with the vault's password, or a program that prints it; found ${file === "" ? "nothing" : `no file ${JSON.stringify(file)}`}`,
    });
  return path;
}

/** An id stands in the header of what is encrypted, and on a client program's command line. */
function checkedId(id: string, origin: Origin): string {
  if (/^[^\s;@\p{Cc}-][^\s;@\p{Cc}]{0,99}$/u.test(id)) return id;
  throw new InputError({
    ...origin,
    message: `expected ID@FILE with an id of one word, found the id ${JSON.stringify(id.slice(0, 100))}`,
  });
}
