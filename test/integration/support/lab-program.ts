import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface, type Interface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { type LabHost, labImage } from "./lab.ts";

/** A Python program that answers lines with lines of JSON, until its stdin ends. */
export class LabProgram implements AsyncDisposable {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: Interface;

  /** @param where a lab host, or "beside" for a container of its own on Docker's bridge. */
  constructor(where: LabHost | "beside", program: string) {
    const owner = process.env.REDKEEP_LAB_PID ?? String(process.pid);
    const args =
      where === "beside"
        ? [
            "run",
            "--rm",
            "-i",
            "--label",
            `redkeep.lab=${owner}`,
            "--entrypoint",
            "/usr/bin/python3",
            labImage,
          ]
        : ["exec", "-i", where.id, "/usr/bin/python3"];
    this.#child = spawn("docker", [...args, "-c", program], { stdio: ["pipe", "pipe", "inherit"] });
    this.#lines = createInterface({ input: this.#child.stdout });
  }

  tell(value: unknown): void {
    this.#child.stdin.write(`${JSON.stringify(value)}\n`);
  }

  /** The answer to a line. Throws where the program is gone. */
  async ask(value: unknown): Promise<unknown> {
    const gone = new AbortController();
    const end = (): void => gone.abort(new Error("the program has ended"));
    this.#child.once("close", end);
    try {
      const answer = once(this.#lines, "line", { signal: gone.signal });
      this.tell(value);
      const [line] = (await answer) as [string];
      return JSON.parse(line);
    } finally {
      this.#child.off("close", end);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const exited = once(this.#child, "exit");
    this.#child.stdin.end();
    await exited;
  }
}
