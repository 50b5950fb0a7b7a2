/**
 * `word` as one word of a POSIX shell, whatever it holds: single quotes, in which nothing is special.
 * This is the only place that quotes; everybody else passes words.
 * @throws TypeError for NUL, which no argument of a program can hold.
 */
export function shellQuote(word: string): string {
  if (word.includes("\0")) throw new TypeError("a shell word cannot hold NUL");
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** A word as a shell reads it back, for people: without quotes where it needs none. */
export function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : shellQuote(word);
}

/** What a program on a host is told: by name, each a text, a number or a list, which comes as a line for each. */
export type Values = Readonly<Record<string, string | number | readonly string[]>>;

/**
 * Assignments that sh reads: whatever a value holds, it stays text.
 * @throws TypeError for a NUL, which no shell can keep, and for a line break in a list.
 */
export function shellAssignments(values: Values): string {
  return Object.entries(values)
    .map(
      ([name, value]) => `${name}=${shellQuote(typeof value === "object" ? lines(value) : String(value))}\n`,
    )
    .join("");
}

function lines(list: readonly string[]): string {
  if (list.some((line) => line.includes("\n")))
    throw new TypeError("a line of a list cannot hold a line break");
  return list.join("\n");
}

/** What `shellAssignments` wrote. Lines of another kind say nothing. */
export function parseAssignments(text: string): Map<string, string> {
  return new Map(
    [...text.matchAll(/^([A-Z_0-9]+)='((?:[^'\n]|'\\'')*)'$/gm)].map(([, name = "", value = ""]) => [
      name,
      value.replaceAll(`'\\''`, "'"),
    ]),
  );
}
