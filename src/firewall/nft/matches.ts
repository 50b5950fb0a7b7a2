import { type Family, family as familyOf } from "../../lib/network.ts";
import { negate, tcpFlags } from "../match.ts";
import { type Match, type Numbers, numbers } from "../packets.ts";
import { isObject, type Json, type JsonObject } from "./json.ts";
import { elementsOf, numbersOf } from "./sets.ts";
import type { NftTable } from "./tables.ts";

const NEVER: Match = { kind: "never" };
export const DOUBT: Match = { kind: "unknown" };

/** Protocols that no TCP packet has. */
const OTHERS = new Set("udp udplite sctp dccp icmp icmpv6 igmp esp ah comp arp".split(" "));
const FAMILIES = new Map<Json | undefined, Family>([
  ["ip", 4],
  ["icmp", 4],
  ["ip6", 6],
  ["icmpv6", 6],
]);

/**
 * What nft tests ahead of a statement without printing it. A rule that names a field of IPv4's header, or answers by ICMP, is
 * for IPv4 alone (`meta nfproto ipv4`), even in a table of both families.
 */
export function implied(value: Json, family: Family): Match[] {
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

/** Packets that belong to a connection. For others, a rule that asks anything of one ends. */
export const TRACKED: Match = { kind: "state", states: ["NEW"], negated: false };

export function markField(key: Json | undefined): "mark" | "connectionMark" | undefined {
  if (!isObject(key)) return undefined;
  if (isObject(key.meta) && key.meta.key === "mark") return "mark";
  if (isObject(key.ct) && key.ct.key === "mark") return "connectionMark";
  return undefined;
}

/** All of these have to hold; "either" of an empty set never does. */
export function compare(
  left: Json | undefined,
  op: string,
  right: Json,
  table: NftTable,
  family: Family,
): Match[] {
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
  /** For a value that all packets on a walk have in common. */
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
  return negate(tcpFlags(of, on), op === "!=");
}

/** ["fin", "syn"], "syn", or {"|": ["fin", "syn"]} of older versions. */
function flagNames(value: Json | undefined): string[] | undefined {
  if (typeof value === "string") return [value.toUpperCase()];
  const list = isObject(value) ? value["|"] : value;
  if (!Array.isArray(list)) return undefined;
  const names = list.map(flagNames);
  return names.every((name) => name !== undefined) ? names.flat() : undefined;
}
