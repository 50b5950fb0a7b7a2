const SHOWN = 6;

/** `a, b and c`; of long lists the first few and how many more. */
export function listOf(names: readonly string[], last = "and"): string {
  const shown = names.length > SHOWN + 1 ? names.slice(0, SHOWN) : names.slice(0, -1);
  const rest = names.length > SHOWN + 1 ? `${names.length - SHOWN} more` : (names.at(-1) ?? "");
  return shown.length === 0 ? rest : `${shown.join(", ")} ${last} ${rest}`;
}

/** The first of many, and how many more there are. */
export function firstOf(names: readonly string[], shown: number, separator = ", "): string {
  const rest = names.length - shown;
  return `${names.slice(0, shown).join(separator)}${rest > 0 ? ` and ${rest} more` : ""}`;
}
