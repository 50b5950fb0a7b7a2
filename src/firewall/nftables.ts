import { type Family, family as familyOf } from "../lib/network.ts";
import { countRules, subnetNumbers, tcpFlags } from "./iptables.ts";
import { type Match, type Numbers, numbers } from "./packets.ts";
import type { BaseChain, Effect, Gap, Part, Rule, Ruleset, Verdict } from "./ruleset.ts";

/** What `nft -j list ruleset` prints, as libnftables-json(5) has it; only what is asked below is known of it. */
type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
type JsonObject = { [key: string]: Json };

interface NftTable {
  family: string;
  name: string;
  isDormant: boolean;
  chains: { name: string; json: JsonObject; rules: { expr: Json[] }[] }[];
  sets: Map<string, JsonObject>;
  /** What has been asked by named sets, by its text: rules ask the same of lists of thousands. */
  asked: Map<string, Match[]>;
  /** Elements of named sets that may still be read for its rules. */
  readable: number;
}

/** Hosts with a few lists of fifty thousand networks need a part of it, however many rules name them. */
const MAX_ELEMENTS = 500_000;
/** The kernel takes 128 expressions a rule, of which a statement needs one at least. */
const MAX_STATEMENTS = 128;

/** The ruleset of nft, read. */
export interface NftTables {
  tables: readonly NftTable[];
}

/** Tables that iptables keeps in nftables. */
const IPTABLES = new Set(["raw", "mangle", "nat", "filter", "security"]);

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

/** nft's own JSON is some ten levels deep. What is read here is read by functions that call themselves. */
function isDeep(text: string): boolean {
  let depth = 0;
  for (const [sign] of text.matchAll(/[[{\]}]/g)) {
    depth += sign === "[" || sign === "{" ? 1 : -1;
    if (depth > 100) return true;
  }
  return false;
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

/** One rule of iptables' tables, as nft shows it. */
export interface Shown {
  /** False where a part of it is an extension of iptables, which nft does not print. */
  isWhole: boolean;
  rule: Rule;
}

/**
 * The chains of nft that see packets of a family, but for those that iptables keeps there and shows itself: they are in
 * `save`, what iptables-save printed. `byTable` has the rules of those, for what iptables does not show of them. Where iptables keeps
 * its tables elsewhere, `save` is empty: those of nft are others, that packets pass too.
 */
export function readNft(
  { tables }: NftTables,
  save: string,
  family: Family,
): Ruleset & { byTable: Map<string, readonly Shown[]> } {
  const own = family === 4 ? "ip" : "ip6";
  const counted = countRules(save, family);
  const [chains, gaps]: [BaseChain[], Gap[]] = [[], []];
  const byTable = new Map<string, readonly Shown[]>();
  for (const table of tables) {
    if (table.family === "bridge" && table.chains.some(({ json }) => json.hook !== undefined))
      gaps.push({
        text: `nftables table bridge ${table.name} filters what bridges pass on`,
        isWithin: false,
      });
    if (![own, "inet", "netdev"].includes(table.family) || table.isDormant) continue;
    const shown = [...counted.keys()].filter((chain) => chain.startsWith(`${table.name} `));
    if (table.family === own && IPTABLES.has(table.name) && shown.length > 0) {
      const rules = new Map(table.chains.map((chain) => [chain.name, chain.rules]));
      const isSame =
        [...rules.keys()].every((name) => counted.has(`${table.name} ${name}`)) &&
        shown.every((name) => counted.get(name) === (rules.get(name.split(" ")[1] ?? "")?.length ?? 0));
      if (!isSame)
        gaps.push({ text: `iptables and nft do not agree about table ${own} ${table.name}`, isWithin: true });
      for (const { name, rules } of isSame ? table.chains : []) {
        byTable.set(
          `${table.name} ${name}`,
          rules.map(({ expr }) => ({
            isWhole: !expr.some((statement) => isObject(statement) && "xt" in statement),
            rule: readRule(expr, table, name, family),
          })),
        );
      }
      continue;
    }
    chains.push(...baseChains(table, family));
  }
  return { chains, gaps, byTable };
}

function baseChains(table: NftTable, family: Family): BaseChain[] {
  const read = new Map<string, readonly Rule[]>();
  // The first of a name is the one whose rules are known.
  const byName = new Map(table.chains.toReversed().map((chain) => [chain.name, chain]));
  const chain = (name: string): readonly Rule[] | undefined => {
    const found = byName.get(name);
    if (found === undefined) return undefined;
    const rules = read.get(name) ?? found.rules.map(({ expr }) => readRule(expr, table, name, family));
    read.set(name, rules);
    return rules;
  };
  return table.chains.flatMap(({ name, json }): BaseChain[] => {
    const { hook, type, prio, policy } = json;
    if (hook !== "ingress" && hook !== "prerouting" && hook !== "input" && hook !== "forward") return [];
    return [
      {
        name: `nft ${table.family} ${table.name} ${name}`,
        hook,
        priority: Number(prio ?? 0),
        kind: type === "nat" ? "nat" : "filter",
        policy: policy === "drop" ? "drop" : "accept",
        ...(hook === "ingress"
          ? { devices: json.dev === undefined ? "unknown" : [json.dev].flat().map(String) }
          : {}),
        get rules() {
          return chain(name) ?? [];
        },
        chain,
      },
    ];
  });
}

const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** A rule of nft asks and does things in turn: whatever follows a change is a part of its own. */
function readRule(expr: readonly Json[], table: NftTable, chain: string, family: Family): Rule {
  const said = expr.map(words).filter(Boolean).join(" ");
  const name = `nft ${table.family} ${table.name} ${chain}`;
  const text = `${name}: ${said.length > 300 ? `${said.slice(0, 300)}…` : said}`;
  const statements = expr.length > MAX_STATEMENTS ? [null] : expr;
  let part: Part = { matches: [], effects: [], verdict: undefined };
  for (const statement of statements.toReversed()) part = ahead(readStep(statement, table, family), part);
  return { chain: name, text, ...part };
}

/** A statement and what follows it in its rule. */
function ahead({ matches = [], effects = [], verdict, cases }: Step, rest: Part): Part {
  const asked = matches.filter(({ kind }) => kind !== "always");
  if (verdict !== undefined) return { matches: asked, effects, verdict };
  if (cases !== undefined) {
    const afterwards = cases.map(([own, decided]): Part => {
      const part = { matches: own, effects: [], verdict: decided };
      return decided === undefined ? { ...part, afterwards: [rest] } : part;
    });
    return { matches: asked, effects: [], verdict: undefined, afterwards };
  }
  if (effects.length > 0) return { matches: asked, effects, verdict: undefined, afterwards: [rest] };
  return { ...rest, matches: [...asked, ...rest.matches] };
}

/** What one statement asks, and then does. */
interface Step {
  /** All of them have to hold, or the rule ends here. */
  matches?: Match[];
  effects?: Effect[];
  verdict?: Verdict;
  /** A verdict for each value of a map, of which the first that matches holds; none goes on within the rule. */
  cases?: [Match[], Verdict | undefined][];
}

const UNKNOWN: Step = { verdict: { kind: "unknown" } };
const NEVER: Match = { kind: "never" };
const DOUBT: Match = { kind: "unknown" };
const asks = (...matches: Match[]): Step => ({ matches });

function readStep(statement: Json, table: NftTable, family: Family): Step {
  if (!isObject(statement)) return UNKNOWN;
  const [[kind, value] = ["", null]] = Object.entries(statement);
  const step = readStatement(kind, value, table, family);
  return { ...step, matches: [...implied(statement, family), ...(step.matches ?? [])] };
}

/** Protocols that no TCP packet is of. */
const OTHERS = new Set("udp udplite sctp dccp icmp icmpv6 igmp esp ah comp arp".split(" "));
const FAMILIES = new Map<Json | undefined, Family>([
  ["ip", 4],
  ["icmp", 4],
  ["ip6", 6],
  ["icmpv6", 6],
]);

/**
 * What nft asks before a statement without printing it: who names a field of IPv4's header anywhere in it, or answers by
 * ICMP, has that rule for IPv4 alone (`meta nfproto ipv4`), also in a table of both families.
 */
function implied(value: Json, family: Family): Match[] {
  if (Array.isArray(value)) return value.flatMap((inner) => implied(inner, family));
  if (!isObject(value)) return [];
  return Object.entries(value).flatMap(([kind, inner]): Match[] => {
    if (!isObject(inner)) return implied(inner, family);
    const isOf = (named: Family | undefined): Match[] =>
      named === undefined || named === family ? [] : [NEVER];
    switch (kind) {
      case "payload":
        if (OTHERS.has(String(inner.protocol))) return [NEVER];
        return inner.protocol === "ether"
          ? [{ kind: "trait", text: "an Ethernet header" }]
          : isOf(FAMILIES.get(inner.protocol));
      case "ip option":
        return isOf(4);
      case "exthdr":
        return isOf(6);
      case "reject":
        return isOf(FAMILIES.get(inner.type));
      case "dnat":
      case "snat":
        return [
          ...isOf(FAMILIES.get(inner.family)),
          ...isOf(typeof inner.addr === "string" ? familyOf(inner.addr) : undefined),
          ...Object.values(inner).flatMap((part) => implied(part, family)),
        ];
      case "rt":
        return isOf(FAMILIES.get(inner.family));
      default:
        return implied(inner, family);
    }
  });
}

const METAS = new Set("mark priority protocol nfproto l4proto length pkttype iif iifname cpu".split(" "));

/** Whether a value is there for every TCP packet. Where one is not, the rule ends without a word: a map without an element for it, say. */
function isThere(value: Json): boolean {
  if (Array.isArray(value)) return value.every(isThere);
  if (!isObject(value)) return true;
  return Object.entries(value).every(([kind, inner]) => {
    if (/^(?:[|&^]|<<|>>)$/.test(kind)) return isThere(inner);
    if (!isObject(inner)) return false;
    if (kind === "payload")
      return /^(?:ip|ip6|tcp|th)$/.test(String(inner.protocol)) && inner.field !== undefined;
    if (kind === "meta") return METAS.has(String(inner.key));
    // Where there is a connection: `tracked` asks for it.
    if (kind === "ct") return inner.key === "mark";
    if (kind === "jhash") return isThere(inner.expr ?? null);
    return kind === "numgen" || kind === "symhash";
  });
}

/** Packets that belong to a connection: what else is asked of one ends the rule for others. */
const TRACKED: Match = { kind: "state", states: ["NEW"], negated: false };

function readStatement(kind: string, value: Json, table: NftTable, family: Family): Step {
  switch (kind) {
    case "counter":
    case "log":
    case "comment":
    case "last":
    case "ct helper":
    case "ct timeout":
    case "ct expectation":
      return {};
    case "dup":
      return isObject(value) && Object.values(value).every(isThere) ? {} : asks(DOUBT);
    case "flow":
      // A flow table takes no connection that is not yet answered, and ends the rule.
      return asks(DOUBT);
    case "match":
      return readMatch(value, table, family);
    case "limit":
    case "ct count":
      return asks({ kind: "chance" });
    case "set":
    case "meter":
      // What is counted in a set for each address has a limit of its own; what is only put there may find the set full.
      return asks({
        kind: kind === "set" && isObject(value) && value.stmt === undefined ? "unknown" : "chance",
      });
    case "accept":
    case "drop":
    case "return":
      return { verdict: { kind } };
    case "reject":
      return { verdict: { kind: "drop" } };
    case "continue":
      return {};
    case "jump":
    case "goto":
      return isObject(value) && typeof value.target === "string"
        ? { verdict: { kind, chain: value.target } }
        : UNKNOWN;
    case "masquerade":
    case "snat":
      return { verdict: { kind: "accept" } };
    case "notrack":
      return { effects: [{ kind: "untrack" }] };
    case "redirect":
      return readRewrite("host", isObject(value) ? value.port : undefined);
    case "dnat":
      return isObject(value) && typeof value.addr === "string" && familyOf(value.addr) !== undefined
        ? readRewrite(value.addr, value.port)
        : UNKNOWN;
    case "mangle":
      return isObject(value) ? readMangle(value) : UNKNOWN;
    case "vmap":
      return isObject(value) ? readVerdictMap(value, table, family) : UNKNOWN;
    case "xt":
      if (isObject(value) && value.type === "match") return value.name === "comment" ? {} : asks(DOUBT);
      return UNKNOWN;
    default:
      return UNKNOWN;
  }
}

function readRewrite(address: string, port: Json | undefined): Step {
  if (port !== undefined && typeof port !== "number") return UNKNOWN;
  return { effects: [{ kind: "rewrite", address, port }], verdict: { kind: "accept" } };
}

/** What of a packet may be set without any of what is asked here being changed by it. */
const HARMLESS = new Set<Json | undefined>(["priority", "nftrace", "secmark"]);

function readMangle({ key, value = null }: JsonObject): Step {
  // Where the value is not there, nothing is set.
  const matches = [...(isThere(value) ? [] : [DOUBT]), ...(names(value, "ct") ? [TRACKED] : [])];
  const field = markField(key);
  if (field === undefined) {
    if (!isObject(key)) return UNKNOWN;
    if (key["tcp option"] !== undefined) return { matches: [DOUBT], effects: [{ kind: "unsettle" }] };
    return isObject(key.meta) && HARMLESS.has(key.meta.key) ? { matches } : UNKNOWN;
  }
  if (typeof value === "number") return { effects: [{ kind: "mark", field, keep: 0, flip: value }] };
  const from = markField(value);
  if (from !== undefined && from !== field) return { matches, effects: [{ kind: "copyMark", from }] };
  return { matches, effects: [{ kind: "mark", field }] };
}

/** Whether a key of this kind is anywhere in a value. */
function names(value: Json, kind: string): boolean {
  if (Array.isArray(value)) return value.some((inner) => names(inner, kind));
  return isObject(value) && Object.entries(value).some(([own, inner]) => own === kind || names(inner, kind));
}

function markField(key: Json | undefined): "mark" | "connectionMark" | undefined {
  if (!isObject(key)) return undefined;
  if (isObject(key.meta) && key.meta.key === "mark") return "mark";
  if (isObject(key.ct) && key.ct.key === "mark") return "connectionMark";
  return undefined;
}

const DECIDING = new Set(["accept", "drop", "return", "continue", "jump", "goto"]);

function readVerdictMap({ key, data }: JsonObject, table: NftTable, family: Family): Step {
  const pairs = elementsOf(data, table);
  if (pairs === undefined) return UNKNOWN;
  const [cases, last]: [NonNullable<Step["cases"]>, NonNullable<Step["cases"]>] = [[], []];
  for (const pair of pairs) {
    if (!Array.isArray(pair) || !isObject(pair[1])) return UNKNOWN;
    const [[kind, inner] = ["", null]] = Object.entries(pair[1]);
    if (!DECIDING.has(kind)) return UNKNOWN;
    const { verdict } = readStatement(kind, inner, table, family);
    const value = unwrapped(pair[0] ?? null);
    // What no other element has; it may stand ahead of them.
    if (value === "*") last.push([[], verdict]);
    else cases.push([compare(key, "==", value, table, family), verdict]);
  }
  return { cases: [...cases, ...last] };
}

function readMatch(value: Json, table: NftTable, family: Family): Step {
  if (!isObject(value)) return asks(DOUBT);
  const { left, op, right = null } = value;
  if (typeof right !== "string" || !right.startsWith("@"))
    return { matches: compare(left, String(op), right, table, family) };
  const key = JSON.stringify([left, op, right, family]);
  const matches = table.asked.get(key) ?? compare(left, String(op), right, table, family);
  table.asked.set(key, matches);
  return { matches };
}

/** All of these have to hold; "either" of an empty set never does. */
function compare(left: Json | undefined, op: string, right: Json, table: NftTable, family: Family): Match[] {
  if (!isObject(left)) return [DOUBT];
  if (Array.isArray(left.concat)) {
    const [keys, rows] = [left.concat, elementsOf(right, table)];
    if (op !== "==" || rows === undefined) return [DOUBT];
    const alternatives = rows.map((row): Match => {
      const parts = isObject(row) && Array.isArray(row.concat) ? row.concat : [];
      if (parts.length !== keys.length) return DOUBT;
      const matches = parts.flatMap((part, i) => compare(keys[i], "==", part, table, family));
      // Sources last: there are many of them, and what else is asked is mostly the same.
      const isSource = (match: Match) => Number(match.kind === "numbers" && match.field === "source");
      return { kind: "all", matches: matches.toSorted((a, b) => isSource(a) - isSource(b)) };
    });
    return [{ kind: "either", matches: alternatives }];
  }
  if (left["&"] !== undefined) return [readMasked(left["&"], op, right)];
  const negated = op === "!=";
  // Flags in a list are one value, not the elements of a set.
  if (negated && Array.isArray(right) && right.length > 1) return [DOUBT];
  const values = elementsOf(right, table);
  if (values === undefined) return [DOUBT];
  const match = readLeft(left, op, negated, values, family);
  return isObject(left.ct) && left.ct.key !== "state" ? [TRACKED, match] : [match];
}

function readLeft(
  left: JsonObject,
  op: string,
  negated: boolean,
  values: readonly Json[],
  family: Family,
): Match {
  const isEqual = op === "==" || op === "!=" || op === "in";
  const [[kind, key] = ["", null]] = Object.entries(left);
  if (!isObject(key)) return { kind: "unknown" };
  /** For what all packets that are followed here have in common. */
  const constant = (...own: Json[]): Match => {
    // A range may have it among its values, and a name may be one of a table that is not known here.
    if (!isEqual || !values.every(isPlain)) return { kind: "unknown" };
    return { kind: values.some((value) => own.includes(value)) !== negated ? "always" : "never" };
  };
  const inRange = (field: "source" | "destination" | "sourcePort" | "port", isAddress: boolean): Match => {
    const known = values.map((value) => numbersOf(value, isAddress ? family : undefined));
    if (!known.every((range) => range !== undefined)) return { kind: "unknown" };
    const ranges = numbers(known.flat());
    if (isEqual) return { kind: "numbers", field, values: ranges, negated };
    const [only, ...more] = ranges;
    if (only === undefined || more.length > 0) return { kind: "unknown" };
    const top = isAddress ? (family === 4 ? 2n ** 32n : 2n ** 128n) - 1n : 65_535n;
    const side = sideOf(op, only, top);
    return side === undefined
      ? { kind: "unknown" }
      : { kind: "numbers", field, values: side.filter(([first, last]) => first <= last), negated: false };
  };
  const interfaces = (field: "in" | "out"): Match => {
    if (!isEqual || !values.every((value) => typeof value === "string")) return { kind: "unknown" };
    return { kind: "interface", field, names: values.map(namePattern), negated };
  };
  if (kind === "payload") {
    const { protocol, field } = key;
    if (protocol === "ip" || protocol === "ip6") {
      if ((protocol === "ip") !== (family === 4)) return { kind: "never" };
      if (field === "saddr" || field === "daddr")
        return inRange(field === "saddr" ? "source" : "destination", true);
      if (field === "protocol") return constant("tcp", 6);
      if (field === "nexthdr") return nextHeader(values, isEqual, negated);
      return traitOf(left, op, values);
    }
    if (protocol === "tcp" || protocol === "th") {
      if (field === "sport" || field === "dport")
        return inRange(field === "sport" ? "sourcePort" : "port", false);
      if (field !== "flags") return traitOf(left, op, values);
      // `tcp flags syn` asks that one of those named is on, `tcp flags ! syn` that none is.
      if (op === "in" && values.includes("syn")) return { kind: "always" };
      const named = flagNames([...values]);
      if (op === "!" && named !== undefined) return tcpFlags(named, []);
      return { kind: "unknown" };
    }
    if (OTHERS.has(String(protocol))) return { kind: "never" };
    return protocol === "ether" ? traitOf(left, op, values) : { kind: "unknown" };
  }
  if (kind === "meta") {
    switch (key.key) {
      case "l4proto":
        return constant("tcp", 6);
      case "nfproto":
        return constant(`ipv${family}`, family === 4 ? 2 : 10);
      case "protocol":
        return constant(...(family === 4 ? ["ip", 0x0800] : ["ip6", 0x86dd]));
      case "pkttype":
        return constant("host", "unicast", 0);
      case "iif":
      case "iifname":
        return interfaces("in");
      case "oif":
      case "oifname":
        return interfaces("out");
      case "mark":
        return markMatch("mark", values, op, 0xffffffff);
      case "length":
      case "hour":
      case "day":
      case "time":
        return traitOf(left, op, values);
      default:
        return { kind: "unknown" };
    }
  }
  if (kind === "ct") {
    if (key.key === "state" && isEqual && values.every((value) => typeof value === "string"))
      return { kind: "state", states: values.map((value) => String(value).toUpperCase()), negated };
    if (key.key === "status" && isEqual && values.join() === "dnat")
      return { kind: "state", states: ["DNAT"], negated };
    if (key.key === "mark") return markMatch("connectionMark", values, op, 0xffffffff);
    if (key.key === "direction") return constant("original", 0);
    return { kind: "unknown" };
  }
  if (kind === "fib" && isEqual) {
    const flags = [key.flags].flat();
    if (key.result === "type" && flags.length === 1 && flags[0] === "daddr") {
      const types = values.map(String);
      const impossible = ["broadcast", "multicast", "anycast", "blackhole", "prohibit"];
      if (types.every((type) => type === "local" || impossible.includes(type))) {
        return types.includes("local") ? { kind: "local", negated } : { kind: negated ? "always" : "never" };
      }
    }
    // Whether answers would go out by the interface that the packet came in by.
    if (flags.includes("saddr") && flags.includes("iif") && typeof values[0] === "boolean")
      return { kind: "rare", text: "a source that answers do not go to", negated: values[0] !== negated };
  }
  return { kind: "unknown" };
}

const traitOf = (left: JsonObject, op: string, values: readonly Json[]): Match => ({
  kind: "trait",
  text: JSON.stringify([left, op, values]),
});

/** A value by itself: a number, or a name. */
const isPlain = (value: Json): boolean =>
  typeof value === "number" || (typeof value === "string" && /^[a-z][a-z0-9._-]*$/i.test(value));

/** nft's "eth*" is every interface whose name begins with "eth", and "eth\\*" one with a star in its name. */
function namePattern(text: string): { name: string; isStart: boolean } {
  if (text.endsWith("\\*")) return { name: `${text.slice(0, -2)}*`, isStart: false };
  return text.endsWith("*") ? { name: text.slice(0, -1), isStart: true } : { name: text, isStart: false };
}

function sideOf(op: string, [first, last]: Numbers[number], top: bigint): Numbers | undefined {
  switch (op) {
    case "<":
      return [[0n, first - 1n]];
    case "<=":
      return [[0n, last]];
    case ">":
      return [[last + 1n, top]];
    case ">=":
      return [[first, top]];
    default:
      return undefined;
  }
}

/** Transport protocols: what follows IPv6's header where it is not TCP, nor a header that TCP may stand behind. */
const TRANSPORTS = new Set<Json>([
  1,
  2,
  17,
  33,
  58,
  132,
  136,
  "icmp",
  "igmp",
  "udp",
  "dccp",
  "icmpv6",
  "ipv6-icmp",
  "sctp",
  "udplite",
]);

/** `ip6 nexthdr` names what comes first behind the header: TCP may come behind options that their sender has put there. */
function nextHeader(values: readonly Json[], isEqual: boolean, negated: boolean): Match {
  if (!isEqual) return { kind: "unknown" };
  if (values.includes("tcp") || values.includes(6)) {
    return { kind: "rare", text: "options ahead of TCP", negated: !negated };
  }
  if (!values.every((value) => TRANSPORTS.has(value))) return { kind: "unknown" };
  return { kind: negated ? "always" : "never" };
}

function markMatch(
  field: "mark" | "connectionMark",
  values: readonly Json[],
  op: string,
  mask: number,
): Match {
  const [value] = values;
  if (values.length !== 1 || typeof value !== "number" || !/^(?:==|!=)$/.test(op)) return { kind: "unknown" };
  return { kind: "mark", field, value, mask, negated: op === "!=" };
}

/** `tcp flags & (fin | syn) == syn`, `meta mark & 0xff == 1`. */
function readMasked(operands: Json, op: string, right: Json): Match {
  const [left, mask] = Array.isArray(operands) ? operands : [];
  if (!isObject(left) || (op !== "==" && op !== "!=")) return { kind: "unknown" };
  const field = markField(left);
  if (field !== undefined)
    return typeof mask === "number" ? markMatch(field, [right], op, mask) : { kind: "unknown" };
  const isFlags = isObject(left.payload) && left.payload.protocol === "tcp" && left.payload.field === "flags";
  const [of, on] = [flagNames(mask), right === 0 ? [] : flagNames(right)];
  if (!isFlags || of === undefined || on === undefined) return { kind: "unknown" };
  const match = tcpFlags(of, on);
  if (op === "==") return match;
  if (match.kind === "always") return { kind: "never" };
  return match.kind === "never" ? { kind: "always" } : { kind: "unknown" };
}

/** ["fin", "syn"], "syn", or {"|": ["fin", "syn"]} of older versions. */
function flagNames(value: Json | undefined): string[] | undefined {
  if (typeof value === "string") return [value.toUpperCase()];
  const list = isObject(value) ? value["|"] : value;
  if (!Array.isArray(list)) return undefined;
  const names = list.map(flagNames);
  return names.every((name) => name !== undefined) ? names.flat() : undefined;
}

/** The elements of a set, of a named one too; undefined where packets themselves put elements into it, or it counts what matches. */
function elementsOf(value: Json | undefined, table: NftTable): Json[] | undefined {
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

/** An element with a comment or a counter of its own, without them; null where it has more, a limit say. */
function unwrapped(element: Json): Json {
  if (!isObject(element) || !isObject(element.elem)) return element;
  return Object.keys(element.elem).every((key) => IN_ELEMENTS.has(key)) ? (element.elem.val ?? null) : null;
}

/** A number, an address, a subnet or a range of them. */
function numbersOf(value: Json, family: Family | undefined): Numbers | undefined {
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

/** A part of a rule about as nft itself prints it. */
function words(value: Json): string {
  if (Array.isArray(value)) return value.map(words).join(",");
  if (!isObject(value)) return String(value);
  const [[kind, inner] = ["", null]] = Object.entries(value);
  if (kind === "counter") return "";
  if (inner === null) return kind;
  if (kind === "match" && isObject(inner)) {
    const op = inner.op === "==" || inner.op === "in" ? " " : ` ${inner.op} `;
    return `${words(inner.left ?? null)}${op}${words(inner.right ?? null)}`;
  }
  if (kind === "set" && Array.isArray(inner)) return `{ ${inner.map(words).join(", ")} }`;
  if (kind === "concat" && Array.isArray(inner)) return inner.map(words).join(" . ");
  if (kind === "range" && Array.isArray(inner)) return inner.map(words).join("-");
  if (kind === "&" && Array.isArray(inner))
    return `${words(inner[0] ?? null)} & (${words(inner[1] ?? null)})`;
  if (isObject(inner)) {
    if (kind === "payload") return `${inner.protocol} ${inner.field}`;
    if (kind === "prefix") return `${inner.addr}/${inner.len}`;
    if (kind === "meta") return /^[io]if/.test(String(inner.key)) ? String(inner.key) : `meta ${inner.key}`;
    if (kind === "ct") return `ct ${inner.key}`;
    if (kind === "fib") return `fib ${words(inner.flags ?? null)} ${inner.result}`;
    if (kind === "jump" || kind === "goto") return `${kind} ${inner.target}`;
    if (kind === "limit") return `limit rate ${inner.inv === true ? "over " : ""}${inner.rate}/${inner.per}`;
    if (kind === "reject") return "reject";
    if (kind === "log") return "log";
    if (kind === "redirect") return `redirect to :${words(inner.port ?? null)}`;
    if (kind === "dnat")
      return `dnat to ${words(inner.addr ?? null)}${inner.port === undefined ? "" : `:${inner.port}`}`;
    if (kind === "vmap") return `${words(inner.key ?? null)} vmap ${words(inner.data ?? null)}`;
  }
  return JSON.stringify(value);
}
