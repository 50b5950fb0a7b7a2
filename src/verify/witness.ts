import { KNOWN_SETTINGS } from "../redis/known-names.ts";

/** What a check is based on: what root itself observed, or what the server says about itself. */
export type Witness = "root" | "server";

/** What only the server says, by the beginnings of sources. A server that was taken over says what it likes. */
const SERVERS_WORD =
  /^(?:CONFIG GET|ACL (?:LIST|CAT|DRYRUN)|CLIENT LIST|INFO\b|SENTINEL|COMMAND INFO|PING|from the host itself|openssl s_client)/;

/** A check rests on the server's word alone where all of its sources are the server's, or where it says so itself. */
export function witnessOf({ source, witness }: { source: string; witness?: "server" }): Witness {
  if (witness !== undefined) return witness;
  const parts = source.split(/, (?:and )?| against /);
  const isServers = (part: string, at: number) =>
    // Settings follow a CONFIG GET; `grep` and `stat` are root's own, and stand first.
    SERVERS_WORD.test(part) || (at > 0 && KNOWN_SETTINGS.has(part));
  return parts.every(isServers) ? "server" : "root";
}
