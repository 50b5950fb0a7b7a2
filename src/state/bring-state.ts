import type { State } from "./state.ts";

/*
 * What the operator does where a host has a secret that another controller made. Copying the files comes first: `--rotate` cuts
 * off whoever uses the old secret, so it is for one that nobody has any more.
 */

/** The parts of the state folder that these texts need. */
export type StateFolder = Pick<State, "name" | "lacking">;

const THERE = "the controller that set this host up (they lie in its .redkeep, or where its --state is)";

/** What to copy for the CA, as a sentence or two. */
export function bringAuthority(state: StateFolder): string {
  const missing = state.lacking(["pki/ca.crt", "pki/ca.key"]);
  const files = [...(missing.length === 0 ? ["pki/ca.crt", "pki/ca.key"] : missing), "pki/clients/"];
  const paths = files.map((file) => `${state.name}/${file}`).join(", ");
  return (
    `copy ${paths} from ${THERE}, or name the CA in tls.ca. ` +
    "Only where nobody has it: --rotate ca makes a new one, and every client is refused until it has the new ca.crt and a new certificate"
  );
}

/** What to copy for the passwords of these users, of whom there is at least one. */
export function bringPasswords(state: StateFolder, users: readonly string[]): string {
  const file = `${state.name}/secrets.yml`;
  const isMissing = state.lacking(["secrets.yml"]).length > 0;
  const copy = isMissing ? `copy ${file}` : `copy the entries of ${users.join(", ")} into ${file}`;
  const rotate = users.map((name) => `--rotate ${name}`).join(" ");
  return (
    `${copy} from ${THERE}, or bring the passwords by env, file or command (users[].password). ` +
    `Only where nobody has them: ${rotate} makes new ones, and whoever logs in with the old ones is refused until it has the new`
  );
}
