import { shellQuote } from "../../shell/quote.ts";
import type { CommandWords, OptionWords, ProgramWords, Value } from "./words.ts";

/** A script that zsh sources, or finds as `_redkeep` in a folder of `fpath`. */
export function zshCompletion({ commands, options }: ProgramWords): string {
  return `#compdef redkeep
# Completion of redkeep for zsh. In ~/.zshrc, behind compinit: source <(redkeep completion zsh)
_redkeep() {
  local curcontext=$curcontext state
  local -a line commands
  local -A opt_args
  commands=(
${commands.map(({ name, description }) => `    ${shellQuote(`${name}:${description.replaceAll(":", "\\:")}`)}`).join("\n")}
  )
  _arguments -C ${options.map(optionOf).join(" ")} '1:command:->command' '*::argument:->argument' && return
  case $state in
    command) _describe command commands ;;
    argument)
      case $line[1] in
${commands.map(branchOf).join("\n")}
      esac
      ;;
  esac
}
if [[ $funcstack[1] == _redkeep ]]; then _redkeep "$@"; else compdef _redkeep redkeep; fi
`;
}

function branchOf({ name, options, arguments: places }: CommandWords): string {
  const positions = places.map((place, index) =>
    shellQuote(`${place.isVariadic ? "*" : index + 1}:${place.name}:${actionOf(place.value)}`),
  );
  const words = [...options.map(optionOf), ...positions];
  return `        ${name})
          _arguments \\
${words.map((word) => `            ${word}`).join(" \\\n")}
          ;;`;
}

/** `'(-l --limit)'{-l,--limit}'[only these hosts]:value:'` */
function optionOf({ flags, description, value, isRepeatable }: OptionWords): string {
  const told = `[${description.replaceAll(/[[\]:\\]/g, "\\$&")}]`;
  const taken = value === undefined ? "" : `:value:${actionOf(value)}`;
  const named = flags.length > 1 ? `{${flags.join(",")}}` : flags.join("");
  return `${shellQuote(isRepeatable ? "*" : `(${flags.join(" ")})`)}${named}${shellQuote(told + taken)}`;
}

function actionOf(value: Value): string {
  if (value === "file") return "_files";
  if (value === "folder") return "_files -/";
  return value === "anything" ? " " : `(${value.join(" ")})`;
}
