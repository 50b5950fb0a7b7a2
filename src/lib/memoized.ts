import { lastingCopy } from "./copy.ts";

/**
 * `make`, which depends on its text alone, with what it made of earlier texts remembered. The hosts of a fleet say nearly all
 * the same.
 * @param most texts that are remembered; then all are forgotten
 */
export function memoized<T>(most: number, make: (text: string) => T): (text: string) => T {
  const known = new Map<string, T>();
  return (text) => {
    const made = known.get(text);
    if (made !== undefined || known.has(text)) return made as T;
    const copy = lastingCopy(text);
    const value = make(copy);
    if (known.size >= most) known.clear();
    known.set(copy, value);
    return value;
  };
}
