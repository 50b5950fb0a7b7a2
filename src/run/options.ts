import type { HostKeys } from "../connection/settings.ts";
import type { AnsibleSettings } from "../inventory/ansible-settings.ts";
import type { Shard } from "../inventory/shard.ts";
import type { Secret } from "../lib/secret.ts";
import type { Destination } from "../plan/kept-state.ts";
import type { Severity } from "../record/statuses.ts";
import type { Vault } from "../vault/vault.ts";

/** The options of plan, apply, verify and rollback, checked. */
export interface RunOptions {
  inventory: readonly string[];
  /** Of ansible.cfg and the environment, for what the options leave open. */
  settings: AnsibleSettings;
  /** As given; undefined for the default. */
  playbook: string | undefined;
  limit: string | undefined;
  tags: readonly string[];
  skipTags: readonly string[];
  extraVars: readonly string[];
  forks: number;
  diff: boolean;
  yes: boolean;
  check: boolean;
  /** A file, or `-` for stdout. */
  json: string | undefined;
  verbose: boolean;
  timeoutSeconds: number;
  user: string | undefined;
  privateKey: string | undefined;
  password: Secret | undefined;
  become: boolean | undefined;
  becomePassword: Secret | undefined;
  knownHosts: string | undefined;
  /** Undefined where inventory and ~/.ssh/config decide. */
  hostKeys: HostKeys | undefined;
  allowInventoryCommands: boolean;
  state: string | undefined;
  /** Opens what is encrypted with Ansible Vault. */
  vault: Vault;
  /** The options that name its passwords, as given, for the command that is printed as the next one. */
  vaultArguments: readonly string[];
  /** A file of waivers; undefined for the one beside the inventory. */
  waivers: string | undefined;
  /** Failures of a lower severity do not make the exit code 6. */
  failOn: Severity | undefined;
  accept: ReadonlySet<string>;
  /** Touch no host where somebody would notice. */
  failOnImpact: boolean;
  rotate: ReadonlySet<string>;
  /** A run record: select only its hosts that did not end as wanted. */
  retryFailed: string | undefined;
  /** Where a rollback leads. */
  to: Destination;
  shard: Shard | undefined;
}

/** The world around a run: the only way to the process, given by cli.ts. */
export interface Environment {
  cwd: string;
  /** The words that start redkeep again from there. */
  program: readonly string[];
  env: NodeJS.ProcessEnv;
  stdin: NodeJS.ReadStream;
  stdout: NodeJS.WriteStream;
  stderr: NodeJS.WriteStream;
  /** Aborted by the first Ctrl-C: hosts in progress finish, no other host starts. */
  interrupted: AbortSignal;
  /**
   * Called before the first connection: after it, an error may no longer say "no host was touched".
   * @param writeRecord writes the record as it stands, for a run that does not come to its own end. The last one given counts.
   */
  onEarlyEnd: (writeRecord: () => Promise<void>) => void;
  /** Errors of redkeep itself that belong to no host: the run goes on, and ends with exit code 3. */
  strays: string[];
}
