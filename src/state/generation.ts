import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { Secret } from "../lib/secret.ts";

/*
 * Which copy of a state is the newer one. A state counts each secret that it makes or replaces. A host keeps the number of the
 * state that last changed it, signed with a key that only the copies of that state have. So a copy recognises the number on a
 * host, and sees when it is itself the older one. The signature tells nothing to anybody else, the host included.
 */

export interface Generation {
  /** The same for all copies of a state. */
  readonly id: Secret;
  /** From 1 on. */
  readonly number: number;
}

/** The generation after this one; the first where there is none. */
export function nextGeneration(generation: Generation | undefined): Generation {
  return {
    id: generation?.id ?? new Secret(randomBytes(32).toString("base64url")),
    number: (generation?.number ?? 0) + 1,
  };
}

/** What a host keeps: `NUMBER SIGNATURE`. Empty where the state never made a secret. */
export function markOf(generation: Generation | undefined): string {
  return generation === undefined
    ? ""
    : `${generation.number} ${signature(generation.id, generation.number)}`;
}

/** The number in a mark of this very state. Undefined for another state's mark, and for a text that is no mark. */
export function numberIn(mark: string, { id }: Generation): number | undefined {
  const [, number, signed] = /^([1-9]\d{0,14}) ([0-9a-f]{64})$/.exec(mark) ?? [];
  if (number === undefined || signed === undefined) return undefined;
  const own = Buffer.from(signature(id, Number(number)));
  return timingSafeEqual(own, Buffer.from(signed)) ? Number(number) : undefined;
}

function signature(id: Secret, number: number): string {
  return createHmac("sha256", id.reveal()).update(`redkeep state ${number}`).digest("hex");
}

/** Reads a generation as secrets.yml has it; undefined for anything else. */
export function parseGeneration(value: unknown): Generation | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { id, number }: { id?: unknown; number?: unknown } = value;
  return typeof id === "string" &&
    /^[\w-]{43}$/.test(id) &&
    Number.isSafeInteger(number) &&
    Number(number) >= 1
    ? { id: new Secret(id), number: Number(number) }
    : undefined;
}
