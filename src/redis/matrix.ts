/** One column of the matrix of users by commands. */
export interface MatrixCommand {
  /** For people: `CONFIG GET`. */
  name: string;
  /** With valid arguments: `ACL DRYRUN` answers with an error where their number is wrong. */
  words: readonly string[];
  dangerous: boolean;
  /** It names a key or a channel: whoever has none cannot run it. */
  needs: "key" | "channel" | undefined;
}

const question = (
  dangerous: boolean,
  name: string,
  rest: string,
  needs?: "key" | "channel",
): MatrixCommand => ({
  name,
  words: [...name.split(" "), ...rest.split(" ").filter(Boolean)],
  dangerous,
  needs,
});
const dangerous = (name: string, rest = "", needs?: "key") => question(true, name, rest, needs);
const ordinary = (name: string, rest = "", needs?: "key" | "channel") => question(false, name, rest, needs);

/**
 * What takes a server over, empties it, stops it or shows what others keep there, and what libraries send when they
 * connect and applications need every day.
 */
export const MATRIX: readonly MatrixCommand[] = [
  dangerous("FLUSHALL"),
  dangerous("FLUSHDB"),
  dangerous("KEYS", "*"),
  dangerous("CONFIG GET", "maxmemory"),
  dangerous("CONFIG SET", "maxmemory 1"),
  dangerous("SHUTDOWN"),
  dangerous("DEBUG", "SLEEP 0"),
  dangerous("REPLICAOF", "NO ONE"),
  dangerous("SWAPDB", "0 1"),
  dangerous("MIGRATE", "h 1 k 0 1", "key"),
  dangerous("RESTORE", "k 0 x", "key"),
  dangerous("SORT", "k", "key"),
  dangerous("EVAL", "return 0"),
  dangerous("FUNCTION FLUSH"),
  dangerous("SCRIPT FLUSH"),
  dangerous("ACL LIST"),
  dangerous("ACL SETUSER", "u"),
  dangerous("MONITOR"),
  dangerous("MODULE LIST"),
  dangerous("SAVE"),
  dangerous("CLIENT LIST"),
  dangerous("CLIENT KILL", "ID 1"),
  dangerous("SLOWLOG GET"),
  ordinary("HELLO", "3"),
  ordinary("PING"),
  ordinary("SELECT", "1"),
  ordinary("CLIENT SETNAME", "x"),
  ordinary("CLIENT SETINFO", "LIB-NAME x"),
  ordinary("INFO"),
  ordinary("GET", "k", "key"),
  ordinary("SET", "k v", "key"),
  ordinary("DEL", "k", "key"),
  ordinary("EXPIRE", "k 1", "key"),
  ordinary("INCR", "k", "key"),
  ordinary("HSET", "k f v", "key"),
  ordinary("LPUSH", "k v", "key"),
  ordinary("SCAN", "0"),
  ordinary("MULTI"),
  ordinary("PUBLISH", "c m", "channel"),
  ordinary("SUBSCRIBE", "c", "channel"),
];
