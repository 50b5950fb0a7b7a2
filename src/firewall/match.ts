import { type Family, family as familyOf, rangeOf } from "../lib/network.ts";
import type { Match, Numbers } from "./packets.ts";

/** Undefined for a mask that is no prefix, and for an address of the other family. */
export function subnetNumbers(text: string, family: Family): Numbers | undefined {
  if (family === 4) return subnet4(text);
  if (familyOf(text) !== family) return undefined;
  const { first, last } = rangeOf(text);
  return [[first, last]];
}

/** Parses IPv4 by itself, for speed: containers' rules name IPv4 networks by the ten thousand. */
function subnet4(text: string): Numbers | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?:\/(\d{1,2}))?$/.exec(text);
  if (match === null) return undefined;
  const [a = 256, b = 256, c = 256, d = 256, prefix = 33] = match.slice(1).map((part) => Number(part ?? 32));
  if (Math.max(a, b, c, d) > 255 || prefix > 32) return undefined;
  const size = 2 ** (32 - prefix);
  const address = ((a * 256 + b) * 256 + c) * 256 + d;
  const first = BigInt(address - (address % size));
  return [[first, first + BigInt(size) - 1n]];
}

/** The kernel's own list, in its order. `--tcp-flags MASK SET` asks that, of the flags in MASK, exactly those in SET are on. */
export const FLAGS = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"];
/** A packet that opens a connection has SYN, and none of these: Linux answers no other. The rest is as the sender likes. */
const NEVER_ON = ["FIN", "RST", "ACK"];

/** Of a packet that opens a connection. `mask` and `on` are names of flags. */
export function tcpFlags(mask: readonly string[], on: readonly string[]): Match {
  if (![...mask, ...on].every((flag) => FLAGS.includes(flag))) return { kind: "unknown" };
  const isOff = mask.includes("SYN") && !on.includes("SYN");
  if (isOff || on.some((flag) => NEVER_ON.includes(flag) || !mask.includes(flag))) return { kind: "never" };
  const free = mask.filter((flag) => flag !== "SYN" && !NEVER_ON.includes(flag));
  if (free.length === 0) return { kind: "always" };
  return { kind: "trait", text: `tcp flags ${[...free].sort().join()} ${[...on].sort().join()}` };
}

export function negate(match: Match, negated: boolean): Match {
  if (!negated) return match;
  if (match.kind === "always") return { kind: "never" };
  if (match.kind === "never") return { kind: "always" };
  return { kind: "unknown" };
}
