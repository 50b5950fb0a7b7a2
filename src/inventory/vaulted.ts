import { readsAsWord, Secret } from "../lib/secret.ts";
import { parseYaml } from "../lib/yaml.ts";
import type { YamlNode } from "../lib/yaml-node.ts";
import type { Vault } from "../vault/vault.ts";
import type { Variable } from "./variable.ts";

/** The variables of one file; or an encrypted file, which is opened when a selected host needs it. */
export type VariablePart = ReadonlyMap<string, Variable> | VaultedFile;

/** A file of variables that is encrypted as a whole. */
export class VaultedFile {
  readonly #file: string;
  readonly #text: string;
  readonly #variablesIn: (root: YamlNode) => Map<string, Variable>;
  #opened: Promise<Map<string, Variable>> | undefined;

  /** @param variablesIn reads what the file holds, and throws an InputError where it is no mapping */
  constructor(file: string, text: string, variablesIn: (root: YamlNode) => Map<string, Variable>) {
    this.#file = file;
    this.#text = text;
    this.#variablesIn = variablesIn;
  }

  /**
   * Its variables, decrypted once for all hosts. From then on its values are masked in all output.
   * @param isName whether a text is the name of a host or group, which is no secret
   * @throws InputError where it cannot be opened or read
   */
  open(vault: Vault, isName: (text: string) => boolean): Promise<Map<string, Variable>> {
    this.#opened ??= (async () => {
      const { text } = await vault.open({ text: this.#text, place: { file: this.#file } });
      const variables = this.#variablesIn(parseYaml(text, this.#file, true).root);
      maskValues(variables.values(), isName);
      return variables;
    })();
    return this.#opened;
  }
}

/**
 * Masks the values of an encrypted file in all output from now on, except words, short numbers, and names that the inventory
 * shows anyway.
 */
export function maskValues(variables: Iterable<Variable>, isName: (text: string) => boolean): void {
  for (const { value, place } of variables) if (place.fromVault === true) maskValue(value, isName);
}

function maskValue(value: unknown, isName: (text: string) => boolean): void {
  if (typeof value === "object" && value !== null)
    for (const part of Object.values(value)) maskValue(part, isName);
  if (typeof value !== "string" && typeof value !== "number") return;
  const text = String(value);
  if (!readsAsWord(text) && !isName(text)) new Secret(text);
}
