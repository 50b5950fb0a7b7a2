/** Texts that copies have in common. The hosts of a fleet say nearly all the same. */
const shared = new Map<string, string>();
const MOST_SHARED = 100_000;

/**
 * A deep copy of plain data, maps and sets, for what is kept long: it shares its texts with the copies made before, and
 * keeps nothing alive that they were cut out of. V8 has a piece of a text hold on to the whole, be that a host's answer.
 */
export function lastingCopy<T>(value: T): T {
  return copyOf(value) as T;
}

function copyOf(value: unknown): unknown {
  if (typeof value === "string") return textOf(value);
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(copyOf);
  if (value instanceof Map) return new Map([...value].map(([key, item]) => [copyOf(key), copyOf(item)]));
  if (value instanceof Set) return new Set([...value].map(copyOf));
  // Not by assignment: a name that a host gave may be "__proto__".
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, copyOf(item)]));
}

function textOf(text: string): string {
  const known = shared.get(text);
  if (known !== undefined) return known;
  // Either way every unit of the text comes back, half a pair of surrogates too; most need one byte each.
  const encoding = /^[\0-\xff]*$/.test(text) ? "latin1" : "utf16le";
  const copy = Buffer.from(text, encoding).toString(encoding);
  if (shared.size >= MOST_SHARED) shared.clear();
  shared.set(copy, copy);
  return copy;
}
