import type { Match } from "../packets.ts";
import { isDeep, isObject, type Json, type JsonObject } from "./json.ts";

export interface NftTable {
  family: string;
  name: string;
  isDormant: boolean;
  chains: { name: string; json: JsonObject; rules: { expr: Json[] }[] }[];
  sets: Map<string, JsonObject>;
  /** Matches against named sets that were read already, by their text: many rules ask the same of lists of thousands. */
  asked: Map<string, Match[]>;
  /** How many elements of named sets its rules may still read. */
  readable: number;
}

/** The most elements: hosts with a few lists of fifty thousand networks need fewer, however many rules name the lists. */
const MAX_ELEMENTS = 500_000;

/** nft's ruleset as it was read. */
export interface NftTables {
  tables: readonly NftTable[];
}

/**
 * Reads `nft -j list ruleset`. `lines` is of the same in words: nft 1.0 leaves out of its JSON which tables are dormant, and
 * which interfaces an ingress chain is for.
 */
export function parseNft(text: string, lines = ""): NftTables | undefined {
  if (isDeep(text)) return undefined;
  let json: Json;
  try {
    json = JSON.parse(text) as Json;
  } catch {
    // What is no JSON leaves the rules unknown.
    return undefined;
  }
  const items = isObject(json) && Array.isArray(json.nftables) ? json.nftables : undefined;
  if (items === undefined) return undefined;
  const tables = new Map<string, NftTable>();
  const chains = new Map<string, NftTable["chains"][number]>();
  const key = (object: JsonObject, name: string) => `${object.family} ${object[name]}`;
  for (const item of items) {
    if (!isObject(item)) return undefined;
    const [[kind, object] = ["", null]] = Object.entries(item);
    if (!isObject(object)) continue;
    if (kind === "table") {
      const isDormant = [object.flags].flat().includes("dormant");
      const [family, name] = [String(object.family), String(object.name)];
      tables.set(key(object, "name"), {
        family,
        name,
        isDormant,
        chains: [],
        sets: new Map(),
        asked: new Map(),
        readable: MAX_ELEMENTS,
      });
      continue;
    }
    const table = tables.get(key(object, "table"));
    if (kind === "chain" && table !== undefined) {
      const chain = { name: String(object.name), json: object, rules: [] };
      table.chains.push(chain);
      const name = `${key(object, "table")} ${chain.name}`;
      if (!chains.has(name)) chains.set(name, chain);
    }
    if (kind === "set" || kind === "map") table?.sets.set(`@${object.name}`, object);
    if (kind === "rule" && Array.isArray(object.expr)) {
      chains.get(`${key(object, "table")} ${object.chain}`)?.rules.push({ expr: object.expr });
    }
  }
  addFromText(tables, lines);
  return { tables: [...tables.values()] };
}

function addFromText(tables: ReadonlyMap<string, NftTable>, lines: string): void {
  let [table, chain]: [NftTable | undefined, string] = [undefined, ""];
  for (const line of lines.split("\n")) {
    const [, named] = /^table (\S+ \S+) \{/.exec(line) ?? [];
    if (named !== undefined) [table, chain] = [tables.get(named), ""];
    // A set has flags too, one step further in.
    if (/^\tflags .*\bdormant\b/.test(line) && table !== undefined) table.isDormant = true;
    chain = /^\tchain (\S+) \{/.exec(line)?.[1] ?? chain;
    const [, one, several] = /hook ingress (?:device (\S+)|devices = \{([^}]*)\})/.exec(line) ?? [];
    if ((one ?? several) === undefined) continue;
    const found = table?.chains.find(({ name }) => name === chain);
    if (found === undefined) continue;
    found.json.dev = (one ?? several ?? "").split(",").map((name) => name.trim().replace(/^"|"$/g, ""));
  }
}
