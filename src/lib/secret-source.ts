import { execFile } from "node:child_process";
import { homedir } from "node:os";
import { resolve } from "node:path";
import { InputError, type Place } from "./errors.ts";
import { excerpt, Secret } from "./secret.ts";
import { behindMark, readTextFile } from "./text-file.ts";

/**
 * Where a secret comes from, as people write it: an environment variable, a file, or a command's output. `vaulted` is a variable
 * whose value a vault had, and is there already.
 */
export type SecretSource = { env: string } | { file: string } | { command: string[] } | { vaulted: Secret };

export interface SecretSourceOptions {
  /** What a relative file counts from, and where a command runs. */
  baseDir: string;
  env: NodeJS.ProcessEnv;
  /** Where and under which key the source is written, for messages. */
  place?: Place | undefined;
  key?: string | undefined;
  /** Takes a text of several lines, such as a key in PEM form, as it stands. */
  multiline?: boolean | undefined;
  /** Gives a file's text as it is, or opened where it is encrypted. */
  openVault?: ((text: string, file: string) => Promise<string>) | undefined;
  /** Shared by callers that may name one source many times: each is then read once. */
  cache?: Map<string, Promise<Secret>> | undefined;
}

const COMMAND_TIMEOUT_MS = 60_000;

/** The source that `value` describes, or what is wrong with it, as the end of a sentence. */
export function parseSecretSource(value: unknown): SecretSource | string {
  const expected = "{ env: NAME }, { file: PATH } or { command: [PROGRAM, ARGUMENT, …] }";
  if (typeof value !== "object" || value === null || Array.isArray(value)) return `expected ${expected}`;
  const [[kind, setting] = ["", undefined], ...others] = Object.entries(value);
  if (others.length > 0 || !["env", "file", "command"].includes(kind)) {
    return `expected one of ${expected}, found the keys ${Object.keys(value).join(", ") || "of nothing"}`;
  }
  if (kind === "command") {
    const isCommand =
      Array.isArray(setting) &&
      setting.every((word) => typeof word === "string" && !word.includes("\0")) &&
      setting[0];
    return isCommand
      ? { command: setting }
      : "expected command to be a list of texts: [PROGRAM, ARGUMENT, …]";
  }
  if (typeof setting !== "string" || setting === "") return `expected ${kind} to be a text that is not empty`;
  return kind === "env" ? { env: setting } : { file: setting };
}

/**
 * Reads a secret. One line end after it is taken off.
 *
 * @throws InputError when there is none, or it is empty or has a line break or NUL, which no password prompt takes.
 */
export function readSecretSource(source: SecretSource, options: SecretSourceOptions): Promise<Secret> {
  // As JSON all of these are the same.
  if ("vaulted" in source) return readUncached(source, options);
  const { cache, baseDir } = options;
  const key = JSON.stringify([source, baseDir]);
  const known = cache?.get(key);
  if (known) return known;
  const secret = readUncached(source, options);
  cache?.set(key, secret);
  return secret;
}

async function readUncached(source: SecretSource, options: SecretSourceOptions): Promise<Secret> {
  const origin = describeSource(source);
  const fail = (message: string): InputError =>
    new InputError({
      place: options.place,
      key: options.key,
      message: `the secret from ${origin} ${message}`,
    });
  const whole = await readText(source, options, fail);
  const text = options.multiline ? whole : whole.replace(/\r?\n$/, "");
  if (text.trim() === "") throw fail("is empty");
  if (!options.multiline && /[\0\r\n]/.test(text))
    throw fail("has a line break or a NUL in it, expected one line");
  return new Secret(text);
}

async function readText(
  source: SecretSource,
  { baseDir, env, openVault = async (text) => text }: SecretSourceOptions,
  fail: (message: string) => InputError,
): Promise<string> {
  if ("vaulted" in source) return source.vaulted.reveal();
  if ("env" in source) {
    const text = env[source.env];
    if (text === undefined) throw fail("is not there: the variable is not set");
    return text;
  }
  if ("command" in source) return runCommand(source.command, baseDir, env, fail);
  let text: string;
  try {
    text = await readTextFile(resolve(baseDir, source.file.replace(/^~(?=\/)/, homedir())), source.file);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    throw fail(`cannot be read: the file ${error.problems[0]?.message}`);
  }
  const opened = await openVault(text, source.file);
  return behindMark(opened) ?? opened;
}

function describeSource(source: SecretSource): string {
  if ("env" in source) return `the environment variable ${source.env}`;
  if ("file" in source) return source.file;
  if ("vaulted" in source) return "Ansible Vault";
  return `the command ${source.command[0]}`;
}

function runCommand(
  [program = "", ...args]: string[],
  cwd: string,
  env: NodeJS.ProcessEnv,
  fail: (message: string) => InputError,
): Promise<string> {
  return new Promise((done, reject) => {
    const options = { cwd, env, timeout: COMMAND_TIMEOUT_MS, maxBuffer: 1024 * 1024 };
    const child = execFile(program, args, options, (error, stdout, stderr) => {
      if (error === null) return done(stdout);
      // Its output is never shown: it may be half a secret. What it says on stderr is meant for people.
      const reason = excerpt(stderr.trim().split("\n").at(-1) ?? "", 200);
      if (error.killed) return reject(fail(`did not come within ${COMMAND_TIMEOUT_MS / 1000} s`));
      if (error.code === "ENOENT") return reject(fail("cannot be read: there is no such program"));
      reject(
        fail(`cannot be read: it ended with ${error.code ?? error.signal}${reason ? ` ("${reason}")` : ""}`),
      );
    });
    child.stdin?.end();
  });
}
