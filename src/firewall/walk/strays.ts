import { type Family, rangeOf } from "../../lib/network.ts";
import { type Match, type Numbers, numbers, without } from "../packets.ts";
import type { BaseChain, Part } from "../ruleset.ts";
import { isOwn } from "./effects.ts";
import type { Host } from "./passage.ts";
import { MAX_DEPTH } from "./run-chain.ts";
import { EVERY, NO_SENDERS } from "./senders.ts";

/**
 * Addresses that no interface has, but that rules name which let packets in. A router may send their packets to this host
 * (`-d VIP -j REDIRECT`), and a route may make them the host's own (`ip route add local`).
 */
export function straysOf(chains: readonly BaseChain[], host: Host, family: Family, own: Numbers): Numbers {
  const named = chains.flatMap((chain) =>
    chain.hook === "input" || chain.kind === "nat" ? destinationsIn(chain.rules, chain, host, new Set()) : [],
  );
  if (named.length === 0) return [];
  const ranges = numbers(
    [...new Set(named)].flatMap(({ values, negated }) =>
      negated ? [...without(EVERY[family], values)] : [...values],
    ),
  );
  const broadcasts = host.addresses.flatMap(({ address, prefix }) => {
    const { family: its, last } = rangeOf(`${address}/${prefix}`);
    return its === family && family === 4 ? [[last, last] as const] : [];
  });
  return without(without(without(ranges, own), NO_SENDERS[family]), numbers(broadcasts));
}

type Destinations = Extract<Match, { kind: "numbers" }>;

/** What rules ask of destinations on the way to an accept for this host. In nat, only rules that send packets here count. */
function destinationsIn(
  parts: readonly Part[],
  chain: BaseChain,
  host: Host,
  seen: Set<readonly Part[]>,
  depth = 0,
): Destinations[] {
  if (seen.has(parts) || depth > MAX_DEPTH) return [];
  seen.add(parts);
  return parts.flatMap((part) => {
    if (part.matches.some(({ kind }) => kind === "never")) return [];
    const next = nextOf(part, chain);
    const inner = next.flatMap((one) => destinationsIn(one, chain, host, seen, depth + 1));
    const isWay = chain.kind !== "nat" || leadsHere([part], chain, host);
    return isWay ? [...part.matches.flatMap(destinationsOf), ...inner] : inner;
  });
}

const destinationsOf = (match: Match): Destinations[] => {
  if (match.kind === "either" || match.kind === "all") return match.matches.flatMap(destinationsOf);
  return match.kind === "numbers" && match.field === "destination" ? [match] : [];
};

/** What is asked next of packets that match a part: the rest of its rule, or another chain. */
function nextOf({ afterwards, verdict }: Part, chain: BaseChain): (readonly Part[])[] {
  if (afterwards !== undefined) return [afterwards];
  const isWay = verdict?.kind === "jump" || verdict?.kind === "goto";
  return isWay ? [chain.chain(verdict.chain) ?? []] : [];
}

const leading = new WeakMap<readonly Part[], boolean>();

/** Whether a rule, or one that it leads to, gives packets to this host that were for another one. */
function leadsHere(parts: readonly Part[], chain: BaseChain, host: Host, depth = 0): boolean {
  const known = leading.get(parts);
  if (known !== undefined) return known;
  if (depth > MAX_DEPTH) return true;
  leading.set(parts, false);
  const found = parts.some(
    (part) =>
      part.effects.some(
        (effect) => effect.kind === "rewrite" && (effect.address === "host" || isOwn(effect.address, host)),
      ) || nextOf(part, chain).some((next) => leadsHere(next, chain, host, depth + 1)),
  );
  leading.set(parts, found);
  return found;
}
