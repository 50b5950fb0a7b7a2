import { randomBytes } from "node:crypto";
import { shellQuote } from "../shell/quote.ts";

/**
 * How a script starts on a host: the command that the login shell runs, and what it and redkeep send each other.
 *
 * The text must mean the same to sh, bash, zsh, fish and csh, so it holds no line break, `!` or backslash, and inside
 * its quotes no quote. It holds no secret: other users of the host can read it, and sudo logs it. It holds the marker in
 * two separate halves, so that a shell that echoes its commands cannot fake a prompt or a start.
 */
export interface Bootstrap {
  command: string;
  /** The login user's shell writes this to standard error before it calls sudo. */
  awake: string;
  /** A line of both outputs that says: the shell that will run the script has started, as root where asked. */
  started: string;
  /** sudo's prompt for the password. */
  prompt: string;
  /** Written to standard error in place of running a script that did not arrive whole. */
  incomplete: string;
  /** Everything for standard input, after the password where sudo asks for one. */
  payload: Buffer;
}

/**
 * The whole script is read before any of it runs, and only if both of its ends have arrived: a connection that dies
 * during the upload also ends standard input, and would run half a script. The script then runs by `eval`, in the C locale,
 * with standard input at its end.
 */
const READ_AND_RUN = [
  "redkeep_mark=$1:$2",
  "shift 2",
  'echo "$redkeep_mark"',
  'echo "$redkeep_mark" >&2',
  "redkeep_script=$(cat)",
  'case $redkeep_script in "#$redkeep_mark"*"#$redkeep_mark") eval "$redkeep_script" ;; ' +
    '*) echo "$redkeep_mark incomplete" >&2; exit 65 ;; esac',
].join("; ");

/** sudo is told the user, in case `runas_default` is another, and gives root's HOME, whose dotfiles root wrote. */
const SUDO =
  'echo "$1" >&2; LC_ALL=C; export LC_ALL; exec sudo -H -u root %FLAGS -- /bin/sh -c "$0" sh "$1" "$2"';

/** @param become how to become root: not at all, by sudo without a password, or by sudo that asks for one. */
export function bootstrap(script: string, become: "no" | "sudo" | "sudo with password"): Bootstrap {
  if (script.includes("\0")) throw new TypeError("a script cannot hold NUL");
  const [first, second] = [randomBytes(12).toString("hex"), randomBytes(12).toString("hex")];
  const started = `${first}:${second}`;
  const words =
    become === "no"
      ? [`LC_ALL=C; export LC_ALL; ${READ_AND_RUN}`, "sh", first, second]
      : // -k: sudo neither uses nor keeps a cached login, so that it asks the same each time.
        [SUDO.replace("%FLAGS", become === "sudo" ? "-n" : '-S -k -p "$1:$2:"'), READ_AND_RUN, first, second];
  return {
    awake: first,
    command: `exec /bin/sh -c ${words.map(shellQuote).join(" ")}`,
    started,
    prompt: `${started}:`,
    incomplete: `${started} incomplete`,
    payload: Buffer.from(`#${started}\n${script}\n#${started}\n`),
  };
}
