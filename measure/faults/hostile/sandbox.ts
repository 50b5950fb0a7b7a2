/** A folder in which hostile input does whatever it can, and the marks that it would leave. */
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { ZodError } from "zod";
import { HostError } from "../../../src/connection/connection.ts";
import { ProbeError } from "../../../src/facts/probe.ts";
import { InputError } from "../../../src/lib/errors.ts";
import { TemplateError } from "../../../src/lib/template.ts";
import { type Outcome, redkeep } from "../../../test/support/cli.ts";
import { hostileTexts, pieces } from "./draw.ts";

/** Milliseconds after which a case hangs: what ends at all ends in a few, on a quiet machine. */
const DEADLINE = 30_000;

/** /bin/sh of Debian. */
const HOST_SHELL = "dash";

/** What steers terminals, hides or reorders text. */
export const STEERING = /[^\P{Cc}\n\t]|[\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u;

export class Sandbox implements Disposable {
  readonly directory: string;
  /** Comes to be when a value is executed. */
  readonly canary: string;
  readonly pieces: readonly string[];
  #cases = 0;

  constructor() {
    this.directory = mkdtempSync(join(tmpdir(), "redkeep-hostile-"));
    this.canary = join(this.directory, "canary");
    this.pieces = pieces(this.canary);
  }

  texts(count: number, seed: number): string[] {
    return hostileTexts(this.canary, count, seed);
  }

  /** Writes files into a new folder, and gives its path. */
  folder(files: Readonly<Record<string, string | Uint8Array>> = {}): string {
    const folder = join(this.directory, `case-${++this.#cases}`);
    mkdirSync(folder);
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), content);
      if (typeof content === "string" && content.startsWith("#!")) chmodSync(join(folder, name), 0o755);
    }
    return folder;
  }

  remove(folder: string): void {
    rmSync(folder, { recursive: true, force: true });
  }

  /** Runs redkeep in a folder with these files. Throws for all that no input may do to it. */
  async redkeep(
    args: readonly string[],
    files: Readonly<Record<string, string | Uint8Array>>,
  ): Promise<Outcome> {
    const cwd = this.folder(files);
    try {
      const late = Promise.withResolvers<never>();
      const timer = setTimeout(() => late.reject(new Error(`no end within ${DEADLINE / 1000} s`)), DEADLINE);
      const run = redkeep(args, { cwd, env: { APP_PASSWORD: "a-password-of-the-tests" } });
      const outcome = await Promise.race([run, late.promise]).finally(() => clearTimeout(timer));
      // JSON from `inventory` is for programs: there Ansible's own escapes count.
      const texts = args[0] === "inventory" ? [outcome.stderr] : [outcome.stderr, outcome.stdout];
      for (const text of texts) {
        if (/bug in redkeep|\n {4}at /.test(text)) throw new Error(`a bug: ${text.slice(0, 600)}`);
        if (STEERING.test(text))
          throw new Error(`prints what steers a terminal: ${JSON.stringify(text.slice(0, 600))}`);
      }
      return outcome;
    } finally {
      this.remove(cwd);
    }
  }

  /** Runs a script as a host's sh would, and gives what it printed. */
  sh(script: string): Buffer {
    return execFileSync(HOST_SHELL, [], {
      cwd: this.directory,
      input: script,
      stdio: ["pipe", "pipe", "ignore"],
    });
  }

  /** What became of the world around: nothing, or a sentence. */
  harm(): string | undefined {
    if (existsSync(this.canary)) {
      rmSync(this.canary);
      return "a value was executed: it made the canary file";
    }
    const own = Object.keys(Object.prototype).concat(Object.keys(Array.prototype));
    if (own.length === 0 && Reflect.get({}, "x") === undefined) return undefined;
    for (const name of Object.keys(Object.prototype)) Reflect.deleteProperty(Object.prototype, name);
    return `every object now has ${own.join(", ")}`;
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** The errors that say what is wrong with an input; any other is a bug. */
export function isRefusal(error: unknown): boolean {
  return [InputError, HostError, ProbeError, TemplateError, ZodError].some((kind) => error instanceof kind);
}

/** `found` as a short sentence. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message).slice(0, 1500) : String(error);
}
