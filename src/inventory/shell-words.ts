/**
 * Splits a line as a POSIX shell does, without expanding anything. Undefined when a quote is not closed.
 *
 * @param comments whether `#` outside of quotes ends the line, also within a word, as for Python's shlex
 */
export function splitShellWords(line: string, { comments = false } = {}): string[] | undefined {
  const words: string[] = [];
  let word: string | undefined;
  let quote = "";
  for (let i = 0; i < line.length; i++) {
    const char = line.charAt(i);
    const next = line.charAt(i + 1);
    if (quote === "" && comments && char === "#") break;
    if (quote === "" && /[ \t\r\n]/.test(char)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (char === quote) {
      quote = "";
    } else if (quote === "" && (char === '"' || char === "'")) {
      quote = char;
      word ??= "";
    } else if (char === "\\" && (quote === "" || (quote === '"' && /["\\]/.test(next)))) {
      if (next === "") return undefined;
      word = (word ?? "") + next;
      i++;
    } else {
      word = (word ?? "") + char;
    }
  }
  if (quote !== "") return undefined;
  if (word !== undefined) words.push(word);
  return words;
}
