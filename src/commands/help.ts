import { readFileSync } from "node:fs";
import { didYouMean, InputError } from "../lib/errors.ts";
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
      message: `there is no topic or command "${topic}".${didYouMean(topic, known)} redkeep help lists them`,
    });
  }
  stdout.write(pageText(readFileSync(found.file, "utf8"), terminal));
  return 0;
}
