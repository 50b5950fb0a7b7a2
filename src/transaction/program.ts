import type { Server } from "../redis/server.ts";
import { shellProgram } from "../shell/program.ts";
import { shellQuote } from "../shell/quote.ts";
import { reported } from "./report.ts";

/** Seconds that a confirmation may take; after them the host puts itself back. */
export const CONFIRM_WINDOW = 60;

/**
 * Seconds from a change of the firewall on, where there is one: the way back takes some, and whoever is locked out by the
 * new rules can log in again within a minute.
 */
export const FIREWALL_WINDOW = 45;

/** Seconds after which a host puts back a change that has not come to its end: time to save and load on a slow disk. */
export function capSeconds({ usedMemory = 0 }: Pick<Server, "usedMemory">): number {
  return 120 + Math.ceil(usedMemory / (30 * 1024 * 1024)) * 3;
}

/** Exit status of the script where the transaction could not be laid down: nothing has begun. */
export const NOT_BEGUN = 65;

/** Lays down a transaction's folder, starts it in a unit of its own, waits, and prints what came of it. */
export function program(given: {
  id: string;
  nonce: string;
  capSeconds: number;
  parts: readonly (readonly [name: string, text: string])[];
  /** The committed transaction that lays down what this one changes. */
  source?: string;
  /** `NUMBER PATH`: new content that is a backup of the host's own. */
  copies?: readonly string[];
}): string {
  const { id, nonce, capSeconds, parts, source = "", copies = [] } = given;
  return shellProgram("start.sh", {
    ...reported(id, nonce),
    SOURCE: source,
    COPIES: copies,
    STOP_SECONDS: 2 * capSeconds + 60,
    LAID: laid(parts),
  });
}

/** What has the shell write these files, in base64. */
export function laid(parts: readonly (readonly [name: string, text: string])[]): string {
  const puts = parts.map(([name, text]) => `printf %s ${shellQuote(text)} >"$d/${name}" || exit 65\n`);
  return wrap(`${puts.join("")}laid=1\n`);
}

/** Encoded: whatever it holds, it is one word to the shell that reads it, and in lines that no tool cuts. */
function wrap(text: string): string {
  return Buffer.from(text)
    .toString("base64")
    .replace(/(.{76})/g, "$1\n");
}
