import type { Secret } from "../lib/secret.ts";
import type { StateFolder } from "./bring-state.ts";

/**
 * Which generated password a host has that it should not have: the one that all servers share (from an earlier version),
 * another server's, or this server's from before a rotation.
 */
export type PasswordOrigin = { of: "all" } | { of: "server"; name: string } | { of: "earlier" };

/** What the controller holds for a run. The tasks get it as values. */
export interface Controller {
  /** A user's password; `missing` where apply will generate it. */
  password: (name: string) => { value: Secret } | { missing: "generate" };
  /** Whose password a user on a host has, told by its hash; undefined where it is this server's own. */
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
