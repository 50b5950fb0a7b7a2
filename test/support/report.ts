/** What the programs on the host wrote: it comes with a sign before each line. */
const FOREIGN = new Set(["journal", "log"]);

/** A transaction's report as a host prints it, up to its end. */
export function reportText(parts: Readonly<Record<string, string>>, word: string): string {
  return Object.entries({ ...parts, end: "" })
    .map(
      ([name, text]) =>
        `\n${word} ${name}\n${FOREIGN.has(name) ? text.replace(/^(?!$(?![\s\S]))/gm, ">") : text}`,
    )
    .join("");
}
