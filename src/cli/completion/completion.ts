import type { Command } from "commander";
import { bashCompletion } from "./bash.ts";
import { fishCompletion } from "./fish.ts";
import { type ProgramWords, wordsOf } from "./words.ts";
import { zshCompletion } from "./zsh.ts";

const SCRIPTS: Readonly<Record<string, (words: ProgramWords) => string>> = {
  bash: bashCompletion,
  zsh: zshCompletion,
  fish: fishCompletion,
};

/** The script that has a shell complete redkeep's commands, options and their values; made of the program itself. */
export function completionOf(program: Command, shell: string): string {
  const script = SCRIPTS[shell];
  if (script === undefined) throw new Error(`no completion for ${shell}`);
  return script(wordsOf(program));
}
