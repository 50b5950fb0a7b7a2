import { readFileSync } from "node:fs";
import { didYouMean, InputError } from "../lib/errors.ts";
import { listOf } from "../lib/words.ts";
import { terminalOf } from "../report/colours.ts";
import { pageText } from "../report/page-text.ts";
import { topics, topicsText } from "../report/topics.ts";
import type { Environment } from "../run/options.ts";

/**
 * Prints a page of the documentation, or the list of them without a topic. Reaches no host.
 * @throws InputError for a topic that there is not.
 */
export function help(
  topic: string | undefined,
  commands: readonly string[],
  { stdout, env }: Environment,
): number {
  const terminal = terminalOf(stdout, env);
  if (topic === undefined) {
    stdout.write(topicsText(commands, terminal));
    return 0;
  }
  const all = topics(commands);
  const found = all.find(({ name }) => name === topic.toLowerCase());
  if (found === undefined) {
    const known = [...commands, ...all.map(({ name }) => name)];
    throw new InputError({
      message: `there is no topic or command "${topic}".${didYouMean(topic, known)}${pagesWith(topic, all)} redkeep help lists them`,
    });
  }
  stdout.write(pageText(readFileSync(found.file, "utf8"), terminal));
  return 0;
}

/** The pages that have the word in a heading, as a sentence; "" where there is none. */
function pagesWith(word: string, all: readonly { name: string; file: string }[]): string {
  const wanted = word.toLowerCase().replaceAll("-", " ");
  const isHeading = (line: string) => line.startsWith("#") && line.toLowerCase().includes(wanted);
  const names = all
    .filter(({ file }) => readFileSync(file, "utf8").split("\n").some(isHeading))
    .map(({ name }) => `redkeep help ${name}`);
  return wanted.length < 3 || names.length === 0 ? "" : ` It has a part in ${listOf(names)}.`;
}
