import { InputError, type Place } from "../lib/errors.ts";
import { VaultText, type YamlNode } from "../lib/yaml-node.ts";
import type { Variable } from "./inventory.ts";

/**
 * Refuses a variable that is about to be used and has a Jinja template or a `!vault` value anywhere inside. Fleets have many
 * of both in variables that redkeep never reads, so there they are no error.
 *
 * @throws InputError
 */
export function refuseUnrendered({ value, place, node }: Variable, name: string, host: string): void {
  const found = node ? findInNode(node) : findInValue(value, place);
  if (found === undefined) return;
  const key = `${name} of ${host}`;
  if (found.template === undefined) {
    throw new InputError({
      place: found.place,
      key,
      message:
        "is encrypted with Ansible Vault, which redkeep does not decrypt: write { env: NAME } or " +
        `{ command: [ansible-vault, view, FILE] } where a secret is expected, or pass -e ${name}=…`,
    });
  }
  const shown = /pass|secret|token/i.test(name) ? "" : ` (${JSON.stringify(found.template.slice(0, 80))})`;
  throw new InputError({
    place: found.place,
    key,
    message: `is a Jinja template${shown}; redkeep takes inventory values as they stand: write the value, or pass -e ${name}=…`,
  });
}

/** `template` is left out for a `!vault` value. */
type Found = { place: Place; template?: string };

function isTemplate(text: string): boolean {
  return /\{[{%#]/.test(text);
}

function findInNode(root: YamlNode): Found | undefined {
  const todo: YamlNode[] = [root];
  for (let node = todo.pop(); node; node = todo.pop()) {
    if (node.kind === "sequence") todo.push(...node.items.toReversed());
    else if (node.kind === "mapping")
      todo.push(...[...node.entries.values()].map((entry) => entry.node).reverse());
    else if (node.type === "vault") return { place: node.place };
    else if (node.type === "text" && isTemplate(String(node.value))) {
      return { place: node.place, template: String(node.value) };
    }
  }
  return undefined;
}

function findInValue(value: unknown, place: Place): Found | undefined {
  if (value instanceof VaultText) return { place };
  if (typeof value === "string") return isTemplate(value) ? { place, template: value } : undefined;
  if (typeof value !== "object" || value === null) return undefined;
  for (const part of Object.values(value)) {
    const found = findInValue(part, place);
    if (found) return found;
  }
  return undefined;
}
