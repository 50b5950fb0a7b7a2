import type { HostKeys } from "../connection/settings.ts";
import type { Place } from "../lib/errors.ts";
import type { Secret } from "../lib/secret.ts";
import type { SecretSourceOptions } from "../lib/secret-source.ts";
import type { Inventory } from "./inventory.ts";

/** What the command line and the play say about connections; the inventory wins over both. */
export interface ConnectionDefaults {
  user?: string | undefined;
  privateKey?: string | undefined;
  password?: Secret | undefined;
  become?: boolean | undefined;
  becomePassword?: Secret | undefined;
  timeoutSeconds?: number | undefined;
  knownHosts?: string | undefined;
  hostKeys?: HostKeys | undefined;
  /** Whether the inventory's ssh options may run commands and load libraries on this machine. */
  allowInventoryCommands?: boolean | undefined;
  onNewHostKey?: ((message: string) => void) | undefined;
  /** From ansible.cfg and its environment variables. Any variable of the same meaning wins over them. */
  config?: ConnectionConfig | undefined;
  play?: PlayConnection | undefined;
}

/** A setting of ansible.cfg or of the environment, with where it stands. */
export interface ConfigSetting {
  value: string;
  place?: Place | undefined;
  key: string;
}

/** The settings of ansible.cfg that no option of the command line has. */
export interface ConnectionConfig {
  port?: number | undefined;
  connection?: ConfigSetting | undefined;
  becomeMethod?: ConfigSetting | undefined;
  becomeUser?: ConfigSetting | undefined;
  /** By the name of the variable that replaces them where it is set: `ansible_ssh_args` and so on. */
  variables: ReadonlyMap<string, ConfigSetting>;
}

/** The play's keywords. */
export interface PlayConnection {
  /** Where the play stands, for messages. */
  place?: Place | undefined;
  port?: number | undefined;
  remoteUser?: string | undefined;
  become?: boolean | undefined;
  becomeMethod?: string | undefined;
  becomeUser?: string | undefined;
  connection?: string | undefined;
}

export interface SecretContext {
  /** Paths in messages are relative to this folder. */
  cwd: string;
  env: NodeJS.ProcessEnv;
  /** All hosts share it, so that a command which gives a password runs once. */
  cache?: Map<string, Promise<Secret>>;
  openVault?: SecretSourceOptions["openVault"];
  /** For templates that name other hosts, groups or folders. */
  inventory?: Inventory;
}

/** The names of each setting, weakest to strongest: the stronger name wins wherever it is set. */
export const CONNECTION_NAMES = {
  address: ["ansible_host", "ansible_ssh_host"],
  port: ["ansible_port", "ansible_ssh_port"],
  user: ["ansible_user", "ansible_ssh_user"],
  privateKey: ["ansible_private_key_file", "ansible_ssh_private_key_file"],
  passphrase: ["ansible_ssh_passphrase"],
  password: ["ansible_password", "ansible_ssh_pass", "ansible_ssh_password"],
  timeout: ["ansible_timeout", "ansible_ssh_timeout"],
  become: ["ansible_become"],
  becomeUser: ["ansible_become_user", "ansible_sudo_user"],
  becomeMethod: ["ansible_become_method"],
  becomePassword: ["ansible_become_password", "ansible_become_pass", "ansible_sudo_pass"],
  connection: ["ansible_connection"],
} as const;
