import type { Secret } from "../lib/secret.ts";
import type { StateFolder } from "./bring-state.ts";

/**
 * A generated password that a host has and should not: that of all servers, from an earlier version, another server's, or this
 * server's from before it was made anew.
 */
export type PasswordOrigin = { of: "all" } | { of: "server"; name: string } | { of: "earlier" };

/** What the controller holds for a run, given to the tasks as values. */
export interface Controller {
  /** A user's password; `missing` where it is to be generated at apply. */
  password: (name: string) => { value: Secret } | { missing: "generate" };
  /** Whose password a user on a host has, by its hash, where that is not this server's own. */
  origin: (user: string, hash: string) => PasswordOrigin | undefined;
  /** Where it keeps what it generates. */
  state: StateFolder;
  /** Names for which `--rotate` replaces a value that hosts already have. */
  rotate: ReadonlySet<string>;
  /** The CA's certificate (PEM); undefined where apply will make it. */
  caCertificate: string | undefined;
  /** The user's own server certificate and key (PEM), where the playbook names them. */
  certificate: { certificate: string; key: Secret } | undefined;
}
