import { type Family, family as familyOf } from "../../lib/network.ts";
import type { Match } from "../packets.ts";
import type { Effect, Part, Rule, Verdict } from "../ruleset.ts";
import { isObject, type Json, type JsonObject } from "./json.ts";
import { compare, DOUBT, implied, markField, TRACKED } from "./matches.ts";
import { elementsOf, unwrapped } from "./sets.ts";
import type { NftTable } from "./tables.ts";
import { words } from "./words.ts";

/** The kernel takes 128 expressions for a rule, and a statement needs at least one. */
const MAX_STATEMENTS = 128;

/** A rule of nft tests and changes packets in turn. What follows a change is a part of its own. */
export function readRule(expr: readonly Json[], table: NftTable, chain: string, family: Family): Rule {
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

/** What one statement tests, and then does. */
interface Step {
  /** Where one of them does not hold, the rule ends here. */
  matches?: Match[];
  effects?: Effect[];
  verdict?: Verdict;
  /** A verdict for each value of a map, of which the first that matches holds; none goes on within the rule. */
  cases?: [Match[], Verdict | undefined][];
}

const UNKNOWN: Step = { verdict: { kind: "unknown" } };

const asks = (...matches: Match[]): Step => ({ matches });

function readStep(statement: Json, table: NftTable, family: Family): Step {
  if (!isObject(statement)) return UNKNOWN;
  const [[kind, value] = ["", null]] = Object.entries(statement);
  const step = readStatement(kind, value, table, family);
  return { ...step, matches: [...implied(statement, family), ...(step.matches ?? [])] };
}

const METAS = new Set("mark priority protocol nfproto l4proto length pkttype iif iifname cpu".split(" "));

/** Whether every TCP packet has the value. Where one has not, the rule ends in silence, as with a map that has no element for it. */
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
      // An address that a set counts has a limit of its own; one that is only added may find the set full.
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

/** The fields that a rule may set without changing anything that redkeep asks of a packet. */
const HARMLESS = new Set<Json | undefined>(["priority", "nftrace", "secmark"]);

function readMangle({ key, value = null }: JsonObject): Step {
  // Where the packet does not have the value, nothing is set.
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
export function names(value: Json, kind: string): boolean {
  if (Array.isArray(value)) return value.some((inner) => names(inner, kind));
  return isObject(value) && Object.entries(value).some(([own, inner]) => own === kind || names(inner, kind));
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
    // This element stands for what no other has, and may come ahead of them.
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
