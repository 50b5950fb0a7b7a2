import type { Secret } from "../lib/secret.ts";

/** The ssh options of ansible_ssh_*_args and ansible.cfg that concern us, already read from their command-line form. */
export interface SshOptions {
  userKnownHostsFiles?: string[];
  strictHostKeyChecking?: "yes" | "accept-new";
  /** Jump hosts in the order in which they are passed, each `[user@]host[:port]`; ssh's tokens such as `%r` are not expanded yet. */
  proxyJump?: string[];
  /** Keys for the jump hosts, from `ssh -i KEY -W %h:%p HOST`. */
  jumpIdentityFiles?: string[];
  /** From -F: ssh reads it instead of its own files. */
  configFile?: string;
  /** What only the system's ssh can do, as keyword and value, the first of a keyword counts. No host key option is among them. */
  others?: [keyword: string, value: string][];
  /** The keyword in `others` without which the host must not be reached: ssh2 cannot do it. */
  needsOpenssh?: string;
  identityFiles?: string[];
  identitiesOnly?: boolean;
  port?: number;
  user?: string;
  connectTimeoutSeconds?: number;
}

/**
 * What the inventory, the playbook and the command line say about reaching one host. ~/.ssh/config fills in whatever they
 * leave open.
 */
export interface ConnectionVariables {
  /** The inventory's name of the host. */
  host: string;
  /** Host name or IP address to connect to; the inventory name where no ansible_host is set. */
  address: string;
  port?: number;
  user?: string;
  /** As written; `~` is expanded, relative to the current directory. */
  privateKeyFile?: string;
  privateKeyPassphrase?: Secret;
  password?: Secret;
  sshOptions: SshOptions;
  /** Seconds to connect, authentication included. */
  timeoutSeconds: number;
  become: boolean;
  becomePassword?: Secret;
  /** From --known-hosts: read instead of the user's own files. */
  knownHostsFile?: string;
  /** From --host-keys: `accept-new` beats whatever switches host keys off, `strict` beats every accept-new. */
  hostKeys?: HostKeys;
  /** Told of each host key that is stored: it is the host's first one. */
  onNewHostKey?: (message: string) => void;
}

export type HostKeys = "accept-new" | "strict";
