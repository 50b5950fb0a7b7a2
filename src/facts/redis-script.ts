import { shellProgram } from "../shell/program.ts";
import type { ProbeInput } from "./probe-input.ts";
import { NOBODY } from "./reading.ts";
import { csvString, LINE_LIMIT, SESSION_LIMIT } from "./session.ts";

/** The name of the probe's own connection in CLIENT LIST. */
export const OWN_CLIENT_NAME = "redkeep";

/** A word for redis-cli's own command lines, which split and unescape as redis.conf does. */
export function redisWord(text: string): string {
  return `"${[...Buffer.from(text)].map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("")}"`;
}

const PASSWORDS = "requirepass masterauth primaryauth tls-key-file-pass tls-client-key-file-pass".replaceAll(
  " ",
  "\\|",
);

/** For sed, on the answer to CONFIG GET: whether a password is set is all that leaves the host. */
export const MASK_PASSWORDS = `/^\\(${PASSWORDS}\\)$/{n;s/..*/(set)/;}`;

/** The same, where redis-cli prints CSV: also where the line ends amid the password. */
const MASK_PASSWORDS_CSV = `s/"\\(${PASSWORDS}\\)","\\([^"\\]\\|\\\\.\\)\\{1,\\}"\\{0,1\\}/"\\1","(set)"/g`;

/** Finds a way in, and asks all questions over one connection. */
export function redisScript(input: ProbeInput): string {
  const { login, commands, dryRuns, matrix, keySamples } = input;
  const values = {
    NOBODY,
    OWN_NAME: OWN_CLIENT_NAME,
    LINE_LIMIT,
    SESSION_LIMIT,
    MASK_CSV: MASK_PASSWORDS_CSV,
    ADMIN: login ? `AUTH ${redisWord(login.user)} ${redisWord(login.password.reveal())}` : "",
    ADMIN_USER: login ? csvString(login.user) : "",
    COMMANDS: commands.join(" "),
    DRY_RUNS: dryRuns.map(({ user, command }) => [redisWord(user), titleWord(user), ...command].join(" ")),
    KEY_SAMPLES: keySamples,
    ACCESS: matrix.map(([name = "", ...rest]) => `${name} ${rest.join(" ")}`),
    MULTI_AT: matrix.findIndex(([name]) => name === "MULTI") + 1,
  };
  return shellProgram("probe/redis.sh", values, (part) =>
    part === "probe/access.sh" && matrix.length === 0 ? "" : undefined,
  );
}

/** A user's name for a section line; in hex where it could end a quoted word of the shell or of redis-cli. */
export function titleWord(user: string): string {
  return /^[\w.@-]+$/.test(user) ? user : `x${Buffer.from(user).toString("hex")}`;
}
