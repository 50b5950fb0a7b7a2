import { shellQuote } from "../../shell/quote.ts";
import type { CommandWords, OptionWords, ProgramWords, Value } from "./words.ts";

/** A script that fish sources, or finds as `redkeep.fish` in its folder of completions. */
export function fishCompletion({ commands, options }: ProgramWords): string {
  const first = "__fish_use_subcommand";
  const lines = [
    "# Completion of redkeep for fish: redkeep completion fish >~/.config/fish/completions/redkeep.fish",
    "complete -c redkeep -f",
    ...options.map((option) => optionLine(first, option)),
    ...commands.flatMap((command) => [
      `complete -c redkeep -n ${first} -a ${command.name} -d ${shellQuote(command.description)}`,
      ...commandLines(command),
    ]),
  ];
  return `${lines.join("\n")}\n`;
}

function commandLines({ name, options, arguments: places }: CommandWords): string[] {
  const seen = shellQuote(`__fish_seen_subcommand_from ${name}`);
  const value = places.at(-1)?.value ?? "anything";
  return [
    ...options.map((option) => optionLine(seen, option)),
    ...(value === "anything" ? [] : [`complete -c redkeep -n ${seen} ${offer(value)}`]),
  ];
}

function optionLine(condition: string, { flags, description, value }: OptionWords): string {
  const names = flags.map((flag) => (flag.startsWith("--") ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`));
  const taken = value === undefined ? [] : value === "anything" ? ["-x"] : ["-r", offer(value)];
  return ["complete -c redkeep -n", condition, ...names, ...taken, "-d", shellQuote(description)].join(" ");
}

function offer(value: Value): string {
  if (value === "file") return "-F";
  return `-f -a ${shellQuote(value === "folder" ? "(__fish_complete_directories)" : value.toString().replaceAll(",", " "))}`;
}
