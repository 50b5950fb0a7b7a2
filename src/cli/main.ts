import { CommanderError } from "commander";
import { Cancelled, InputError } from "../lib/errors.ts";
import { ownCommand } from "../lib/package.ts";
import { printableText } from "../lib/printable.ts";
import { redact } from "../lib/secret.ts";
import type { Environment } from "../run/options.ts";
import { blame } from "../run/strays.ts";
import { showTyping } from "./ask-secret.ts";
import { createProgram } from "./program.ts";

/** The whole program: arguments in, exit code out. Only this file, cli.ts and the question for a password use `process`. */
export async function main(process: NodeJS.Process): Promise<void> {
  const interrupt = new AbortController();
  const environment: Environment = {
    cwd: process.cwd(),
    program: ownCommand(process, process.cwd()),
    env: process.env,
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    interrupted: interrupt.signal,
    onEarlyEnd: (write) => {
      writeRecord = write;
    },
    strays: [],
  };
  /** Defined once hosts were reached: from then on the run has a record, however it ends. */
  let writeRecord: (() => Promise<void>) | undefined;
  let hasEnded = false;
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(name, () => {
      if (interrupt.signal.aborted) process.exit(130);
      process.stderr.write(
        "\nStopping: finishing hosts in progress. Press Ctrl-C again to quit; unfinished hosts roll back by themselves.\n",
      );
      interrupt.abort();
    });
  }
  /** Ends a run that failed on the way: its record is still written where hosts were reached. */
  const endAnyway = async (error: unknown): Promise<number> => {
    hasEnded = true;
    const exitCode = reportError(error, environment, writeRecord !== undefined);
    if (writeRecord === undefined || error instanceof InputError) return exitCode;
    environment.strays.push(messageOf(error));
    try {
      await writeRecord();
    } catch (cause) {
      process.stderr.write(`Cannot write the record of this run: ${printableText(messageOf(cause))}\n`);
    }
    return exitCode;
  };
  process.on("uncaughtException", (error) => {
    // Once hosts were reached, each has to come to its own end: what was changed there waits to be confirmed.
    if (writeRecord === undefined) process.exit(reportError(error, environment, false));
    if (blame(error)) return;
    reportError(error, environment, true);
    environment.strays.push(messageOf(error));
  });
  // The event loop is empty, and the run has not ended: it awaits something that can no longer happen.
  process.on("beforeExit", () => {
    if (hasEnded || writeRecord === undefined) return;
    void endAnyway(new Error("the run waits for an answer that can no longer come")).then((code) =>
      process.exit(code),
    );
  });
  // A reader that went away, as in `redkeep … | head`, or a closed terminal is not our error.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE" && error.code !== "EIO") throw error;
    });
  }
  let exitCode = 0;
  try {
    const program = createProgram(environment, (code) => {
      exitCode = code;
    });
    await program.parseAsync(process.argv.slice(2), { from: "user" });
    if (environment.strays.length > 0 && exitCode !== 130 && exitCode !== 5) exitCode = 3;
  } catch (error) {
    exitCode = await endAnyway(error);
  }
  hasEnded = true;
  showTyping(environment);
  process.exitCode = exitCode;
}

function messageOf(error: unknown): string {
  return redact(error instanceof Error ? (error.stack ?? error.message) : String(error));
}

function reportError(error: unknown, { stderr }: Environment, hasReachedHosts: boolean): number {
  const code = hasReachedHosts ? 3 : 1;
  if (error instanceof Cancelled) return 130;
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 1;
  if (error instanceof InputError) {
    const count = error.problems.length;
    stderr.write(
      `${printableText(error.message)}\n${count} problem${count === 1 ? "" : "s"}. ${error.state}\n`,
    );
    return 1;
  }
  if (error instanceof Error && "code" in error && typeof error.code === "string" && "path" in error) {
    stderr.write(`${printableText(error.message)}\n`);
    return code;
  }
  stderr.write(`${printableText(messageOf(error))}\nThis is a bug in redkeep: please report it.\n`);
  return code;
}
