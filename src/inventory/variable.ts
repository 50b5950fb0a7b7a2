import type { Place } from "../lib/errors.ts";
import { toValue, vaultTexts, type YamlEntry, type YamlNode } from "../lib/yaml-node.ts";

/**
 * A variable's value as written in the file, with its place. Whoever uses it has it rendered first, which gives a copy. One from
 * a vault has a place that says so, and is shown to nobody.
 */
export interface Variable {
  readonly value: unknown;
  readonly place: Place;
  /** The value's parts with their places, where it was written as YAML. */
  readonly node?: YamlNode;
}

/** A variable with the places of its parts. A `!vault` part of it has its plain value once it was opened. */
export function variableOf({ node, place }: YamlEntry): Variable {
  if (vaultTexts(node).length === 0) return { value: toValue(node), place, node };
  return {
    get value() {
      return toValue(node);
    },
    place: { ...place, fromVault: true },
    node,
  };
}
