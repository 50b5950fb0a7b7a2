import type { ServerLogin } from "./server-login.ts";

/** A question to `ACL DRYRUN`: may this user run this command? The words after the first are its arguments. */
export interface DryRun {
  user: string;
  command: readonly string[];
}

/** What the controller tells the probe of one host. It travels inside the script, on stdin. */
export interface ProbeInput {
  /** The unit that `redkeep_unit` names; empty where the host's only Redis unit is meant. */
  unit: string;
  /** How redkeep logs in to Redis; absent where no password is known yet. */
  login?: ServerLogin;
  /** Further paths to describe, beside those that the configuration names. */
  paths: readonly string[];
  /** Original names of commands whose presence on the running server matters. */
  commands: readonly string[];
  dryRuns: readonly DryRun[];
  /** Commands with arguments that every user of the server is asked for; empty for none. */
  matrix: readonly (readonly string[])[];
  /** How many keys are looked at, at random. */
  keySamples: number;
  /** Ports whose TLS handshake is tried, beside those on which the server listens. */
  tlsPorts: readonly number[];
  /** True where checks follow (verify, apply): handshakes and unauthenticated PINGs are then made. */
  prove: boolean;
  /** Backups of redkeep's own, as `ID/NUMBER`, whose texts are wanted. */
  backups: readonly string[];
}

/** Beside what every probe looks at. */
export const NOTHING_ASKED: ProbeInput = {
  unit: "",
  paths: [],
  commands: [],
  dryRuns: [],
  matrix: [],
  keySamples: 0,
  tlsPorts: [],
  prove: false,
  backups: [],
};
