import { spawn } from "node:child_process";
import { basename, dirname, extname } from "node:path";
import { InputError } from "../lib/errors.ts";
import { isExecutable, openToOthers } from "../lib/own-program.ts";
import { Secret } from "../lib/secret.ts";
import { readTextFile } from "../lib/text-file.ts";
import { isVault } from "./envelope.ts";
import type { VaultIdentity } from "./identities.ts";

/** What fetching a password takes. */
export interface PasswordContext {
  env: NodeJS.ProcessEnv;
  /** Asks on the terminal. @throws InputError without one */
  ask: (question: string, option: string) => Promise<Secret>;
  /** Aborts when the user gives up. */
  interrupted: AbortSignal;
}

const TIMEOUT_MS = 60_000;
const MOST_BYTES = 64 * 1024;

/**
 * Fetches one password as Ansible does: the text of a file without the white space around it, what a program prints without
 * its line ends, or what the user answers. A program whose name ends in `-client` gets the id.
 *
 * @param open opens a password file that is encrypted itself
 * @throws InputError where there is no password
 */
export async function fetchPassword(
  { id, source, given }: VaultIdentity,
  context: PasswordContext,
  open: (text: string, file: string) => Promise<string>,
): Promise<Secret> {
  if ("question" in source) {
    const answer = withoutBlanks((await context.ask(source.question, given)).reveal());
    if (answer === "") throw new InputError({ key: given, message: "the vault's password was left empty" });
    return new Secret(answer);
  }
  const { file } = source;
  const problem = (message: string) => new InputError({ place: { file }, key: given, message });
  if (await isExecutable(file)) {
    const exposure = await openToOthers(file);
    if (exposure !== undefined) throw problem(exposure);
    const printed = await runProgram(file, id, context, problem);
    const password = withoutLineEnds(printed);
    if (password === "") throw problem("printed no password");
    return new Secret(password);
  }
  const text = withoutBlanks(await readTextFile(file, file, { keepsMark: true }));
  const password = isVault(text) ? withoutLineEnds(await open(text, file)) : text;
  if (password === "") throw problem("is empty, expected the vault's password");
  return new Secret(password);
}

function withoutLineEnds(text: string): string {
  return text.replace(/^[\r\n]+|[\r\n]+$/g, "");
}

/** Without the white space around it, as Python's bytes have it: a byte order mark is part of the password. */
function withoutBlanks(text: string): string {
  return text.replace(/^[\t-\r ]+|(?<![\t-\r ])[\t-\r ]+$/g, "");
}

function runProgram(
  file: string,
  id: string,
  { env, interrupted }: PasswordContext,
  problem: (message: string) => InputError,
): Promise<string> {
  const isClient = basename(file, extname(file)).endsWith("-client");
  return new Promise((done, reject) => {
    // As with Ansible, the program may ask on the terminal: it shares our stdin and stderr. Nobody sees its output.
    const child = spawn(file, isClient ? ["--vault-id", id] : [], {
      cwd: dirname(file),
      env,
      stdio: ["inherit", "pipe", "inherit"],
      timeout: TIMEOUT_MS,
      killSignal: "SIGKILL",
      signal: interrupted,
    });
    const chunks: Buffer[] = [];
    let size = 0;
    child.stdout.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size <= MOST_BYTES) chunks.push(chunk);
      else child.kill("SIGKILL");
    });
    child.on("error", (error: NodeJS.ErrnoException) =>
      reject(
        problem(
          `cannot be run for the vault's password (${error.code ?? error.message}): if it holds the password itself, take its executable bit away`,
        ),
      ),
    );
    child.on("close", (code, signal) => {
      if (size > MOST_BYTES)
        reject(problem(`printed more than ${MOST_BYTES / 1024} KiB, expected a password`));
      else if (signal === "SIGKILL") reject(problem(`gave no password within ${TIMEOUT_MS / 1000} s`));
      else if (code === 2 && isClient)
        reject(problem(`knows no password for the vault id ${id} (it ended with 2)`));
      else if (code !== 0) reject(problem(`gave no password: it ended with ${code ?? signal}`));
      else done(Buffer.concat(chunks).toString("utf8"));
    });
  });
}
