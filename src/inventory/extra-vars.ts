import { InputError, type Place } from "../lib/errors.ts";
import { parseYaml, type YamlDocument } from "../lib/yaml.ts";
import { describeNode } from "../lib/yaml-node.ts";
import type { Vault } from "../vault/vault.ts";
import { type Combine, combined } from "./combining.ts";
import { SIMPLE_ESCAPES } from "./python-literal.ts";
import type { Variable } from "./variable.ts";
import { variableOf } from "./variable.ts";
import { readVariableFile } from "./variable-files.ts";

const PLACE: Place = { file: "-e" };

/**
 * The variables of all `-e` arguments, later ones winning: `key=value` (always text; several in one argument, quoted as
 * in a shell), a JSON or YAML mapping in braces, or `@file`.
 *
 * @throws InputError for anything that sets no variable.
 */
export async function parseExtraVars(
  args: readonly string[],
  cwd: string,
  vault: Vault,
  combine: Combine,
): Promise<Map<string, Variable>> {
  const parts: Map<string, Variable>[] = [];
  for (const arg of args) parts.push(await parseExtraVar(arg.trim(), cwd, vault));
  return combined(parts, combine);
}

async function parseExtraVar(arg: string, cwd: string, vault: Vault): Promise<Map<string, Variable>> {
  if (arg.startsWith("@")) {
    const file = arg.slice(1);
    const variables = await readVariableFile(file, cwd, vault);
    if (variables.size === 0) throw new InputError({ place: { file }, message: "has no variables" });
    return variables;
  }
  if (arg.startsWith("{") || arg.startsWith("[")) return variablesOf(parseYaml(arg, "-e"));
  if (/^\.{0,2}\//.test(arg)) {
    throw new InputError({ place: PLACE, message: `expected key=value; to read a file write -e @${arg}` });
  }
  return keyValues(arg);
}

function variablesOf({ root }: YamlDocument): Map<string, Variable> {
  if (root.kind !== "mapping" || root.entries.size === 0) {
    const found = root.kind === "mapping" ? "an empty one" : describeNode(root);
    throw new InputError({ place: PLACE, message: `expected a mapping of variables, found ${found}` });
  }
  return new Map([...root.entries].map(([name, entry]) => [name, variableOf({ ...entry, place: PLACE })]));
}

function keyValues(arg: string): Map<string, Variable> {
  const variables = new Map<string, Variable>();
  for (const word of splitWords(arg)) {
    const [, name, value] = /^([^=\s]+)=([\s\S]*)$/.exec(word) ?? [];
    if (name === undefined || value === undefined) {
      throw new InputError({ place: PLACE, message: `expected key=value, found "${word}"` });
    }
    variables.set(name, { value: decodeEscapes(unquote(value)), place: PLACE });
  }
  if (variables.size === 0)
    throw new InputError({ place: PLACE, message: "expected key=value, found nothing" });
  return variables;
}

/** Splits at white space outside quotes. The quotes stay: only those around a whole value are removed, later. */
function splitWords(text: string): string[] {
  const words: string[] = [];
  let word = "";
  let quote = "";
  for (let i = 0; i < text.length; i++) {
    const char = text.charAt(i);
    if (char === "\\") {
      word += char + text.charAt(++i);
    } else if (quote === "" && /\s/.test(char)) {
      if (word !== "") words.push(word);
      word = "";
    } else {
      if (char === quote) quote = "";
      else if (quote === "" && (char === '"' || char === "'")) quote = char;
      word += char;
    }
  }
  if (quote !== "") throw new InputError({ place: PLACE, message: `the quote ${quote} is not closed` });
  if (word !== "") words.push(word);
  return words;
}

function unquote(value: string): string {
  const quote = value.charAt(0);
  const isQuoted = value.length > 1 && (quote === '"' || quote === "'") && value.endsWith(quote);
  return isQuoted ? value.slice(1, -1) : value;
}

const ESCAPES: Readonly<Record<string, string>> = { ...SIMPLE_ESCAPES, "=": "=" };

/** Backslash escapes as Ansible reads them in key=value. */
function decodeEscapes(value: string): string {
  return value.replace(
    /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|([\\'"=abfnrtv]))/g,
    (_, byte, unit, letter) =>
      letter === undefined
        ? String.fromCharCode(Number.parseInt(byte ?? unit, 16))
        : (ESCAPES[letter] ?? letter),
  );
}
