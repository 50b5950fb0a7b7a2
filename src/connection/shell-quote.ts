/**
 * `word` as one word of a POSIX shell, whatever it holds: single quotes, in which nothing is special.
 * This is the only place that quotes; everybody else passes words.
 * @throws TypeError for NUL, which no argument of a program can hold.
 */
export function shellQuote(word: string): string {
  if (word.includes("\0")) throw new TypeError("a shell word cannot hold NUL");
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
