import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { shellProgram } from "../../shell/program.ts";
import { GOODBYE } from "../session.ts";
import { cpuSeconds } from "./cpu.ts";

/**
 * Seconds of CPU time that one `ssh` may take: a login takes less than 0.1 s, a script's largest answer 0.2 s. All hosts behind a
 * jump host share its `ssh`: this is the most for it, whatever goes through. The shell that starts it sets this as a limit; we look at
 * the one below every now and then.
 */
const CPU_SECONDS = { host: 5, "jump host": 120 } as const;

/**
 * Seconds of CPU time that the `ssh` of a jump host may take: its own, and for each connection through it some, with twice what the
 * `ssh` at its other end takes. What goes through costs both about the same, so a host that is hostile itself does not use up
 * what the others need, and a jump host that is gets little more than a host.
 */
const JUMP_SECONDS = { own: 5, guest: 1, times: 2 } as const;
const WATCH_MS = 500;

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
  #watch: NodeJS.Timeout | undefined;
  #cpuSeconds = 0;
  /** Those whose connections go through this one, and what is allowed for those that have ended. */
  readonly #guests = new Set<Master>();
  #forGone = 0;

  readonly #own: number;

  /** @param own seconds of CPU time that it may take as the `ssh` of a jump host, beside those for what goes through it */
  constructor(own: number = JUMP_SECONDS.own) {
    this.#own = own;
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
    if (role === "jump host") this.#watch = setInterval(() => this.#judge(), WATCH_MS).unref();
    child.stdin?.on("error", () => {});
    child.once("close", () => {
      clearTimeout(this.#timer);
      clearInterval(this.#watch);
      child.stdin?.destroy();
      this.#remove();
    });
    child.once("error", () => this.#remove());
    return child;
  }

  /** The connection of `guest` goes through this one, which may cost more then. */
  carry(guest: Master): void {
    this.#guests.add(guest);
  }

  /** Undefined once it has ended, or where it never began. */
  get #pid(): number | undefined {
    const { pid, exitCode, signalCode } = this.#child ?? {};
    return exitCode === null && signalCode === null ? pid : undefined;
  }

  /** Seconds of CPU time that it has taken, as last seen. */
  #taken(): number {
    const pid = this.#pid;
    if (pid !== undefined) this.#cpuSeconds = cpuSeconds(pid) ?? this.#cpuSeconds;
    return this.#cpuSeconds;
  }

  /** Ends it where it has taken more than what goes through it explains. */
  #judge(): void {
    let allowed = this.#own + this.#forGone;
    for (const guest of this.#guests) {
      const share = JUMP_SECONDS.guest + JUMP_SECONDS.times * guest.#taken();
      allowed += share;
      if (guest.#pid !== undefined) continue;
      this.#guests.delete(guest);
      this.#forGone += share;
    }
    if (this.#taken() > allowed) this.kill();
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
    // Once somebody has waited for a process, another one may get its pid.
    const pid = this.#pid;
    if (pid === undefined) return;
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
