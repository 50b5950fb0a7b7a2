import { join } from "node:path";
import { PassThrough } from "node:stream";
import { main } from "../../src/cli/main.ts";

/** What a shell's `exec` takes to start the program from its sources, compiled already where vitest.config.ts keeps that. */
export const PROGRAM = `env NODE_COMPILE_CACHE="${process.env.NODE_COMPILE_CACHE}" "${process.execPath}" "${join(import.meta.dirname, "../../src/cli.ts")}"`;

export interface Outcome {
  exitCode: number;
  stdout: string;
  stderr: string;
}

/**
 * Runs redkeep as the command line does, in a process of its own making: no terminal, and signals that a test sends.
 * @param onStart is given a function that sends a signal such as `SIGINT`.
 */
export async function redkeep(
  args: readonly string[],
  {
    cwd,
    env = {},
    onStart,
  }: { cwd: string; env?: Record<string, string>; onStart?: (signal: (name: string) => void) => void },
): Promise<Outcome> {
  const listeners = new Map<string, () => void>();
  const [stdout, stderr, stdin] = [capture(), capture(), new PassThrough()];
  stdin.end();
  const process = {
    execPath: globalThis.process.execPath,
    argv: ["node", "redkeep", ...args],
    cwd: () => cwd,
    env: { PATH: globalThis.process.env.PATH, HOME: cwd, NO_COLOR: "1", ...env },
    stdin,
    stdout: stdout.stream,
    stderr: stderr.stream,
    on: (name: string, listener: () => void) => listeners.set(name, listener),
    exitCode: undefined as number | undefined,
  };
  const running = main(process as unknown as NodeJS.Process);
  onStart?.((name) => listeners.get(name)?.());
  await running;
  return { exitCode: process.exitCode ?? -1, stdout: stdout.text(), stderr: stderr.text() };
}

function capture(): { stream: PassThrough; text: () => string } {
  const stream = new PassThrough();
  const chunks: Buffer[] = [];
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  return { stream, text: () => Buffer.concat(chunks).toString("utf8") };
}
