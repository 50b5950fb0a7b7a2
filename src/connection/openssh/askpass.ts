import { execFile } from "node:child_process";
import { closeSync, constants, openSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { ResolvedConnection } from "../ssh-config.ts";
import { OWN_SSH } from "./master.ts";

/**
 * What ssh runs where it wants a secret. It reads one line of a pipe. Where a password is wanted a second time it ends ssh:
 * each answer would be another failed login. It answers our own ssh alone: one that a ProxyCommand runs inherits the
 * environment, and would show the host's password to a jump host.
 *
 * $1 is the prompt. Only ssh itself asks for passphrases and PINs; what a server asks by keyboard-interactive begins with
 * "(user@host)" since OpenSSH 8.5, and comes with a passphrase in hand from no version (see `methodsOf`).
 */
const ASKPASS = `#!/bin/sh
case $SSH_ASKPASS_PROMPT in none) exit 0 ;; confirm) exit 1 ;; esac
[ "$PPID" = "$${OWN_SSH}" ] || { kill -s TERM "$PPID"; exit 1; }
case $1 in
  "Enter passphrase for "* | "Enter PIN for "*) IFS= read -r answer <"\${0%/*}/passphrase" ;;
  *) IFS= read -r answer <"\${0%/*}/password" && [ -n "$answer" ] || kill -s TERM "$PPID" ;;
esac
[ -n "$answer" ] || exit 1
printf '%s\\n' "$answer"
`;

/** How often the pipe is read without an answer before it would make ssh wait. */
const SPARE = 100;

/** Answers for one login; end them once it is over. */
export interface Askpass {
  /** For ssh's environment: the program's path. It holds no secret. */
  program: string;
  end(): void;
}

/**
 * Lays the program into `directory`, which nobody else may enter, with its secrets in pipes beside it: they are in no
 * argument, no environment and no file's content.
 */
export async function askpass(
  directory: string,
  { password, privateKeyPassphrase, identityFiles }: ResolvedConnection,
): Promise<Askpass | undefined> {
  if (password === undefined && privateKeyPassphrase === undefined) return undefined;
  const program = join(directory, "askpass");
  writeFileSync(program, ASKPASS, { mode: 0o700 });
  const pipes = [join(directory, "password"), join(directory, "passphrase")] as const;
  await promisify(execFile)("mkfifo", ["-m", "600", ...pipes]);
  const once = password === undefined ? [] : [password.reveal()];
  const forEach =
    privateKeyPassphrase === undefined ? [] : [...identityFiles, ""].map(() => privateKeyPassphrase.reveal());
  const open = [fill(pipes[0], once), fill(pipes[1], forEach)];
  return {
    program,
    end: () => {
      for (const fd of open.splice(0)) closeSync(fd);
    },
  };
}

/** Puts lines into a pipe, which keeps them for as long as it is open here. */
function fill(path: string, lines: readonly string[]): number {
  // Open for both: it would wait for a reader otherwise.
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  writeSync(fd, lines.map((line) => `${line}\n`).join("") + "\n".repeat(SPARE));
  return fd;
}
