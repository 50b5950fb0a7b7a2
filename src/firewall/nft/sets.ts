import type { Family } from "../../lib/network.ts";
import { subnetNumbers } from "../match.ts";
import type { Numbers } from "../packets.ts";
import { isObject, type Json } from "./json.ts";
import type { NftTable } from "./tables.ts";

/** The elements of a set, also of a named one. Undefined where packets themselves add elements, or where it counts what matches. */
export function elementsOf(value: Json | undefined, table: NftTable): Json[] | undefined {
  if (typeof value === "string" && value.startsWith("@")) {
    const set = table.sets.get(value);
    const flags = [set?.flags ?? []].flat();
    if (set === undefined || flags.includes("dynamic") || flags.includes("timeout")) return undefined;
    const counts = [set.stmt ?? []].flat().every((one) => isObject(one) && "counter" in one);
    const elements = [set.elem ?? []].flat();
    table.readable -= elements.length;
    return counts && table.readable >= 0 ? elements.map(unwrapped) : undefined;
  }
  if (Array.isArray(value)) return value.map(unwrapped);
  if (isObject(value) && Array.isArray(value.set)) return value.set.map(unwrapped);
  return value === undefined || value === null ? undefined : [value];
}

const IN_ELEMENTS = new Set(["val", "comment", "counter"]);

/** An element without its own comment or counter; null where it has more, such as a limit. */
export function unwrapped(element: Json): Json {
  if (!isObject(element) || !isObject(element.elem)) return element;
  return Object.keys(element.elem).every((key) => IN_ELEMENTS.has(key)) ? (element.elem.val ?? null) : null;
}

/** A number, an address, a subnet or a range of them. */
export function numbersOf(value: Json, family: Family | undefined): Numbers | undefined {
  if (typeof value === "number") return family === undefined ? [[BigInt(value), BigInt(value)]] : undefined;
  if (typeof value === "string") return family === undefined ? undefined : subnetNumbers(value, family);
  if (!isObject(value)) return undefined;
  if (isObject(value.prefix) && family !== undefined)
    return subnetNumbers(`${value.prefix.addr}/${value.prefix.len}`, family);
  if (Array.isArray(value.range)) {
    const [from, to] = value.range.map((end) => numbersOf(end, family));
    const [first, last] = [from?.[0]?.[0], to?.[0]?.[1]];
    return first === undefined || last === undefined ? undefined : [[first, last]];
  }
  return undefined;
}
