import { InputError, type Place } from "./errors.ts";
import { behindMark, readTextFile } from "./text-file.ts";
import { Composer } from "./yaml-composer.ts";
import { placeOf, toValue, type YamlNode, type YamlPath } from "./yaml-node.ts";
import { Lines } from "./yaml-source.ts";

export interface YamlDocument {
  readonly root: YamlNode;
  /** The document as plain values: mappings are objects without a prototype; an empty document is null. */
  readonly value: unknown;
  /** Where `path` stands: the key of a mapping's entry, the start of a list's item, else the nearest parent's place. */
  placeOf(path: YamlPath): Place;
}

/**
 * Parses one YAML document as Ansible reads it (YAML 1.1; text that is JSON follows JSON), with the place of every value.
 * `file` is the name for messages.
 *
 * @throws InputError for a syntax error, a duplicate key, a second document, an unknown tag, an alias that contains itself
 * or expands without measure, an integer that would be rounded, and an Ansible Vault file.
 * @param fromVault the text was encrypted: messages show no value of it.
 */
export function parseYaml(text: string, file: string, fromVault = false): YamlDocument {
  const source = behindMark(text) ?? text;
  if (source.startsWith("$ANSIBLE_VAULT")) {
    throw new InputError({
      place: { file, line: 1, column: 1 },
      message:
        "is encrypted with Ansible Vault: redkeep opens inventories, files of variables, the state and files that " +
        "{ file: PATH } names, and reads this one only as plain text",
    });
  }
  const lines = new Lines(source, file, fromVault);
  const root = new Composer(source, lines).compose();
  return {
    root,
    value: toValue(root),
    placeOf: (path) => placeOf(root, path),
  };
}

/**
 * Reads and parses a YAML file of at most 1 MiB. `file` is the name for messages.
 *
 * @throws InputError also when the file cannot be read or is not UTF-8.
 */
export async function readYamlFile(path: string, file: string = path): Promise<YamlDocument> {
  return parseYaml(await readTextFile(path, file), file);
}
