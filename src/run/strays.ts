import { AsyncLocalStorage } from "node:async_hooks";

/** What to do with an uncaught error of the code that is running. */
const parts = new AsyncLocalStorage<(error: unknown) => void>();

/** Does work in which `strike` hears of errors that nobody catches, as in a callback of a library, wherever the event came from. */
export function asPart<T>(strike: (error: unknown) => void, work: () => Promise<T>): Promise<T> {
  return parts.run(strike, work);
}

/** Blames an uncaught error on the part of the run whose code threw it; false where no part did. */
export function blame(error: unknown): boolean {
  const strike = parts.getStore();
  strike?.(error);
  return strike !== undefined;
}
