import { lastingCopy } from "./copy.ts";
export type Family = 4 | 6;

/** All addresses from `first` to `last`, both included. */
export interface AddressRange {
  family: Family;
  first: bigint;
  last: bigint;
}

interface Subnet {
  family: Family;
  /** The address as given, host bits included. */
  value: bigint;
  prefix: number;
  /** The address in its canonical form, without the prefix. */
  address: string;
}

const width = (family: Family): number => (family === 4 ? 32 : 128);

/**
 * An address in its canonical form (RFC 5952 for IPv6, IPv4-mapped ones as IPv4), or undefined. Only the four-part
 * decimal form of IPv4 counts: "10.1" and "010.0.0.1" mean different hosts to different programs. A zone
 * ("fe80::1%eth0") is no part of an address: see `splitZone`.
 */
export function normalizeAddress(text: string): string | undefined {
  return text.includes("/") ? undefined : parseSubnet(text)?.address;
}

/** 4 or 6 for an address or a subnet, undefined for anything else. An IPv4-mapped IPv6 address is IPv4. */
export function family(text: string): Family | undefined {
  return parseSubnet(text)?.family;
}

/**
 * 4 or 6 for an address, which may be one of IPv6 with a zone, and 0 for anything else: as node:net has it, whose regular
 * expression for IPv6 alone takes 5 ms to compile.
 */
export function isIP(text: string): Family | 0 {
  if (readV4(text) !== undefined) return 4;
  const { address, zone } = splitZone(text);
  return (zone === undefined || /^[0-9A-Za-z.:-]+$/.test(zone)) && readV6(address) !== undefined ? 6 : 0;
}

/**
 * A subnet with its host bits cleared, as ufw stores it: "10.77.0.99/24" becomes "10.77.0.0/24", and a single host
 * loses its "/32" or "/128". Undefined where the text is neither an address nor a subnet in prefix form.
 */
export function normalizeSubnet(text: string): { subnet: string; hadHostBits: boolean } | undefined {
  const parsed = parseSubnet(text);
  if (parsed === undefined) return undefined;
  const { first } = rangeOfSubnet(parsed);
  const address = formatAddress(parsed.family, first);
  const isHost = parsed.prefix === width(parsed.family);
  return { subnet: isHost ? address : `${address}/${parsed.prefix}`, hadHostBits: first !== parsed.value };
}

/** Whether every address of `inner` lies in `outer`. Both are addresses or subnets; never true across families. */
export function contains(outer: string, inner: string): boolean {
  const [a, b] = [rangeOf(outer), rangeOf(inner)];
  return a.family === b.family && a.first <= b.first && b.last <= a.last;
}

/** Whether two texts name the same host: "::ffff:10.0.0.1" is "10.0.0.1", "FD00:0::1" is "fd00::1". */
export function sameAddress(a: string, b: string): boolean {
  const address = normalizeAddress(a);
  return address !== undefined && address === normalizeAddress(b);
}

/** 127.0.0.0/8 and ::1. */
export function isLoopback(address: string): boolean {
  const normal = normalizeAddress(address);
  return normal !== undefined && (normal === "::1" || normal.startsWith("127."));
}

/** What binds every address: "0.0.0.0", "::" and the "*" of Redis and ss. */
export function isWildcard(address: string): boolean {
  return address === "*" || ["0.0.0.0", "::"].includes(normalizeAddress(address) ?? "");
}

/** "fe80::1%eth0", as sshd names a link-local peer, in its two parts. */
export function splitZone(address: string): { address: string; zone?: string } {
  const at = address.indexOf("%");
  return at < 0 ? { address } : { address: address.slice(0, at), zone: address.slice(at + 1) };
}

/** The addresses of a subnet or of one address. Throws a RangeError where the text is neither. */
export function rangeOf(text: string): AddressRange {
  const parsed = parseSubnet(text);
  if (parsed === undefined) throw new RangeError(`not an address or subnet: ${JSON.stringify(text)}`);
  return rangeOfSubnet(parsed);
}

/** What is left of `ranges` without the addresses of `taken`. One sweep: hosts ban addresses by the thousand. */
export function subtract(ranges: readonly AddressRange[], taken: readonly AddressRange[]): AddressRange[] {
  const holes = taken.toSorted((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0));
  return ranges.flatMap((range) => {
    const rest: AddressRange[] = [];
    let start = range.first;
    for (const { family, first, last } of holes) {
      if (family !== range.family || last < start || first > range.last) continue;
      if (first > start) rest.push({ ...range, first: start, last: first - 1n });
      start = last + 1n;
    }
    if (start <= range.last) rest.push({ ...range, first: start });
    return rest;
  });
}

/** The fewest subnets that make up a range, in order. */
export function subnetsOf({ family, first, last }: AddressRange): string[] {
  const subnets: string[] = [];
  for (let start = first; start <= last; ) {
    let bits = 0;
    while (
      bits < width(family) &&
      blockEnd(start, bits + 1) <= last &&
      blockStart(start, bits + 1) === start
    ) {
      bits++;
    }
    const address = formatAddress(family, start);
    subnets.push(bits === 0 ? address : `${address}/${width(family) - bits}`);
    start = blockEnd(start, bits) + 1n;
  }
  return subnets;
}

const blockStart = (value: bigint, bits: number): bigint => (value >> BigInt(bits)) << BigInt(bits);
const blockEnd = (value: bigint, bits: number): bigint => blockStart(value, bits) + (1n << BigInt(bits)) - 1n;

function rangeOfSubnet({ family, value, prefix }: Subnet): AddressRange {
  const hostBits = width(family) - prefix;
  return { family, first: blockStart(value, hostBits), last: blockEnd(value, hostBits) };
}

/** The hosts of a fleet name few addresses, each of them many times. */
const subnets = new Map<string, Subnet | undefined>();
const MOST_SUBNETS = 10_000;

function parseSubnet(text: string): Subnet | undefined {
  const known = subnets.get(text);
  if (known !== undefined || subnets.has(text)) return known;
  const copy = lastingCopy(text);
  const subnet = readSubnet(copy);
  if (subnets.size >= MOST_SUBNETS) subnets.clear();
  subnets.set(copy, subnet);
  return subnet;
}

function readSubnet(text: string): Subnet | undefined {
  const [address = "", prefixText, ...rest] = text.split("/");
  if (rest.length > 0 || (prefixText !== undefined && !/^(0|[1-9]\d{0,2})$/.test(prefixText)))
    return undefined;
  const v4 = readV4(address);
  const value = v4 ?? readV6(address);
  if (value === undefined) return undefined;
  const given = v4 === undefined ? 6 : 4;
  const prefix = prefixText === undefined ? width(given) : Number(prefixText);
  if (prefix > width(given)) return undefined;
  // ::ffff:0:0/96 is IPv4.
  const isMapped = given === 6 && prefix >= 96 && value >> 32n === 0xffffn;
  const family = isMapped ? 4 : given;
  const own = isMapped ? value & 0xffffffffn : value;
  return { family, value: own, prefix: isMapped ? prefix - 96 : prefix, address: formatAddress(family, own) };
}

/** The four-part decimal form. */
function readV4(text: string): bigint | undefined {
  if (!/^(?:\d{1,3}\.){3}\d{1,3}$/.test(text)) return undefined;
  let value = 0;
  for (const part of text.split(".")) {
    if (Number(part) > 255 || (part.length > 1 && part.startsWith("0"))) return undefined;
    value = value * 256 + Number(part);
  }
  return BigInt(value);
}

/** The forms of RFC 4291, 2.2. */
function readV6(text: string): bigint | undefined {
  const [left = "", right, ...more] = text.split("::");
  const before = groupsOf(left, right === undefined);
  const after = groupsOf(right ?? "", true);
  if (before === undefined || after === undefined || more.length > 0) return undefined;
  const missing = 8 - before.length - after.length;
  if (right === undefined ? missing !== 0 : missing < 1) return undefined;
  return [...before, ...Array<number>(missing).fill(0), ...after].reduce(
    (value, group) => (value << 16n) | BigInt(group),
    0n,
  );
}

function groupsOf(text: string, mayEndInV4: boolean): number[] | undefined {
  const groups: number[] = [];
  const parts = text === "" ? [] : text.split(":");
  for (const [index, part] of parts.entries()) {
    const v4 = mayEndInV4 && index === parts.length - 1 ? readV4(part) : undefined;
    if (v4 !== undefined) groups.push(Number(v4 >> 16n), Number(v4 & 0xffffn));
    else if (/^[0-9A-Fa-f]{1,4}$/.test(part)) groups.push(Number.parseInt(part, 16));
    else return undefined;
  }
  return groups;
}

function formatAddress(family: Family, value: bigint): string {
  const group = (index: number, bits: bigint) =>
    Number((value >> (BigInt(index) * bits)) & ((1n << bits) - 1n));
  if (family === 4) return [3, 2, 1, 0].map((index) => group(index, 8n)).join(".");
  const text = [7, 6, 5, 4, 3, 2, 1, 0].map((index) => group(index, 16n).toString(16)).join(":");
  // RFC 5952, 4.2: the longest run of zeros is left out, the first where several are; a single zero stays.
  const runs = text.match(/\b0(?::0)+\b/g) ?? [];
  const longest = runs.reduce((found, run) => (run.length > found.length ? run : found), "");
  if (longest === "") return text;
  const at = text.search(new RegExp(`\\b${longest}\\b`));
  return `${text.slice(0, at).replace(/:$/, "")}::${text.slice(at + longest.length).replace(/^:/, "")}`;
}
