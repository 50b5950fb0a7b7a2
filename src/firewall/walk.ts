import { type Family, isLoopback, rangeOf } from "../lib/network.ts";
import {
  common,
  costOf,
  type Match,
  type Numbers,
  numbers,
  type Packets,
  type RuleName,
  split,
  without,
} from "./packets.ts";
import type { BaseChain, Effect, Gap, Part, Rule, Ruleset, Verdict } from "./ruleset.ts";

/** The host that packets come to. */
export interface Host {
  /** With the interfaces that have them. */
  addresses: readonly { interface: string; address: string; prefix: number }[];
  /** All that the host has, but for lo. */
  interfaces: readonly string[];
}

/** What the kernel does with new TCP connections to one port. */
export interface Passage {
  /** Ways in, each with the last rule that let them on and the sources that come by it. */
  openings: Opening[];
  /** Rules that leave it open whether somebody gets in, and what was not read, by their text. */
  doubts: RuleName[];
  /** Sources that get in for sure, on one interface at least. */
  letIn: Numbers;
}

export interface Opening {
  rule: RuleName;
  sources: Numbers;
  /** The rule that gave the connections their destination, where they had another one. */
  rewrittenBy: string | undefined;
  /** False where another machine answers in the host's place. */
  isLocal: boolean;
}

/** "closed" is said of all packets asked for, "open" of some of them; "unknown" is neither. */
export function verdictOf({ openings, doubts }: Passage): "open" | "closed" | "unknown" {
  return openings.length > 0 ? "open" : doubts.length > 0 ? "unknown" : "closed";
}

/** Sets of packets on their way at once: more than that, and rules take their sources and ports apart beyond use. */
const MAX_SETS = 5_000;
/** Questions asked on one walk, and numbers compared for them: some seconds. Hosts with fifty thousand rules need a tenth. */
const MAX_STEPS = 1_000_000;
/** Ends of ways through the rules. */
const MAX_ENDS = 100_000;
/** What is said of a host whose rules take more than that. */
export const TOO_MANY = "the rules take what comes in apart into more cases than are looked at";
/** Jumps within jumps: the kernel itself stops at 16 (nftables) or at a chain's second visit (iptables). */
const MAX_DEPTH = 64;
const TRACKING_PRIORITY = -200;
const PORTS: Numbers = [[1n, 65_535n]];

class TooMany extends Error {}

interface Outcome {
  accepted: Packets[];
  /** Turned away, if they are there at all. */
  dropped: Packets[];
  /** Given to what is not known here. */
  lost: Packets[];
  /** How much was asked so far. */
  effort: { steps: number };
}

/**
 * Walks a host's rules as new TCP connections from `sources` to `port` do: ingress, raw, connection tracking, mangle, nat,
 * then what filters packets for the host, or those that it sends on. Every way is followed; rules that take a part of the packets split
 * them.
 */
export function walk(
  rulesets: readonly Ruleset[],
  host: Host,
  { family, sources, port }: { family: Family; sources: Numbers; port: number },
): Passage {
  const gaps = rulesets.flatMap((ruleset) => ruleset.gaps);
  const own = numbers(
    host.addresses
      .filter(({ address }) => !isLoopback(address))
      .map(({ address }) => rangeOf(address))
      .filter((range) => range.family === family)
      .map(({ first, last }) => [first, last] as const),
  );
  const start: Packets = {
    family,
    source: without(without(sources, NO_SENDERS[family]), own),
    destination: own.length === 0 ? EVERY[family] : own,
    sourcePort: PORTS,
    port: PORTS,
    in: host.interfaces,
    out: [],
    state: "INVALID",
    mark: 0,
    connectionMark: 0,
    isLocal: true,
    presence: "all",
    traits: new Map(),
    isUnsettled: false,
    rewritten: undefined,
    letIn: undefined,
  };
  const chains = rulesets.flatMap((ruleset) => ruleset.chains).toSorted((a, b) => a.priority - b.priority);
  const passage = conclude(pass(chains, start, port, host), gaps);
  if (passage.openings.length > 0) return passage;
  const strays = straysOf(chains, host, family, own);
  if (strays.length === 0) return passage;
  const doubts = strayDoubts(pass(chains, { ...start, destination: strays }, port, host));
  return { ...passage, doubts: [...passage.doubts, ...doubts] };
}

/** What becomes of packets; undefined where they are taken apart beyond measure. */
function pass(chains: readonly BaseChain[], start: Packets, port: number, host: Host): Outcome | undefined {
  const outcome: Outcome = { accepted: [], dropped: [], lost: [], effort: { steps: 0 } };
  try {
    const arrived = start.source.length === 0 || start.in.length === 0 ? [] : [start];
    const routed = through(chains, ["ingress", "prerouting"], arrived, host, outcome).flatMap((packets) =>
      route(packets, BigInt(port), host, outcome),
    );
    for (const hook of ["input", "forward"] as const) {
      const here = routed.filter(({ isLocal }) => isLocal === (hook === "input"));
      outcome.accepted.push(...through(chains, [hook], here, host, outcome));
    }
  } catch (cause) {
    if (!(cause instanceof TooMany)) throw cause;
    return undefined;
  }
  return outcome;
}

/** Who asks for an address that no interface has may get in: whether it is the host's all the same, its routes say. */
function strayDoubts(outcome: Outcome | undefined): RuleName[] {
  if (outcome === undefined) return [{ chain: "", text: TOO_MANY }];
  const ends = [...outcome.accepted, ...outcome.lost].filter(({ isLocal }) => isLocal);
  const texts = ends.flatMap(({ rewritten, letIn }) => rewritten?.rule ?? letIn?.text ?? []);
  return [...new Set(texts)].map((text) => ({ chain: chainOf(text), text }));
}

/** Of all that was met on the way: who gets in for sure, and what stays open. */
function conclude(outcome: Outcome | undefined, gaps: readonly Gap[]): Passage {
  if (outcome === undefined) return { openings: [], doubts: [{ chain: "", text: TOO_MANY }], letIn: [] };
  const { accepted, dropped, lost } = outcome;
  // Where no rule that could turn them away is met, doubts on the way change nothing.
  const turned = numbers([...dropped, ...lost].flatMap(({ source }) => source));
  const sure = accepted.flatMap((packets) => {
    if (typeof packets.presence === "string") return [packets];
    const source = without(packets.source, turned);
    return source.length === 0 ? [] : [{ ...packets, source }];
  });
  const openings = new Map<string, Opening>();
  for (const { letIn, source, rewritten, isLocal } of sure) {
    const rule = letIn ?? { chain: "", text: "no rule turns them away", isPolicy: true };
    const key = `${rule.chain} ${rule.text} ${rewritten?.rule} ${isLocal}`;
    const sources = numbers([...(openings.get(key)?.sources ?? []), ...source]);
    openings.set(key, { rule, sources, rewrittenBy: rewritten?.rule, isLocal });
  }
  const missing = gaps.filter(({ isWithin }) => isWithin || openings.size > 0);
  if (missing.length > 0) {
    return { openings: [], doubts: missing.map(({ text }) => ({ chain: "", text })), letIn: [] };
  }
  const doubts = new Map<string, RuleName>();
  for (const { presence } of accepted) {
    if (typeof presence === "string") continue;
    doubts.set(presence.doubt, { chain: chainOf(presence.doubt), text: presence.doubt });
  }
  for (const { letIn } of lost) if (letIn !== undefined) doubts.set(letIn.text, letIn);
  return {
    openings: [...openings.values()],
    doubts: [...doubts.values()],
    letIn: numbers(sure.flatMap(({ source }) => source)),
  };
}

const chainOf = (text: string): string => (text.startsWith("-A ") ? (text.split(" ")[1] ?? "") : "");

function through(
  chains: readonly BaseChain[],
  hooks: readonly string[],
  packets: readonly Packets[],
  host: Host,
  outcome: Outcome,
): Packets[] {
  let here = [...packets];
  for (const hook of hooks) {
    const own = chains.filter((chain) => chain.hook === hook);
    const isTracking = hook === "prerouting";
    const [ahead, behind] = isTracking
      ? [
          own.filter((c) => c.priority < TRACKING_PRIORITY),
          own.filter((c) => c.priority >= TRACKING_PRIORITY),
        ]
      : [[], own];
    for (const chain of ahead) here = here.flatMap((set) => throughChain(chain, set, host, outcome));
    if (isTracking) {
      here = here.map((set) => (set.state === "INVALID" ? { ...set, state: "NEW" as const } : set));
    }
    for (const chain of behind) here = here.flatMap((set) => throughChain(chain, set, host, outcome));
    if (here.length > MAX_SETS) throw new TooMany();
  }
  return here;
}

function throughChain(chain: BaseChain, packets: Packets, host: Host, outcome: Outcome): Packets[] {
  if (chain.kind === "nat" && (packets.state !== "NEW" || packets.rewritten !== undefined)) return [packets];
  let here = [packets];
  const past: Packets[] = [];
  if (chain.devices !== undefined) {
    const match: Match =
      chain.devices === "unknown"
        ? { kind: "unknown" }
        : {
            kind: "interface",
            field: "in",
            names: chain.devices.map((name) => ({ name, isStart: false })),
            negated: false,
          };
    const { yes, no } = split(packets, match, `${chain.name} is for interfaces that nft does not say`);
    here = yes;
    past.push(...no);
  }
  const found: Outcome = { ...outcome, accepted: past };
  const decides = chain.kind === "filter" && (chain.hook === "input" || chain.hook === "forward");
  const rest = run(chain.rules, here, { chain, host, decides }, found, 0);
  if (chain.policy === "drop") {
    outcome.dropped.push(...rest);
  } else {
    const policy = { chain: chain.name, text: `${chain.name} accepts what no rule decides`, isPolicy: true };
    found.accepted.push(...(decides ? rest.map((set) => ({ ...set, letIn: set.letIn ?? policy })) : rest));
  }
  return found.accepted;
}

interface Place {
  chain: BaseChain;
  host: Host;
  /** Whether an accept here is what lets packets in, in the end. */
  decides: boolean;
}

/** Returns what comes back from the chain undecided. */
function run(
  rules: readonly Rule[],
  packets: readonly Packets[],
  place: Place,
  outcome: Outcome,
  depth: number,
): Packets[] {
  let here = [...packets];
  const returned: Packets[] = [];
  for (const rule of together(rules)) {
    if (here.length === 0) break;
    if (here.length + returned.length > MAX_SETS) throw new TooMany();
    spend(outcome, here.length);
    // A rule that does nothing has nothing to tell packets apart for.
    if (rule.verdict === undefined && rule.effects.length === 0 && rule.afterwards === undefined) continue;
    here = [...take([rule], rule, here, place, outcome, returned, depth)];
  }
  return [...here, ...returned];
}

/** What of the packets is left for the next rule by a rule's parts, of which the first that matches holds. */
function take(
  parts: readonly Part[],
  name: RuleName,
  packets: readonly Packets[],
  place: Place,
  outcome: Outcome,
  returned: Packets[],
  depth: number,
): Packets[] {
  let left = packets;
  const past: Packets[] = [];
  for (const part of parts) {
    if (left.length === 0) break;
    const { matching, rest } = ask(part, name, left, outcome);
    left = rest;
    if (matching.length === 0) continue;
    const changed = matching.map((set) =>
      part.effects.reduce((before, effect) => apply(effect, before, name, place.host), set),
    );
    past.push(
      ...(part.afterwards === undefined
        ? decide(name, part.verdict, changed, place, outcome, returned, depth)
        : take(part.afterwards, name, changed, place, outcome, returned, depth)),
    );
    if (past.length > MAX_SETS) throw new TooMany();
  }
  return [...left, ...past];
}

/** The packets that a part of a rule is for, and the others. */
function ask(
  part: Part,
  { text }: RuleName,
  packets: readonly Packets[],
  outcome: Outcome,
): { matching: Packets[]; rest: Packets[] } {
  const { order, certain } = ordered(part);
  const charge = (steps: number) => spend(outcome, steps);
  const isOther = (set: Packets): boolean =>
    certain.some((match) => {
      charge(costOf(set, match));
      return split(set, match, text, charge).yes.length === 0;
    });
  // What does not match for certain stays in one piece, and a doubt about it is none.
  const [matchable, rest]: [Packets[], Packets[]] = [[], []];
  for (const set of packets) (isOther(set) ? rest : matchable).push(set);
  let matching = matchable;
  for (const match of order) {
    for (const set of matching) charge(costOf(set, match));
    const answers = matching.map((set) => split(set, match, text, charge));
    matching = answers.flatMap(({ yes }) => yes);
    rest.push(...answers.flatMap(({ no }) => no));
    if (matching.length + rest.length > MAX_SETS) throw new TooMany();
  }
  return { matching, rest };
}

function spend({ accepted, dropped, lost, effort }: Outcome, steps: number): void {
  effort.steps += steps;
  if (effort.steps > MAX_STEPS || accepted.length + dropped.length + lost.length > MAX_ENDS)
    throw new TooMany();
}

/** What of the matching packets goes on to the next rule. */
function decide(
  { chain, text }: RuleName,
  verdict: Verdict | undefined,
  matching: Packets[],
  place: Place,
  outcome: Outcome,
  returned: Packets[],
  depth: number,
): Packets[] {
  const name = { chain, text };
  const lose = () => outcome.lost.push(...matching.map((set) => ({ ...set, letIn: name })));
  switch (verdict?.kind) {
    case undefined:
      return matching;
    case "accept":
      outcome.accepted.push(...matching.map((set) => (place.decides ? { ...set, letIn: name } : set)));
      return [];
    case "drop":
      outcome.dropped.push(...matching);
      return [];
    case "return":
      returned.push(...matching);
      return [];
    case "jump":
    case "goto": {
      const rules = depth > MAX_DEPTH ? undefined : place.chain.chain(verdict.chain);
      if (rules === undefined) {
        lose();
        return [];
      }
      const before = [outcome.accepted, outcome.dropped, outcome.lost].map(({ length }) => length);
      let back = run(rules, matching, place, outcome, depth + 1);
      const after = [outcome.accepted, outcome.dropped, outcome.lost].map(({ length }) => length);
      // A chain that decides nothing and changes nothing gives back what went in, whatever it took apart.
      if (before.join() === after.join() && !hasEffects(rules, place.chain)) back = matching;
      if (verdict.kind === "jump") return back;
      returned.push(...back);
      return [];
    }
    default:
      lose();
      return [];
  }
}

const effects = new WeakMap<readonly Part[], boolean>();

/** Whether a chain, or one that it leads to, changes packets that go on. */
function hasEffects(rules: readonly Part[], chain: BaseChain, depth = 0): boolean {
  const known = effects.get(rules);
  if (known !== undefined) return known;
  // Deeper than packets get, nobody asks what happens.
  if (depth > MAX_DEPTH) return true;
  // What leads back to here adds nothing.
  effects.set(rules, false);
  const found = rules.some(({ effects: own, verdict, afterwards = [] }) => {
    if (own.length > 0 || hasEffects(afterwards, chain, depth)) return true;
    if (verdict?.kind !== "jump" && verdict?.kind !== "goto") return false;
    return hasEffects(chain.chain(verdict.chain) ?? [], chain, depth + 1);
  });
  effects.set(rules, found);
  return found;
}

const CERTAIN = new Set(["always", "never", "numbers", "interface", "state", "local"]);

const isCertain = (match: Match): boolean =>
  match.kind === "either" || match.kind === "all" ? match.matches.every(isCertain) : CERTAIN.has(match.kind);

interface Order {
  order: readonly Match[];
  certain: readonly Match[];
}
const orders = new WeakMap<Part, Order>();

/** A part's matches: first what is told at once, then sources, which may be many, last what is not told for certain. */
function ordered(part: Part): Order {
  const known = orders.get(part);
  if (known !== undefined) return known;
  const certain = new Set(part.matches.filter(isCertain));
  const rank = (match: Match): number =>
    !certain.has(match) ? 2 : match.kind === "numbers" && match.field === "source" ? 1 : 0;
  const order = part.matches.toSorted((a, b) => rank(a) - rank(b));
  const found = { order, certain: order.filter((match) => certain.has(match)) };
  orders.set(part, found);
  return found;
}

const grouped = new WeakMap<readonly Rule[], readonly Rule[]>();

/** Rules one after the other that turn away a source each, as one: hosts ban addresses by the thousand. */
function together(rules: readonly Rule[]): readonly Rule[] {
  const known = grouped.get(rules);
  if (known !== undefined) return known;
  const groups: Rule[] = [];
  let bans: Rule[] = [];
  const flush = () => {
    const [first] = bans;
    if (first !== undefined && bans.length === 1) groups.push(first);
    else if (first !== undefined) {
      const sources = bans.flatMap(({ matches }) =>
        matches.flatMap((match) => (match.kind === "numbers" ? match.values : [])),
      );
      groups.push({
        ...first,
        matches: [{ kind: "numbers", field: "source", values: numbers(sources), negated: false }],
      });
    }
    bans = [];
  };
  for (const rule of rules) {
    const [match, ...more] = rule.matches;
    const isBan =
      rule.verdict?.kind === "drop" &&
      rule.effects.length === 0 &&
      more.length === 0 &&
      match?.kind === "numbers" &&
      match.field === "source" &&
      !match.negated;
    if (isBan) {
      bans.push(rule);
    } else {
      flush();
      groups.push(rule);
    }
  }
  flush();
  grouped.set(rules, groups);
  return groups;
}

function apply(effect: Effect, packets: Packets, { text }: RuleName, host: Host): Packets {
  switch (effect.kind) {
    case "untrack":
      return packets.state === "INVALID" ? { ...packets, state: "UNTRACKED" } : packets;
    case "unsettle":
      return { ...packets, isUnsettled: true };
    case "copyMark":
      if (packets.state !== "NEW") return packets;
      return effect.from === "mark"
        ? { ...packets, connectionMark: packets.mark }
        : { ...packets, mark: packets.connectionMark };
    case "mark": {
      // Who is not tracked has no connection to be marked.
      if (effect.field === "connectionMark" && packets.state !== "NEW") return packets;
      const before = packets[effect.field];
      const isKnown = effect.keep !== undefined && (before !== undefined || effect.keep === 0);
      const after = isKnown ? (((before ?? 0) & effect.keep) ^ effect.flip) >>> 0 : undefined;
      return { ...packets, [effect.field]: after };
    }
    case "rewrite": {
      const { family, port } = packets;
      const here = host.addresses.filter(
        ({ address, interface: name }) => rangeOf(address).family === family && packets.in.includes(name),
      );
      const { first, last } = effect.address === "host" ? { first: 0n, last: 0n } : rangeOf(effect.address);
      const own = here
        .map(({ address }) => rangeOf(address))
        .map((range) => [range.first, range.last] as const);
      const isLocal = effect.address === "host" || isOwn(effect.address, host);
      return {
        ...packets,
        destination:
          effect.address !== "host" ? [[first, last]] : own.length > 0 ? numbers(own) : packets.destination,
        port: effect.port === undefined ? port : [[BigInt(effect.port), BigInt(effect.port)]],
        isLocal,
        out: isLocal ? [] : waysTo(effect.address, host),
        rewritten: { rule: text, ports: port },
      };
    }
  }
}

const isOwn = (address: string, host: Host): boolean =>
  isLoopback(address) ||
  host.addresses.some(
    (own) =>
      rangeOf(own.address).first === rangeOf(address).first &&
      rangeOf(own.address).family === rangeOf(address).family,
  );

/** The interface whose network has the address; any of them where it is behind a router. */
function waysTo(address: string, host: Host): readonly string[] {
  const to = rangeOf(address);
  const near = host.addresses
    .filter((own) => {
      const { family, first, last } = rangeOf(`${own.address}/${own.prefix}`);
      return family === to.family && first <= to.first && to.first <= last;
    })
    .toSorted((a, b) => b.prefix - a.prefix);
  return near[0] === undefined ? host.interfaces : [near[0].interface];
}

/** Of what is through prerouting: packets for the port here, and those that came for it and are sent on. */
function route(packets: Packets, port: bigint, host: Host, outcome: Outcome): Packets[] {
  const wanted: Numbers = [[port, port]];
  if (packets.isLocal) {
    const arriving = common(packets.port, wanted);
    if (arriving.length === 0) return [];
    const here = { ...packets, port: arriving };
    // The kernel drops what comes from elsewhere for 127.0.0.1, unless route_localnet says otherwise.
    const isLoop =
      packets.rewritten !== undefined &&
      packets.destination.every(([first]) => first >> 24n === 127n || first === 1n);
    if (!isLoop) return [here];
    const text = packets.rewritten?.rule ?? "";
    outcome.lost.push({ ...here, letIn: { chain: chainOf(text), text } });
    return [];
  }
  if (common(packets.rewritten?.ports ?? [], wanted).length === 0) return [];
  const ways = packets.out.length === 0 ? host.interfaces : packets.out;
  if (ways.length <= 1) return [packets];
  const doubt = packets.rewritten?.rule ?? "";
  return ways.map((way) => ({ ...packets, out: [way], presence: { doubt } }));
}

/**
 * Addresses that no interface has, and that rules name which let in: a router of theirs may send on to this host what is for
 * them (`-d VIP -j REDIRECT`), and a route may make them the host's own (`ip route add local`).
 */
function straysOf(chains: readonly BaseChain[], host: Host, family: Family, own: Numbers): Numbers {
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

/** What rules ask of destinations on the way to an accept for this host: of nat's, those that give packets to it. */
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

const EVERY: Record<Family, Numbers> = { 4: [[0n, 2n ** 32n - 1n]], 6: [[0n, 2n ** 128n - 1n]] };

const subnets = (...texts: string[]): Numbers =>
  numbers(texts.map(rangeOf).map(({ first, last }) => [first, last] as const));

/** Sources that no connection from elsewhere has: the kernel drops them, or answers would not get back. */
const NO_SENDERS: Record<Family, Numbers> = {
  4: subnets("0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/4", "255.255.255.255"),
  6: subnets("::", "::1", "ff00::/8"),
};

/** Everybody, but for these networks; networks of the other family say nothing. */
export function strangersTo(family: Family, allowed: readonly string[]): Numbers {
  return without(EVERY[family], sourcesOf(family, allowed));
}

/** The addresses of networks of one family. */
export function sourcesOf(family: Family, networks: readonly string[]): Numbers {
  const ranges = networks.map(rangeOf).filter((range) => range.family === family);
  return numbers(ranges.map(({ first, last }) => [first, last] as const));
}
