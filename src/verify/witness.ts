/** Whose word a check rests on: what root itself looked at, or what the server said of itself. */
export type Witness = "root" | "server";

/** What only the server says, by the beginnings of sources. A server that was taken over says what it likes. */
const SERVERS_WORD =
  /^(?:CONFIG GET|ACL (?:LIST|CAT|DRYRUN)|CLIENT LIST|INFO\b|SENTINEL|COMMAND INFO|PING|from the host itself|openssl s_client)/;

/** A check rests on the server's word alone where all of its sources are the server's. */
export function witnessOf({ source }: { source: string }): Witness {
  const parts = source.split(/, (?:and )?| against /);
  return parts.every((part) => SERVERS_WORD.test(part) || /^[a-z-]+$/.test(part)) ? "server" : "root";
}
