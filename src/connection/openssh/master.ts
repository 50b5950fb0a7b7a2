import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { shellProgram } from "../../shell/program.ts";
import { GOODBYE } from "../session.ts";

/** Seconds of CPU that one `ssh` may take. A login takes less than 0.1 s, a script's largest answer 0.2 s; all hosts behind a jump host share its `ssh`. */
const CPU_SECONDS = { host: 5, "jump host": 120 } as const;

/** The longest path of a folder in which a socket can be: OpenSSH adds 18 characters while it makes one, and macOS takes 104 in all. */
const MAX_DIRECTORY = 80;

/** How a process ended: by itself, or by a signal. */
export interface Exit {
  code: number | null;
  name: NodeJS.Signals | null;
}

/** One `ssh` that redkeep started, and its folder, which nobody else may enter. */
export class Master {
  readonly directory: string;
  readonly controlPath: string;
  #child: ChildProcess | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor() {
    this.directory = privateDirectory();
    this.controlPath = join(this.directory, "s");
  }

  /**
   * Runs `ssh` with these arguments.
   * @param env is added to our own environment
   */
  start(role: keyof typeof CPU_SECONDS, args: readonly string[], env: Record<string, string>): ChildProcess {
    const child = spawn(
      "/bin/sh",
      ["-c", shellProgram("launch.sh"), "sh", String(CPU_SECONDS[role]), this.directory, "ssh", ...args],
      {
        detached: true,
        stdio: ["pipe", "ignore", "pipe"],
        // We read what ssh says, so it must not translate it.
        env: { ...process.env, LC_ALL: "C", ...env },
      },
    );
    this.#child = child;
    child.stdin?.on("error", () => {});
    child.once("close", () => {
      clearTimeout(this.#timer);
      child.stdin?.destroy();
      this.#remove();
    });
    child.once("error", () => this.#remove());
    return child;
  }

  /** Asks it to go, and makes it go soon after. */
  end(): void {
    if (this.#child === undefined) {
      this.#remove();
      return;
    }
    this.#child.stdin?.end();
    this.#timer ??= setTimeout(() => this.kill(), GOODBYE).unref();
  }

  /** Ends it, and all that it started, at once. */
  kill(): void {
    this.#remove();
    const { pid, exitCode, signalCode } = this.#child ?? {};
    // Once somebody has waited for a process, another one may get its pid.
    if (pid === undefined || exitCode !== null || signalCode !== null) return;
    try {
      process.kill(-pid, "SIGKILL");
    } catch {
      // The process has just ended.
    }
  }

  #remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function privateDirectory(): string {
  const make = (parent: string) => mkdtempSync(join(parent, "redkeep-"));
  const name = join(tmpdir(), "redkeep-XXXXXX");
  return make(Buffer.byteLength(name) > MAX_DIRECTORY ? "/tmp" : tmpdir());
}
