import { extname, resolve } from "node:path";
import { InputError } from "../lib/errors.ts";
import { behindMark, markRefused } from "../lib/text-file.ts";
import { parseYaml, type YamlDocument } from "../lib/yaml.ts";
import { shellWord } from "../shell/quote.ts";
import { readVaulted } from "../vault/read-file.ts";
import { addIni, type IniInventory, looksLikeIni, parseIni } from "./ini.ts";
import type { InventoryBuilder } from "./inventory-builder.ts";
import { addProgram, isProgram, MAX_OUTPUT_BYTES, type ProgramContext } from "./program.ts";
import { parseYamlInventory } from "./yaml-inventory.ts";

const YAML_ENDINGS = ["", ".yml", ".yaml", ".json"];
/** Plugins take their configuration from a file that ends so, too. */
const PLUGIN_ENDING = ".config";

export interface ReadContext extends ProgramContext {
  /** Every -i. */
  sources: readonly string[];
}

/**
 * Reads one inventory file into `builder` as Ansible would. It runs a program. It reads a file whose name has one of YAML's
 * endings, or none, as YAML or JSON; what is neither, and every other name, as INI.
 *
 * @throws InputError where no reader takes the file: the error of the reader that it was written for.
 */
export async function readInventoryFile(
  file: string,
  context: ReadContext,
  builder: InventoryBuilder,
): Promise<void> {
  const path = resolve(context.cwd, file);
  if (await isProgram(path, file)) return addProgram(path, file, context, builder);
  if (extname(file) === ".toml") {
    throw new InputError({
      place: { file },
      message: `is TOML, which redkeep does not read. This makes YAML of it: ${exportCommand([file])}`,
    });
  }
  // What ansible-inventory --export writes of a cloud is as much as its program prints: some KiB a host.
  const { text, fromVault } = await readVaulted(path, file, context.vault, MAX_OUTPUT_BYTES);
  const isYaml =
    YAML_ENDINGS.includes(extname(file)) || (extname(file) === PLUGIN_ENDING && /^plugin:/m.test(text));
  const yaml = isYaml ? readAsYaml(text, file, fromVault) : undefined;
  if (yaml?.document !== undefined) {
    // The plugin `constructed` makes its groups of what the other sources have.
    const command = (plugin: string) =>
      exportCommand(/(?:^|\.)constructed$/.test(plugin) ? context.sources : [file]);
    return parseYamlInventory(yaml.document, builder, command);
  }
  if (behindMark(text) !== undefined)
    throw markRefused(file, "which Ansible takes for a part of its first line");
  const ini = parseIni(text, { file, ...(fromVault ? { fromVault } : {}) });
  if (ini.problems.length === 0) addIni(ini, builder);
  else builder.problems.push(...problemsOf(text, file, ini, yaml?.error).problems);
  if (ini.lines.length + ini.problems.length === 0) builder.foundEmpty({ file, line: 1, column: 1 });
}

/** The command that turns what redkeep does not read into a file that it reads. */
function exportCommand(files: readonly string[]): string {
  const given = files.map((file) => `-i ${shellWord(file)}`).join(" ");
  return `ansible-inventory ${given} --list --yaml --export --output FILE.yml`;
}

/** The document where Ansible's YAML reader takes it, or why it does not; neither for a text that is no mapping. */
function readAsYaml(
  text: string,
  file: string,
  fromVault: boolean,
): { document?: YamlDocument; error?: InputError } {
  try {
    const document = parseYaml(text, file, fromVault);
    const { root } = document;
    if (root.kind === "mapping") return { document };
    if (root.kind === "scalar") return {};
    const message = "expected a mapping of groups, found a list";
    return { error: new InputError({ place: root.place, message }) };
  } catch (error) {
    if (error instanceof InputError) return { error };
    throw error;
  }
}

/** Of the readers that gave up, the error of the one that the file was written for. */
function problemsOf(text: string, file: string, ini: IniInventory, yaml: InputError | undefined): InputError {
  const isIni = looksLikeIni(text);
  if (yaml !== undefined && !isIni && (extname(file) !== "" || looksLikeYaml(text))) return yaml;
  const [first, ...others] = ini.problems;
  if (first === undefined || isIni) return new InputError(ini.problems);
  return new InputError([{ ...first, message: `${first.message}${hint(text, file)}` }, ...others]);
}

function looksLikeYaml(text: string): boolean {
  return /^(?:---|\{|[ \t]*["']?[\w.-]+["']?:[ \t]*(?:#.*)?$)/m.test(text);
}

/** What else the file may be, where it does not look like INI. */
function hint(text: string, file: string): string {
  if (text.startsWith("#!")) return "; it begins as a program does, but may not be executed";
  if (!looksLikeYaml(text)) return "";
  return YAML_ENDINGS.includes(extname(file))
    ? ""
    : `; as YAML, Ansible reads only .yml, .yaml, .json and names without an ending`;
}
