import { randomBytes } from "node:crypto";
import { shellQuote } from "../shell/quote.ts";

/**
 * How a script starts on a host: the text that the login shell runs, and what is exchanged with it.
 *
 * The text must mean the same to sh, bash, zsh, fish and csh, so it holds no line break, `!` or backslash, and inside
 * its quotes no quote. It holds no secret: other users of the host can read it, and sudo logs it. The two halves of
 * the marker stand apart in it, so that a shell that echoes its commands does not announce a prompt or a start.
 */
export interface Bootstrap {
  command: string;
  /** Written to standard error by the login user's shell, before sudo is asked for anything. */
  awake: string;
  /** Stands alone on a line of both outputs when the shell that will run the script, as root where asked, is there. */
  started: string;
  /** What sudo asks with. */
  prompt: string;
  /** Written to standard error in place of running a script that did not arrive whole. */
  incomplete: string;
  /** All that goes to standard input, after a password where one is asked for. */
  payload: Buffer;
}

/**
 * The whole script is read before any of it runs, and only if both of its ends have arrived: a connection that dies
 * during the upload ends standard input as well, and would run half a script. It then runs by `eval`, in the C locale,
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
      : // -k: neither use nor leave a remembered login, so that the same is asked each time.
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
