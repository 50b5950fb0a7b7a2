import { InputError, type Place } from "../lib/errors.ts";
import { VaultText, vaultTexts, type YamlNode } from "../lib/yaml-node.ts";
import { needOpened } from "../vault/locked.ts";
import type { Variable } from "./inventory.ts";

/**
 * Refuses a variable that is about to be used and has a Jinja template anywhere inside. Fleets have many of them in variables
 * that redkeep never reads, so there they are no error. What was encrypted is a value, never a template.
 *
 * @throws InputError
 * @throws Locked for a `!vault` value that was not opened yet: see `unlocking`
 */
export function refuseUnrendered({ value, place, node }: Variable, name: string, host: string): void {
  const key = `${name} of ${host}`;
  for (const text of node ? vaultTexts(node) : vaultTextsIn(value)) needOpened(text, key);
  const found = node ? findInNode(node) : findInValue(value, place);
  if (found === undefined) return;
  const shown = /pass|secret|token/i.test(name) ? "" : ` (${JSON.stringify(found.template.slice(0, 80))})`;
  throw new InputError({
    place: found.place,
    key,
    message: `is a Jinja template${shown}; redkeep takes inventory values as they stand: write the value, or pass -e ${name}=…`,
  });
}

type Found = { place: Place; template: string };

function vaultTextsIn(value: unknown): VaultText[] {
  if (value instanceof VaultText) return [value];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(vaultTextsIn) : [];
}

function isTemplate(text: string): boolean {
  return /\{[{%#]/.test(text);
}

function findInNode(root: YamlNode): Found | undefined {
  const todo: YamlNode[] = [root];
  for (let node = todo.pop(); node; node = todo.pop()) {
    if (node.kind === "sequence") todo.push(...node.items.toReversed());
    else if (node.kind === "mapping")
      todo.push(...[...node.entries.values()].map((entry) => entry.node).reverse());
    else if (node.type === "text" && isTemplate(String(node.value))) {
      return { place: node.place, template: String(node.value) };
    }
  }
  return undefined;
}

function findInValue(value: unknown, place: Place): Found | undefined {
  if (typeof value === "string") return isTemplate(value) ? { place, template: value } : undefined;
  if (typeof value !== "object" || value === null) return undefined;
  for (const part of Object.values(value)) {
    const found = findInValue(part, place);
    if (found) return found;
  }
  return undefined;
}
