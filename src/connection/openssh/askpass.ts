import { execFile } from "node:child_process";
import { closeSync, constants, openSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { shellProgram } from "../../shell/program.ts";
import type { ResolvedConnection } from "../ssh-config.ts";

/** Empty answers that the pipe holds beyond the real ones: after so many, ssh would wait. */
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
  writeFileSync(program, `#!/bin/sh\n${shellProgram("askpass.sh")}`, { mode: 0o700 });
  const pipes = [join(directory, "password"), join(directory, "passphrase")] as const;
  await promisify(execFile)("mkfifo", ["-m", "600", ...pipes]);
  const passwords = password === undefined ? [] : [password.reveal()];
  // One for each key that ssh may ask about, and a spare one.
  const passphrases =
    privateKeyPassphrase === undefined ? [] : [...identityFiles, ""].map(() => privateKeyPassphrase.reveal());
  const open = [fill(pipes[0], passwords), fill(pipes[1], passphrases)];
  return {
    program,
    end: () => {
      for (const fd of open.splice(0)) closeSync(fd);
    },
  };
}

/** Puts lines into a pipe, which keeps them for as long as it is open here. */
function fill(path: string, lines: readonly string[]): number {
  // Opened for reading too: otherwise this would wait for a reader.
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  writeSync(fd, lines.map((line) => `${line}\n`).join("") + "\n".repeat(SPARE));
  return fd;
}
