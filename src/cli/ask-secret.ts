import { Cancelled, InputError } from "../lib/errors.ts";
import { Secret } from "../lib/secret.ts";
import type { Environment } from "../run/options.ts";

const CTRL_C = 0x03;
const CTRL_D = 0x04;
const BACKSPACE = 0x08;
const TAB = 0x09;
const CTRL_U = 0x15;
const CTRL_Z = 0x1a;
const DELETE = 0x7f;

/**
 * Asks on the terminal with the echo turned off before the question shows. It stays off for the next question, until
 * `showTyping` turns it on.
 * @throws InputError without a terminal; Cancelled where nobody answers
 */
export async function askSecret(
  question: string,
  flag: string,
  { stdin, stderr, interrupted }: Environment,
): Promise<Secret> {
  if (!stdin.isTTY) throw new InputError({ key: flag, message: "needs a terminal to ask on" });
  stdin.setRawMode(true);
  stderr.write(question);
  const typed: number[] = [];
  const { promise, resolve, reject } = Promise.withResolvers<Secret>();
  const onData = (data: Buffer) => {
    for (const [index, byte] of data.entries()) {
      if (byte === 0x0a || byte === 0x0d) {
        stdin.pause();
        // The rest was typed or pasted ahead: it answers the next question.
        const rest = data.subarray(index + 1);
        if (rest.length > 0) stdin.unshift(rest);
        resolve(new Secret(Buffer.from(typed).toString("utf8")));
        return;
      }
      if (byte === CTRL_C || (byte === CTRL_D && typed.length === 0)) reject(new Cancelled());
      else if (byte === CTRL_Z) suspend();
      else if (byte === CTRL_U) typed.length = 0;
      else if (byte === DELETE || byte === BACKSPACE) dropLast(typed);
      else if (byte >= 0x20 || byte === TAB) typed.push(byte);
    }
  };
  const suspend = () => {
    stdin.setRawMode(false);
    stderr.write("\n");
    process.off("SIGCONT", onContinue);
    // The program is suspended here, until the shell resumes it.
    process.kill(process.pid, "SIGTSTP");
    onContinue();
    setImmediate(() => {
      if (isAsking) process.on("SIGCONT", onContinue);
    });
  };
  let isAsking = true;
  // The shell has reset the terminal, and libuv sets raw mode anew only after it was off.
  const onContinue = () => {
    stdin.setRawMode(false);
    stdin.setRawMode(true);
    stderr.write(question);
  };
  const onEnd = () => reject(new Cancelled());
  process.on("SIGCONT", onContinue);
  interrupted.addEventListener("abort", onEnd);
  stdin.on("data", onData).on("end", onEnd).on("error", onEnd).resume();
  if (interrupted.aborted) onEnd();
  try {
    return await promise;
  } finally {
    isAsking = false;
    stdin.off("data", onData).off("end", onEnd).off("error", onEnd).pause();
    interrupted.removeEventListener("abort", onEnd);
    process.off("SIGCONT", onContinue);
    stderr.write("\n");
  }
}

/** Turns the echo back on that `hideTyping` or a question turned off. */
export function showTyping({ stdin }: Pick<Environment, "stdin">): void {
  if (stdin.isTTY && stdin.isRaw) stdin.setRawMode(false);
}

/** Drops one character of UTF-8, up to four bytes. */
function dropLast(bytes: number[]): void {
  while (((bytes.pop() ?? 0) & 0xc0) === 0x80);
}
