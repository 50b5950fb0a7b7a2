import { existsSync, statSync } from "node:fs";
import { access, constants } from "node:fs/promises";
import { dirname, extname, join, relative } from "node:path";
import { InputError } from "../lib/errors.ts";
import { expandedPath } from "../lib/expanded-path.ts";
import { Secret } from "../lib/secret.ts";
import { readTextFile } from "../lib/text-file.ts";
import type { Named, VaultConfig } from "../vault/identities.ts";
import { type Cfg, parseCfg } from "./ansible-cfg.ts";
import type { ConfigSetting, ConnectionConfig } from "./connection-settings.ts";

/** What redkeep follows of an ansible.cfg and of Ansible's environment variables. The command line wins over it. */
export interface AnsibleSettings {
  /** The file that was read, as messages name it. */
  file: string | undefined;
  warnings: readonly string[];
  /** Where they switch host keys off, which redkeep does not follow. */
  hostKeysOff: string | undefined;
  /** The sources of the inventory, and what names them. */
  inventory: { sources: readonly string[]; from: string } | undefined;
  user: string | undefined;
  /** Absolute. */
  privateKey: string | undefined;
  forks: number | undefined;
  timeoutSeconds: number | undefined;
  become: boolean | undefined;
  asksPassword: boolean;
  asksBecomePassword: boolean;
  becomePassword: Secret | undefined;
  connection: ConnectionConfig;
  /** `hash_behaviour = merge`. */
  mergesMappings: boolean;
  vault: VaultConfig;
}

/** Of each setting its environment variable, which wins, then its sections and keys, of which the last one counts. */
const NAMES = {
  inventory: ["ANSIBLE_INVENTORY", "defaults.inventory"],
  user: ["ANSIBLE_REMOTE_USER", "defaults.remote_user"],
  port: ["ANSIBLE_REMOTE_PORT", "defaults.remote_port"],
  privateKey: ["ANSIBLE_PRIVATE_KEY_FILE", "defaults.private_key_file"],
  forks: ["ANSIBLE_FORKS", "defaults.forks"],
  timeout: ["ANSIBLE_TIMEOUT", "defaults.timeout"],
  transport: ["ANSIBLE_TRANSPORT", "defaults.transport"],
  asksPassword: ["ANSIBLE_ASK_PASS", "defaults.ask_pass"],
  hashBehaviour: ["ANSIBLE_HASH_BEHAVIOUR", "defaults.hash_behaviour"],
  vaultPasswordFile: ["ANSIBLE_VAULT_PASSWORD_FILE", "defaults.vault_password_file"],
  vaultIdentityList: ["ANSIBLE_VAULT_IDENTITY_LIST", "defaults.vault_identity_list"],
  vaultIdMatch: ["ANSIBLE_VAULT_ID_MATCH", "defaults.vault_id_match"],
  vaultEncryptIdentity: ["ANSIBLE_VAULT_ENCRYPT_IDENTITY", "defaults.vault_encrypt_identity"],
  become: ["ANSIBLE_BECOME", "privilege_escalation.become"],
  becomeMethod: ["ANSIBLE_BECOME_METHOD", "privilege_escalation.become_method"],
  becomeUser: ["ANSIBLE_BECOME_USER", "privilege_escalation.become_user"],
  becomePassword: ["ANSIBLE_BECOME_PASS", "sudo_become_plugin.password", "ANSIBLE_SUDO_PASS"],
  asksBecomePassword: ["ANSIBLE_BECOME_ASK_PASS", "privilege_escalation.become_ask_pass"],
  hostKeyChecking: [
    "ANSIBLE_HOST_KEY_CHECKING",
    "defaults.host_key_checking",
    "ssh_connection.host_key_checking",
    "ANSIBLE_SSH_HOST_KEY_CHECKING",
  ],
  ansible_ssh_args: ["ANSIBLE_SSH_ARGS", "ssh_connection.ssh_args"],
  ansible_ssh_common_args: ["ANSIBLE_SSH_COMMON_ARGS", "ssh_connection.ssh_common_args"],
  ansible_ssh_extra_args: ["ANSIBLE_SSH_EXTRA_ARGS", "ssh_connection.ssh_extra_args"],
  ansible_ssh_executable: ["ANSIBLE_SSH_EXECUTABLE", "ssh_connection.ssh_executable"],
  ansible_ssh_pkcs11_provider: ["ANSIBLE_PKCS11_PROVIDER", "ssh_connection.pkcs11_provider"],
  ansible_become_exe: [
    "ANSIBLE_BECOME_EXE",
    "privilege_escalation.become_exe",
    "sudo_become_plugin.executable",
    "ANSIBLE_SUDO_EXE",
  ],
  ansible_become_flags: [
    "ANSIBLE_BECOME_FLAGS",
    "privilege_escalation.become_flags",
    "sudo_become_plugin.flags",
    "ANSIBLE_SUDO_FLAGS",
  ],
} as const;
/** Settings that count where the inventory variable of the same name is not set. */
const VARIABLES = [
  "ansible_ssh_args",
  "ansible_ssh_common_args",
  "ansible_ssh_extra_args",
  "ansible_ssh_executable",
  "ansible_ssh_pkcs11_provider",
  "ansible_become_exe",
  "ansible_become_flags",
] as const;
/** The flags that Ansible gives sudo anyway. */
const NO_CHANGE = /^(?:sudo|\s*(?:-[HSn]+\s*)*)$/;

/**
 * Finds the ansible.cfg that Ansible would take (ANSIBLE_CONFIG, that of the current folder, ~/.ansible.cfg, /etc/ansible/ansible.cfg)
 * and reads it together with the environment.
 *
 * @param hasInventory whether the command line names an inventory: then the settings' own is not looked at
 * @throws InputError with file, line and key of each setting that is not valid, or that names a file which is not there
 */
export async function ansibleSettings(
  { cwd, env }: { cwd: string; env: NodeJS.ProcessEnv },
  hasInventory: boolean,
): Promise<AnsibleSettings> {
  const found = await findCfg(cwd, env);
  const shown = found.path && shownPath(found.path, cwd);
  const cfg =
    found.path === undefined
      ? new Map()
      : parseCfg(await readTextFile(found.path, shown, { keepsMark: true }), shown ?? "");
  const reader = new SettingsReader(cfg, found.path, cwd, env);
  const inventory = hasInventory ? undefined : await reader.inventory();
  const unchecked = reader.boolean("hostKeyChecking") === false ? reader.find("hostKeyChecking") : undefined;
  const settings: AnsibleSettings = {
    file: shown,
    warnings: found.warnings,
    hostKeysOff: unchecked && whereOf(unchecked),
    inventory,
    user: reader.user(),
    privateKey: reader.file("privateKey"),
    forks: reader.number("forks", 1000),
    timeoutSeconds: reader.number("timeout", 3600),
    become: reader.boolean("become"),
    asksPassword: reader.boolean("asksPassword") ?? false,
    asksBecomePassword: reader.boolean("asksBecomePassword") ?? false,
    becomePassword: reader.secret("becomePassword"),
    mergesMappings: reader.mergesMappings(),
    connection: {
      port: reader.number("port", 65535),
      connection: reader.find("transport"),
      becomeMethod: reader.find("becomeMethod"),
      becomeUser: reader.find("becomeUser"),
      variables: new Map(
        VARIABLES.flatMap((name) => {
          const setting = reader.find(name);
          const isNothing =
            setting === undefined || (name.startsWith("ansible_become") && NO_CHANGE.test(setting.value));
          return isNothing ? [] : [[name, setting] as const];
        }),
      ),
    },
    vault: {
      passwordFile: reader.named("vaultPasswordFile", reader.file("vaultPasswordFile")),
      identityList: reader.named("vaultIdentityList", reader.list("vaultIdentityList")),
      idMatch: reader.boolean("vaultIdMatch"),
      encryptIdentity: reader.find("vaultEncryptIdentity")?.value,
    },
  };
  reader.finish();
  return settings;
}

interface FoundCfg {
  path?: string;
  warnings: string[];
}

async function findCfg(cwd: string, env: NodeJS.ProcessEnv): Promise<FoundCfg> {
  const given = env.ANSIBLE_CONFIG;
  if (given !== undefined && given !== "") {
    const path = expandedPath(given, cwd, env);
    if (path === "/dev/null") return { warnings: [] };
    const file = isDirectory(path) ? join(path, "ansible.cfg") : path;
    if (!existsSync(file))
      throw new InputError({ place: { file: given }, key: "ANSIBLE_CONFIG", message: "does not exist" });
    if (![".cfg", ".ini"].includes(extname(file)))
      throw new InputError({
        place: { file: given },
        key: "ANSIBLE_CONFIG",
        message: "expected a file that ends in .cfg or .ini",
      });
    return { path: file, warnings: [] };
  }
  const here = join(cwd, "ansible.cfg");
  // Whoever may write there could choose programs that Ansible, and redkeep, would run.
  const isOpen = (statSync(cwd, { throwIfNoEntry: false })?.mode ?? 0) & 0o002;
  const warnings =
    isOpen && existsSync(here)
      ? ["redkeep does not read ansible.cfg here: every user may write to this folder"]
      : [];
  const home = env.HOME === undefined ? [] : [join(env.HOME, ".ansible.cfg")];
  for (const path of [...(isOpen ? [] : [here]), ...home, "/etc/ansible/ansible.cfg"])
    if (await isReadable(path)) return { path, warnings };
  return { warnings };
}

interface FoundSetting extends ConfigSetting {
  /** With its quotes. */
  raw: string;
}

/** Collects every problem, so that you see all of them at once. */
class SettingsReader {
  readonly #cfg: Cfg;
  readonly #directory: string;
  readonly #cwd: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #problems = new Map<string, InputError>();

  constructor(cfg: Cfg, path: string | undefined, cwd: string, env: NodeJS.ProcessEnv) {
    this.#cfg = cfg;
    this.#directory = path === undefined ? cwd : dirname(path);
    this.#cwd = cwd;
    this.#env = env;
  }

  finish(): void {
    const problems = [...this.#problems.values()].flatMap((error) => error.problems);
    if (problems.length > 0) throw new InputError(problems);
  }

  /** A setting's text; undefined where it is not set, or empty. Quotes around the whole value are not part of it. */
  find(name: keyof typeof NAMES): FoundSetting | undefined {
    let fromFile: ConfigSetting | undefined;
    let fromEnvironment: ConfigSetting | undefined;
    for (const source of NAMES[name]) {
      const [section = "", key] = source.split(".");
      if (key === undefined) {
        const value = this.#env[source];
        if (value !== undefined) fromEnvironment = { value, key: source };
        continue;
      }
      const entry = this.#cfg.get(section)?.get(key);
      if (entry !== undefined) fromFile = { ...entry, key };
    }
    const setting = fromEnvironment ?? fromFile;
    if (setting === undefined) return undefined;
    const value = unquoted(setting.value);
    return value === "" ? undefined : { ...setting, value, raw: setting.value };
  }

  boolean(name: keyof typeof NAMES): boolean | undefined {
    const setting = this.find(name);
    if (setting === undefined) return undefined;
    const word = setting.value.toLowerCase().trim();
    if (["y", "yes", "on", "1", "true", "t"].includes(word)) return true;
    if (["n", "no", "off", "0", "false", "f"].includes(word)) return false;
    // Ansible takes what is no boolean for false.
    const hasComment = /\s#/.test(word);
    if (!hasComment) this.#problem(setting, "expected true or false");
    else if (name !== "hostKeyChecking")
      this.#problem(setting, 'expected true or false, and ";" before a comment behind it');
    return false;
  }

  number(name: keyof typeof NAMES, most: number): number | undefined {
    const setting = this.find(name);
    if (setting === undefined) return undefined;
    const number = /^\d{1,6}$/.test(setting.value) ? Number(setting.value) : 0;
    if (number >= 1 && number <= most) return number;
    return this.#problem(setting, `expected a whole number from 1 to ${most}`);
  }

  /** One word that ssh cannot take for an option. */
  user(): string | undefined {
    const setting = this.find("user");
    if (setting === undefined || /^[^-\s][^\s]*$/.test(setting.value)) return setting?.value;
    return this.#problem(setting, "expected a user name");
  }

  secret(name: keyof typeof NAMES): Secret | undefined {
    const setting = this.find(name);
    return setting && new Secret(setting.value);
  }

  /** A value that the setting `name` gave, with where it stands: whoever uses it later may have to say so. */
  named<T>(name: keyof typeof NAMES, value: T | undefined): Named<T> | undefined {
    const setting = this.find(name);
    return value === undefined || setting === undefined
      ? undefined
      : { value, key: setting.key, place: setting.place };
  }

  list(name: keyof typeof NAMES): string[] | undefined {
    return this.find(name)
      ?.raw.split(",")
      .map((item) => unquoted(item.trim()));
  }

  /** Absolute. */
  file(name: keyof typeof NAMES): string | undefined {
    const setting = this.find(name);
    if (setting === undefined) return undefined;
    const path = this.#path(setting);
    return existsSync(path) ? path : this.#problem(setting, "names a file that does not exist");
  }

  async inventory(): Promise<AnsibleSettings["inventory"]> {
    const setting = this.find("inventory");
    if (setting === undefined) return undefined;
    // For Ansible, quotes belong to the path.
    const sources = setting.raw
      .split(",")
      .map((item) => item.trim())
      .filter((item) => item !== "")
      .map((item) => this.#path({ ...setting, raw: item }));
    const missing = sources.find((source) => !existsSync(source));
    if (missing !== undefined)
      return this.#refuse(setting, `names ${shownPath(missing, this.#cwd)}, which does not exist`);
    return { sources: sources.map((source) => shownPath(source, this.#cwd)), from: whereOf(setting) };
  }

  mergesMappings(): boolean {
    const setting = this.find("hashBehaviour");
    if (setting === undefined || setting.value === "replace") return false;
    if (setting.value !== "merge") this.#problem(setting, "expected replace or merge");
    return true;
  }

  /** A path in the file counts from the file's folder, one in the environment from the current folder. */
  #path({ place, raw }: FoundSetting): string {
    const base = place === undefined ? this.#cwd : this.#directory;
    return expandedPath(raw.replaceAll("{{CWD}}", this.#cwd), base, this.#env);
  }

  #problem(setting: ConfigSetting, expectation: string): undefined {
    return this.#refuse(setting, `${expectation}, found ${shownValue(setting)}`);
  }

  #refuse({ place, key }: ConfigSetting, message: string): undefined {
    this.#problems.set(key, new InputError({ place, key, message }));
    return undefined;
  }
}

function shownValue({ value }: ConfigSetting): string {
  return JSON.stringify(value.slice(0, 80));
}

function whereOf({ place, key }: ConfigSetting): string {
  return place === undefined ? key : `${place.file}:${place.line} (${key})`;
}

function unquoted(value: string): string {
  const [quote] = value;
  const isQuoted =
    value.length > 1 && (quote === '"' || quote === "'") && value.endsWith(quote) && value.at(-2) !== "\\";
  return isQuoted ? value.slice(1, -1) : value;
}

/** The shorter of the absolute path and the one from here. */
function shownPath(path: string, cwd: string): string {
  const from = relative(cwd, path);
  return from === "" ? "." : from.startsWith("..") ? path : from;
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

async function isReadable(path: string): Promise<boolean> {
  try {
    await access(path, constants.R_OK);
    return true;
  } catch {
    // Ansible, too, goes on to the next place.
    return false;
  }
}
