import { AsyncLocalStorage } from "node:async_hooks";

/** What to do with an error that nobody caught, for whatever code runs just now. */
const parts = new AsyncLocalStorage<(error: unknown) => void>();

/** Does work in which `strike` hears of errors that nobody catches, as in a callback of a library, wherever the event came from. */
export function asPart<T>(strike: (error: unknown) => void, work: () => Promise<T>): Promise<T> {
  return parts.run(strike, work);
}

/** Puts an error that nobody caught down to the part whose code threw it; false where it was no part's. */
export function blame(error: unknown): boolean {
  const strike = parts.getStore();
  strike?.(error);
  return strike !== undefined;
}
