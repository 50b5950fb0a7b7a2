import { spawn } from "node:child_process";
import { open, stat } from "node:fs/promises";
import { Cancelled, errorOf, InputError } from "../lib/errors.ts";
import { isExecutable, openToOthers } from "../lib/own-program.ts";
import { printable } from "../lib/printable.ts";
import { behindMark, unreadable } from "../lib/text-file.ts";
import { parseYaml } from "../lib/yaml.ts";
import { describeNode, type YamlMapping, type YamlNode } from "../lib/yaml-node.ts";
import type { Vault } from "../vault/vault.ts";
import type { InventoryBuilder } from "./inventory-builder.ts";
import { ProgramAnswer } from "./program-answer.ts";

export const MAX_OUTPUT_BYTES = 32 * 1024 * 1024;
const MAX_STDERR_BYTES = 8 * 1024;
/** `#!`, and how a compiled program begins on Linux and macOS. */
const MAGIC = ["2321", "7f454c46", "cffaedfe", "cefaedfe", "cafebabe"];

export interface ProgramContext {
  cwd: string;
  /** Opens a file that is encrypted. */
  vault: Vault;
  /** How long a program may take for one answer. */
  programSeconds: number;
  /** Ends a program that is running. */
  interrupted: AbortSignal | undefined;
}

/**
 * Whether Ansible would run the file: it is executable, and the system knows how. On some disks every file is executable: a
 * data file there is no program.
 */
export async function isProgram(path: string, file: string): Promise<boolean> {
  if (!(await isExecutable(path))) return false;
  try {
    // What is read of a pipe here, its reader would miss.
    if (!(await stat(path)).isFile()) return false;
    await using handle = await open(path);
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(4), 0, 4, 0);
    const head = buffer.subarray(0, bytesRead).toString("hex");
    return MAGIC.some((magic) => head.startsWith(magic));
  } catch (error) {
    throw unreadable(error, file);
  }
}

/**
 * Runs an inventory program with `--list`, and adds what it says to `builder`. Where that has no `_meta.hostvars`, it runs the
 * program for each host too, with `--host NAME`.
 *
 * @throws InputError when it fails, hangs, prints more than 32 MiB, or prints what Ansible does not expect of it.
 */
export async function addProgram(
  path: string,
  file: string,
  context: ProgramContext,
  builder: InventoryBuilder,
): Promise<void> {
  const open = await openToOthers(path);
  if (open !== undefined) throw new InputError({ place: { file }, message: open });
  const ask = async (args: string[]): Promise<Answer> => {
    const words = `${file} ${args.join(" ")}`;
    const text = await run(path, args, words, context);
    if (behindMark(text) !== undefined) {
      const message = "expected JSON, found a byte order mark before it, which Ansible does not read";
      throw new InputError({ place: { file: words }, message });
    }
    return { words, text };
  };
  const list = await ask(["--list"]);
  const root = mappingOf(jsonOf(list), list.words);
  const answer = new ProgramAnswer(builder);
  const variables = answer.read(root);
  for (const [name, place] of answer.hosts) {
    if (variables !== undefined) answer.setHost(name, variables.entries.get(name)?.node);
    else {
      const { text, words } = await ask(["--host", name]);
      answer.setHost(name, parseYaml(text, words).root, place);
    }
  }
}

interface Answer {
  /** The program and its arguments, for messages. */
  words: string;
  text: string;
}

/** Reads JSON as JSON: as YAML, half of a document may pass for a whole one. */
function jsonOf({ text, words }: Answer): YamlNode {
  try {
    JSON.parse(text);
  } catch (error) {
    throw new InputError({
      place: { file: words },
      message: `expected an inventory as one JSON object, found ${whatIsNoJson(text, errorOf(error))}`,
    });
  }
  return parseYaml(text, words).root;
}

/** The parser's own words would quote the text, which may hold a password. */
function whatIsNoJson(text: string, { message }: Error): string {
  const end = text.trimEnd().length;
  if (end === 0) return "nothing";
  const at = / at position (\d+) \(line (\d+) column (\d+)\)/.exec(message);
  if (/^Unexpected end|^Unterminated/.test(message) || Number(at?.[1]) >= end)
    return `JSON that breaks off after ${end} characters`;
  return at === null ? "something else" : `something else at line ${at[2]}, column ${at[3]}`;
}

function mappingOf(node: YamlNode, words: string): YamlMapping {
  if (node.kind === "mapping") return node;
  throw new InputError({
    place: { file: words },
    message: `expected an inventory as one JSON object, found ${describeNode(node)}`,
  });
}

/** What the program prints. It runs in a process group of its own, so that redkeep can end it with all that it started. */
function run(
  path: string,
  args: readonly string[],
  words: string,
  { cwd, programSeconds, interrupted }: ProgramContext,
): Promise<string> {
  return new Promise((done, reject) => {
    if (interrupted?.aborted) return reject(new Cancelled());
    const child = spawn(path, args, { cwd, detached: true, stdio: ["ignore", "pipe", "pipe"] });
    const output: Buffer[] = [];
    let size = 0;
    let stderr: Buffer = Buffer.alloc(0);
    let hasEnded = false;

    const endAll = (): void => {
      if (hasEnded) return;
      hasEnded = true;
      clearTimeout(timer);
      interrupted?.removeEventListener("abort", onInterrupt);
      child.stdout.destroy();
      child.stderr.destroy();
      try {
        if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
      } catch {
        // The whole group has ended.
      }
    };
    const fail = (message: string): void => {
      endAll();
      const said = lastWords(stderr);
      reject(
        new InputError({
          place: { file: words },
          message: said === "" ? message : `${message}. It said: ${said}`,
        }),
      );
    };
    const onInterrupt = (): void => {
      endAll();
      reject(new Cancelled());
    };
    const timer = setTimeout(
      () => fail(`expected an answer within ${programSeconds} s, found none; the program was ended`),
      programSeconds * 1000,
    );
    interrupted?.addEventListener("abort", onInterrupt);

    child.stdout.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size > MAX_OUTPUT_BYTES) {
        output.length = 0;
        fail(
          `expected at most ${MAX_OUTPUT_BYTES / 1024 / 1024} MiB of JSON, found more; the program was ended`,
        );
      } else output.push(chunk);
    });
    child.stderr.on("data", (chunk: Buffer) => {
      stderr = Buffer.concat([stderr, chunk]).subarray(-MAX_STDERR_BYTES);
    });
    child.on("error", (error: NodeJS.ErrnoException) => {
      const reason =
        error.code === "ENOENT"
          ? "the program that its first line names does not exist"
          : `${error.code ?? error.message}`;
      fail(`cannot be run: ${reason}`);
    });
    child.on("close", (status, signal) => {
      if (status !== 0) {
        fail(
          `expected exit status 0, found ${status === null ? `signal ${signal}` : `exit status ${status}`}`,
        );
        return;
      }
      hasEnded = true;
      clearTimeout(timer);
      interrupted?.removeEventListener("abort", onInterrupt);
      try {
        done(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Buffer.concat(output)));
      } catch {
        fail("expected JSON in UTF-8, found other bytes");
      }
    });
  });
}

/** The end of what the program said, as one safe line. */
function lastWords(stderr: Buffer): string {
  const text = stderr.toString();
  // Nothing recognises a secret that was cut.
  const whole = stderr.length < MAX_STDERR_BYTES ? text : text.slice(text.indexOf("\n") + 1);
  const lines = whole.trim().split(/\s*\n\s*/);
  return printable(lines.slice(-5).join(" | "), 1_000);
}
