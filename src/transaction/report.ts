import { FrameError, parseFrames, unsigned } from "../lib/frame.ts";
import { shellProgram } from "../shell/program.ts";

/** Asks again how a transaction stands, after a reply was lost: once it has come to rest, after at most a minute. */
export function compileStatus(id: string, nonce: string): string {
  return shellProgram("look-again.sh", reported(id, nonce));
}

/** `confirm` turns `applied` into `committed`, or finds that the host has put itself back meanwhile. */
export function compileConfirm(id: string, secretNonce: string, nonce: string): string {
  return shellProgram("confirm.sh", { ...reported(id, nonce), SECRET: secretNonce });
}

/** Has the host put back what this transaction changed. */
export function compileRollback(id: string, nonce: string): string {
  return shellProgram("take-back.sh", reported(id, nonce));
}

/** Words and numbers of transaction.sh's own. */
const OWN_PARTS = ["state", "unavailable", "keys.before", "keys.after"];
/** What may hold the words of Redis, of its log and of other programs. */
const FOREIGN_PARTS = ["journal", "log"];

/** What every program is told that says how a transaction stands: `parseReport` reads it. */
export function reported(id: string, nonce: string) {
  return { N: nonce, ID: id, OWN_PARTS: OWN_PARTS.join(" "), FOREIGN_PARTS: FOREIGN_PARTS.join(" ") };
}

/** How a transaction stands on the host. */
export interface TransactionReport {
  /** undefined where there is no such transaction. */
  state: string | undefined;
  /** Journal lines without their times. */
  journal: string[];
  unavailableMs: number;
  keysBefore: number | undefined;
  keysAfter: number | undefined;
  /** What the programs on the host said, for the case that nothing began. */
  log: string;
}

/** Undefined where the answer is cut short, or is not framed as the script frames it: then nothing is known. */
export function parseReport(output: Buffer, nonce: string): TransactionReport | undefined {
  const parts = [...OWN_PARTS, ...FOREIGN_PARTS];
  const texts = new Map<string, string>();
  try {
    for (const [part, body] of parseFrames(output, nonce, (title) => parts.includes(title)))
      texts.set(part, FOREIGN_PARTS.includes(part) ? unsigned(part, body) : body.toString("utf8"));
  } catch (error) {
    if (error instanceof FrameError) return undefined;
    throw error;
  }
  const state = texts.get("state")?.trim();
  const count = (name: string) => {
    const found = /^\d+/.exec(texts.get(name) ?? "")?.[0];
    return found === undefined ? undefined : Number(found);
  };
  return {
    state: state === "" ? undefined : state,
    journal: (texts.get("journal") ?? "")
      .split("\n")
      .filter(Boolean)
      .map((line) => line.replace(/^[\d.]+ /, "")),
    unavailableMs: count("unavailable") ?? 0,
    keysBefore: count("keys.before"),
    keysAfter: count("keys.after"),
    log: (texts.get("log") ?? "").trim(),
  };
}
