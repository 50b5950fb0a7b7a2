import { isIPv4, isIPv6 } from "node:net";
import ipaddr from "ipaddr.js";
import { memoized } from "./memoized.ts";

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

/** An address that the Internet routes: neither private, nor of the host or the link, nor reserved (IANA's registries). */
export function isPublic(address: string): boolean {
  const normal = normalizeAddress(address);
  return normal !== undefined && ipaddr.parse(normal).range() === "unicast";
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

/** A fleet has few addresses, each of them named many times. */
const parseSubnet = memoized(10_000, readSubnet);

function readSubnet(text: string): Subnet | undefined {
  const [address = "", prefixText, ...rest] = text.split("/");
  if (rest.length > 0 || (prefixText !== undefined && !/^(0|[1-9]\d{0,2})$/.test(prefixText)))
    return undefined;
  // node:net knows the strict forms; ipaddr.js alone takes "10.1" for 10.0.0.1 and "010.0.0.1" for 8.0.0.1.
  const isV6 = isIPv6(address) && !address.includes("%");
  if (!isV6 && !isIPv4(address)) return undefined;

  const given = ipaddr.parse(address);
  const prefix = prefixText === undefined ? given.toByteArray().length * 8 : Number(prefixText);
  if (prefix > given.toByteArray().length * 8) return undefined;

  const plain = isV6 ? ipaddr.process(address) : given;
  const isMapped = isV6 && plain.kind() === "ipv4" && prefix >= 96;
  const parsed = isMapped ? plain : given;
  const family = parsed.kind() === "ipv4" ? 4 : 6;
  const value = BigInt(`0x${Buffer.from(parsed.toByteArray()).toString("hex")}`);
  return {
    family,
    value,
    prefix: isMapped ? prefix - 96 : prefix,
    address: formatAddress(family, value),
  };
}

function formatAddress(family: Family, value: bigint): string {
  const hex = value.toString(16).padStart(width(family) / 4, "0");
  const address = ipaddr.fromByteArray([...Buffer.from(hex, "hex")]);
  return address instanceof ipaddr.IPv6 ? address.toRFC5952String() : address.toString();
}
