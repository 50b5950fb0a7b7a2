import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface, type Interface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { besideHosts, type LabHost } from "./lab.ts";

/** A Python program that answers lines with lines of JSON, until its stdin ends. */
export class LabProgram implements AsyncDisposable {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: Interface;

  /** @param where a lab host, or "beside" for a container of its own in the hosts' network. */
  constructor(where: LabHost | "beside", program: string) {
    const args =
      where === "beside" ? besideHosts(program) : ["exec", "-i", where.id, "/usr/bin/python3", "-c", program];
    this.#child = spawn("docker", args, { stdio: ["pipe", "pipe", "inherit"] });
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
