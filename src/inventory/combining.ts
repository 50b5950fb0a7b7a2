import type { YamlEntry, YamlMapping, YamlNode } from "../lib/yaml-node.ts";
import type { Variable } from "./variable.ts";
import { variableOf } from "./variable.ts";

/**
 * What a stronger variable makes of a weaker one of its name, by Ansible's hash_behaviour: it replaces it, or of two mappings it
 * replaces what both have.
 */
export type Combine = (weaker: Variable | undefined, stronger: Variable) => Variable;

/** What is followed unless an ansible.cfg says otherwise. */
export const replacing: Combine = (_, stronger) => stronger;

/** `hash_behaviour = merge`. What is merged once is shared by all hosts that have the same two. */
export function merging(): Combine {
  const known = new WeakMap<Variable, WeakMap<Variable, Variable>>();
  return (weaker, stronger) => {
    if (weaker?.node?.kind !== "mapping" || stronger.node?.kind !== "mapping") return stronger;
    const ofWeaker = known.get(weaker) ?? new WeakMap<Variable, Variable>();
    known.set(weaker, ofWeaker);
    const fromVault = weaker.place.fromVault === true || stronger.place.fromVault === true;
    const place = fromVault ? { ...stronger.place, fromVault } : stronger.place;
    const merged =
      ofWeaker.get(stronger) ??
      variableOf({ place, keyIsText: true, node: mergedMapping(weaker.node, stronger.node) });
    ofWeaker.set(stronger, merged);
    return merged;
  };
}

/** The variables of several parts, weakest first. */
export function combined(
  parts: Iterable<Iterable<readonly [string, Variable]>>,
  combine: Combine,
): Map<string, Variable> {
  const result = new Map<string, Variable>();
  for (const part of parts)
    for (const [name, variable] of part) result.set(name, combine(result.get(name), variable));
  return result;
}

function mergedMapping(weaker: YamlMapping, stronger: YamlMapping): YamlMapping {
  const entries = new Map<string, YamlEntry>(weaker.entries);
  for (const [key, entry] of stronger.entries) {
    const node: YamlNode | undefined = entries.get(key)?.node;
    const isBoth = node?.kind === "mapping" && entry.node.kind === "mapping";
    entries.set(key, isBoth ? { ...entry, node: mergedMapping(node, entry.node as YamlMapping) } : entry);
  }
  return { ...stronger, entries };
}
