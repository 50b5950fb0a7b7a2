import type { Argument, Command, Option } from "commander";
import { topics } from "../../report/topics.ts";
import { CONTROLS } from "../../verify/catalogue.ts";
import { GUARDS } from "../guards.ts";
import { collect } from "../options.ts";

/** What may stand in one place of a command line: one of these words, a file, a folder, or what only the user knows. */
export type Value = readonly string[] | "file" | "folder" | "anything";

export interface OptionWords {
  /** `-i`, `--inventory`: what this option is called. */
  flags: readonly string[];
  description: string;
  /** Undefined where the option takes no value. */
  value: Value | undefined;
  isRepeatable: boolean;
}

export interface CommandWords {
  name: string;
  description: string;
  options: readonly OptionWords[];
  arguments: readonly { name: string; value: Value; isVariadic: boolean }[];
}

/** What can be typed, as commander knows it. */
export interface ProgramWords {
  commands: readonly CommandWords[];
  options: readonly OptionWords[];
}

export function wordsOf(program: Command): ProgramWords {
  const names = program.commands.map((command) => command.name());
  const helpTopics = [...names, ...topics(names).map(({ name }) => name)];
  return {
    commands: program.commands.map((command) => ({
      name: command.name(),
      description: command.description(),
      options: optionsOf(command),
      arguments: command.registeredArguments.map((argument) => ({
        name: argument.name(),
        value: argument.name() === "topic" ? helpTopics : acceptedBy(argument),
        isVariadic: argument.variadic,
      })),
    })),
    options: optionsOf(program),
  };
}

function optionsOf(command: Command): OptionWords[] {
  const help = { flags: ["-h", "--help"], description: "say what it does", value: undefined };
  return [
    ...command.options.map((option) => ({
      flags: [option.short, option.long].filter((flag) => flag !== undefined),
      description: option.description,
      value: option.required ? acceptedBy(option) : undefined,
      isRepeatable: option.parseArg === collect,
    })),
    { ...help, isRepeatable: false },
  ];
}

/** By the name that the help gives the value: `<file>`. */
function acceptedBy(place: Option | Argument): Value {
  if (place.argChoices !== undefined) return place.argChoices;
  const name = "flags" in place ? (/<(.+)>/.exec(place.flags)?.[1] ?? "") : place.name();
  if (name === "guard") return GUARDS;
  if (name === "control" || name === "id") return Object.keys(CONTROLS);
  if (name === "dir") return "folder";
  return /^(?:file|files|path|playbook)$|\.json$/.test(name) ? "file" : "anything";
}
