import { memoized } from "../lib/memoized.ts";
import { printable, printableText } from "../lib/printable.ts";
import type { RunRecord } from "./record.ts";

/** The fields of the record that may hold several lines. A line break in any other field is suspicious. */
const SEVERAL_LINES = new Set(["before", "after", "found", "state", "remedy"]);

/** The record as it may be printed and written: every string masked and made printable. */
export function safeRecord(record: RunRecord): RunRecord {
  return recordSafe()(record, "") as RunRecord;
}

/** The same for its parts, one after the other. `key` is the name of the field that holds the part. */
export function recordSafe(): (value: unknown, key: string) => unknown {
  // Hosts of a fleet share nearly all of their strings, and masking costs a search for each known secret.
  const line = memoized(Infinity, printable);
  const severalLines = memoized(Infinity, printableText);
  const safe = (value: unknown, key: string): unknown => {
    if (typeof value === "string") return SEVERAL_LINES.has(key) ? severalLines(value) : line(value);
    if (Array.isArray(value)) return value.map((item) => safe(item, key));
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, safe(item, name)]));
  };
  return safe;
}
