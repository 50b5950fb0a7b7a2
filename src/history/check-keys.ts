import type { CheckRecord } from "../record/record.ts";

/**
 * What tells the checks of one host apart, in their order and the same from run to run: the control, what was asked,
 * and a number from the second of its kind on. Texts with observed or wanted values are no part of it.
 */
export function checkKeys(checks: readonly CheckRecord[]): string[] {
  const seen = new Map<string, number>();
  return checks.map(({ control, source }) => {
    const key = `${control} ${source}`;
    const count = (seen.get(key) ?? 0) + 1;
    seen.set(key, count);
    return count === 1 ? key : `${key} #${count}`;
  });
}
