import type { CommandWords, OptionWords, ProgramWords, Value } from "./words.ts";

/** A script for bash to source, the 3.2 of a Mac too. For what is a file it offers nothing, and bash goes on to offer files. */
export function bashCompletion({ commands, options }: ProgramWords): string {
  const names = commands.map(({ name }) => name);
  return `# Completion of redkeep for bash. In ~/.bashrc: source <(redkeep completion bash)
_redkeep() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]} command= words= i
  # bash takes the = of --option=value for a word.
  if [[ $cur == = ]]; then
    cur=
  elif [[ $prev == = ]]; then
    prev=\${COMP_WORDS[COMP_CWORD - 2]}
  fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    case \${COMP_WORDS[i]} in
      ${names.join(" | ")})
        command=\${COMP_WORDS[i]}
        break
        ;;
    esac
  done
  case $command in
${commands.map(branchOf).join("\n")}
    *) words="${names.join(" ")} ${flagsOf(options)}" ;;
  esac
  COMPREPLY=()
  case $words in
    @file) return ;;
    @folder)
      local IFS=$'\\n'
      COMPREPLY=($(compgen -d -- "$cur"))
      [[ \${BASH_VERSINFO[0]} -lt 4 ]] || compopt -o filenames 2>/dev/null
      ;;
    @anything) [[ \${BASH_VERSINFO[0]} -lt 4 ]] || compopt +o default +o bashdefault 2>/dev/null ;;
    *) COMPREPLY=($(compgen -W "$words" -- "$cur")) ;;
  esac
}
complete -o bashdefault -o default -F _redkeep redkeep
`;
}

function branchOf({ name, options, arguments: places }: CommandWords): string {
  const byWords = Map.groupBy(
    options.filter(({ value }) => value !== undefined),
    ({ value = "anything" }) => wordsOf(value),
  );
  const branches = [...byWords].map(([words, taking]) => {
    const flags = taking.flatMap((option) => option.flags).join(" | ");
    return `        ${flags}) words="${words}" ;;`;
  });
  return `    ${name})
      case $prev in
${[...branches, `        *) words="${wordsOf(places.at(-1)?.value ?? "anything")}" ;;`].join("\n")}
      esac
      [[ $cur != -* ]] || words="${flagsOf(options)}"
      ;;`;
}

function wordsOf(value: Value): string {
  return typeof value === "string" ? `@${value}` : value.join(" ");
}

function flagsOf(options: readonly OptionWords[]): string {
  return options.flatMap(({ flags }) => flags).join(" ");
}
