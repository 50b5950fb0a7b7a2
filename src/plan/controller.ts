import type { Secret } from "../secret.ts";

/** What the controller holds for a run, given to the tasks as values. */
export interface Controller {
  /** A user's password; `missing` where it is to be generated at apply. */
  password: (name: string) => { value: Secret } | { missing: "generate" };
  /** Names for which `--rotate` replaces a value that hosts already have. */
  rotate: ReadonlySet<string>;
  /** The CA's certificate (PEM); undefined where apply will make it. */
  caCertificate: string | undefined;
  /** The user's own server certificate and key (PEM), where the playbook names them. */
  certificate: { certificate: string; key: Secret } | undefined;
}
