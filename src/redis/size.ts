/** Redis' units (memtoull in src/util.c): a lone letter is decimal, letter and "b" are binary. */
const UNITS = new Map([
  ["", 1],
  ["b", 1],
  ["k", 1000],
  ["kb", 1024],
  ["m", 1000 ** 2],
  ["mb", 1024 ** 2],
  ["g", 1000 ** 3],
  ["gb", 1024 ** 3],
]);

/**
 * Bytes of a memory value as Redis reads it: `512mb` is 536870912, `512m` is 512000000, case does not matter.
 * Undefined for what Redis refuses (`512 mb`, `50%`, `-1`, `1.5gb`) and for what a number cannot hold exactly.
 */
export function parseSize(text: string): number | undefined {
  const match = /^(\d{1,20})([a-z]{0,2})$/i.exec(text);
  const unit = UNITS.get(match?.[2]?.toLowerCase() ?? "none");
  if (match === null || unit === undefined) return undefined;
  const bytes = Number(match[1]) * unit;
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** Bytes as people write them, to one decimal: `512mb`, `1.4gb`, `100kb`, `900b`, and `0`. */
export function formatSize(bytes: number): string {
  if (bytes === 0) return "0";
  for (const unit of ["gb", "mb", "kb"]) {
    const size = bytes / (UNITS.get(unit) ?? 1);
    // 1023.96mb would read "1024mb": what rounds up to the next unit is said in that unit.
    if (size >= 0.99995) return `${Number(size.toFixed(1))}${unit}`;
  }
  return `${bytes}b`;
}
