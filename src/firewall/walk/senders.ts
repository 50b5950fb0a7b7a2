import { type Family, rangeOf } from "../../lib/network.ts";
import { type Numbers, numbers, without } from "../packets.ts";

export const EVERY: Record<Family, Numbers> = { 4: [[0n, 2n ** 32n - 1n]], 6: [[0n, 2n ** 128n - 1n]] };

const subnets = (...texts: string[]): Numbers =>
  numbers(texts.map(rangeOf).map(({ first, last }) => [first, last] as const));

/** Sources that no connection from elsewhere has: the kernel drops them, or answers would not get back. */
export const NO_SENDERS: Record<Family, Numbers> = {
  4: subnets("0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/4", "255.255.255.255"),
  6: subnets("::", "::1", "ff00::/8"),
};

/** Everybody except these networks. Networks of the other family do not count. */
export function strangersTo(family: Family, allowed: readonly string[]): Numbers {
  return without(EVERY[family], sourcesOf(family, allowed));
}

/** The addresses of networks of one family. */
export function sourcesOf(family: Family, networks: readonly string[]): Numbers {
  const ranges = networks.map(rangeOf).filter((range) => range.family === family);
  return numbers(ranges.map(({ first, last }) => [first, last] as const));
}
