import type { Secret } from "../lib/secret.ts";

/** What may carry the scripts: ssh2, the system's ssh, or whichever of them can. */
export const TRANSPORTS = ["auto", "ssh2", "openssh"] as const;
export type WantedTransport = (typeof TRANSPORTS)[number];

/** The `-o Key=value` options of ansible_ssh_*_args that concern us, already read from their command-line form. */
export interface SshOptions {
  userKnownHostsFiles?: string[];
  strictHostKeyChecking?: "yes" | "accept-new";
  /** Jump hosts in the order in which they are passed, each `[user@]host[:port]`. */
  proxyJump?: string[];
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
  /** From redkeep_transport; auto where nobody says. */
  transport?: WantedTransport;
}
