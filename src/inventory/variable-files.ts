import { extname, join, resolve } from "node:path";
import { didYouMean, InputError } from "../lib/errors.ts";
import { parseYaml } from "../lib/yaml.ts";
import { describeNode, type YamlNode } from "../lib/yaml-node.ts";
import { isVault } from "../vault/envelope.ts";
import { readMaybeVaulted, readVaulted } from "../vault/read-file.ts";
import type { Vault } from "../vault/vault.ts";
import { kindOf, linkToNothing, namesIn } from "./sources.ts";
import type { Variable } from "./variable.ts";
import { variableOf } from "./variable.ts";
import { type VariablePart, VaultedFile } from "./vaulted.ts";

/** The endings of a group's or host's file, in the order in which Ansible looks for them: the first file that exists counts. */
const EXTENSIONS = ["", ".yml", ".yaml", ".json"];
const IGNORED_EXTENSIONS = [
  ".bak",
  ".cfg",
  ".ini",
  ".md",
  ".orig",
  ".pyc",
  ".pyo",
  ".retry",
  ".rpm",
  ".rst",
  ".swp",
  ".txt",
];
const MAX_DEPTH = 20;

/** The variables of one group_vars or host_vars directory, by the group's or host's name. Of several files the last wins. */
export type VariableFiles = ReadonlyMap<string, readonly VariablePart[]>;

/**
 * Reads `directory` (a group_vars or host_vars; one that does not exist is empty) for the groups or hosts in `names`. Files for other
 * names, and those that Ansible would skip because another one comes first, become `warnings`.
 *
 * @throws InputError for a file that cannot be read or is not a mapping.
 */
export async function readVariableFiles(
  directory: string,
  what: "group" | "host",
  names: ReadonlySet<string>,
  cwd: string,
  warnings: string[],
): Promise<VariableFiles> {
  const result = new Map<string, VariablePart[]>();
  const present = await directoryEntries(directory, cwd, warnings);
  for (const name of names) {
    const [first, ...others] = EXTENSIONS.map((extension) => name + extension).filter((file) =>
      present.has(file),
    );
    if (first === undefined) continue;
    for (const other of others) {
      warnings.push(`${join(directory, other)} is not read, because ${join(directory, first)} comes first`);
    }
    const parts: VariablePart[] = [];
    await readVariables(join(directory, first), cwd, parts, warnings);
    result.set(name, parts);
  }
  for (const file of present) warnOfStranger(directory, file, what, names, warnings);
  return result;
}

async function directoryEntries(directory: string, cwd: string, warnings: string[]): Promise<Set<string>> {
  const kind = await kindOf(resolve(cwd, directory));
  if (kind === "file") warnings.push(`${directory} is not read: it is no directory`);
  return new Set(kind === "directory" ? await existingIn(directory, cwd, warnings) : []);
}

/** The names in a directory; a link to nothing becomes a warning. */
async function existingIn(directory: string, cwd: string, warnings: string[]): Promise<string[]> {
  const names: string[] = [];
  for (const name of await namesIn(directory, cwd)) {
    const path = join(directory, name);
    if ((await kindOf(resolve(cwd, path))) === undefined) warnings.push(linkToNothing(path));
    else names.push(name);
  }
  return names;
}

/** A file for a group that does not exist is usually a typo, and Ansible says nothing. */
function warnOfStranger(
  directory: string,
  file: string,
  what: "group" | "host",
  names: ReadonlySet<string>,
  warnings: string[],
): void {
  if (file.startsWith(".") || file.endsWith("~") || IGNORED_EXTENSIONS.includes(extname(file))) return;
  const extension = extname(file);
  const name = EXTENSIONS.includes(extension) ? file.slice(0, file.length - extension.length) : file;
  if (names.has(file) || names.has(name)) return;
  warnings.push(
    `${join(directory, file)} is not read: the inventory has no ${what} "${name}".${didYouMean(name, names)}`,
  );
}

/** Reads a file, or a directory's files in byte order, into `into`; later ones win. */
async function readVariables(
  path: string,
  cwd: string,
  into: VariablePart[],
  warnings: string[],
  depth = 0,
): Promise<void> {
  if (depth > MAX_DEPTH) {
    throw new InputError({ place: { file: path }, message: `lies more than ${MAX_DEPTH} directories deep` });
  }
  if ((await kindOf(resolve(cwd, path))) !== "directory") {
    const text = await readMaybeVaulted(resolve(cwd, path), path);
    into.push(
      isVault(text) ? new VaultedFile(path, text, variablesIn) : variablesIn(parseYaml(text, path).root),
    );
    return;
  }
  for (const name of await existingIn(path, cwd, warnings)) {
    if (name.startsWith(".") || name.endsWith("~")) continue;
    const inner = join(path, name);
    const isDirectory = (await kindOf(resolve(cwd, inner))) === "directory";
    if (isDirectory ? extname(name) === "" : EXTENSIONS.includes(extname(name)))
      await readVariables(inner, cwd, into, warnings, depth + 1);
  }
}

/**
 * The variables of one YAML or JSON file, which may be encrypted; none when it is empty.
 *
 * @throws InputError when it is not a mapping.
 */
export async function readVariableFile(
  file: string,
  cwd: string,
  vault: Vault,
): Promise<Map<string, Variable>> {
  const { text, fromVault } = await readVaulted(resolve(cwd, file), file, vault);
  return variablesIn(parseYaml(text, file, fromVault).root);
}

function variablesIn(root: YamlNode): Map<string, Variable> {
  if (root.kind === "scalar" && root.value === null) return new Map();
  if (root.kind !== "mapping") {
    throw new InputError({
      place: root.place,
      message: `expected a mapping of variables, found ${describeNode(root)}`,
    });
  }
  return new Map([...root.entries].map(([name, entry]) => [name, variableOf(entry)]));
}
