import { randomBytes } from "node:crypto";
import { shellProgram } from "../shell/program.ts";
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

/** How to become root: not at all, by sudo without a password, or by sudo that asks for one. */
type Become = "no" | "sudo" | "sudo with password";

const PROGRAMS: Readonly<Record<Become, string>> = {
  no: "as-user.sh",
  sudo: "as-root.sh",
  "sudo with password": "as-root-by-password.sh",
};

/** What a login shell is told for `script`, with a marker that nobody else knows. */
export function bootstrap(script: string, become: Become): Bootstrap {
  if (script.includes("\0")) throw new TypeError("a script cannot hold NUL");
  const [first, second] = [randomBytes(12).toString("hex"), randomBytes(12).toString("hex")];
  const started = `${first}:${second}`;
  // What sudo runs comes as $0.
  const name = become === "no" ? "sh" : inOneLine("run-script.sh");
  const words = [inOneLine(PROGRAMS[become]), name, first, second];
  return {
    awake: first,
    command: `exec /bin/sh -c ${words.map(shellQuote).join(" ")}`,
    started,
    prompt: `${started}:`,
    incomplete: `${started} incomplete`,
    payload: Buffer.from(`#${started}\n${script}\n#${started}\n`),
  };
}

/** A program as the login shell gets it. Where the lines of a `case` end, sh takes no semicolon. */
function inOneLine(program: string): string {
  return shellProgram(program)
    .trimEnd()
    .replaceAll(/(?<= in|;;)\n/g, " ")
    .replaceAll("\n", "; ");
}
