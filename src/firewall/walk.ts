import { type Family, isLoopback, rangeOf } from "../lib/network.ts";
import {
  common,
  type Match,
  type Numbers,
  numbers,
  type Packets,
  type RuleName,
  split,
  without,
} from "./packets.ts";
import type { BaseChain, Gap, Ruleset } from "./ruleset.ts";
import { MAX_SETS, type Outcome, TooMany } from "./walk/effort.ts";
import type { Host, Opening, Passage } from "./walk/passage.ts";
import { run } from "./walk/run-chain.ts";
import { EVERY, NO_SENDERS } from "./walk/senders.ts";
import { straysOf } from "./walk/strays.ts";

/** What is said of a host whose rules take more effort than a walk may cost. */
export const TOO_MANY = "the rules tell incoming packets apart in more cases than redkeep looks at";

const TRACKING_PRIORITY = -200;
const PORTS: Numbers = [[1n, 65_535n]];

/**
 * Walks a host's rules as new TCP connections from `sources` to `port` do: ingress, raw, connection tracking, mangle, nat,
 * then what filters packets for the host, or those that it sends on. It follows every way; a rule that takes a part of the
 * packets splits them.
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

/** What becomes of packets; undefined where the rules split them too often. */
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

/** Whoever asks for an address that no interface has may get in: routes decide whether the address is the host's all the same. */
function strayDoubts(outcome: Outcome | undefined): RuleName[] {
  if (outcome === undefined) return [{ chain: "", text: TOO_MANY }];
  const ends = [...outcome.accepted, ...outcome.lost].filter(({ isLocal }) => isLocal);
  const texts = ends.flatMap(({ rewritten, letIn }) => rewritten?.rule ?? letIn?.text ?? []);
  return [...new Set(texts)].map((text) => ({ chain: chainOf(text), text }));
}

/** What follows from all that packets met: who gets in for sure, and what stays open. */
function conclude(outcome: Outcome | undefined, gaps: readonly Gap[]): Passage {
  if (outcome === undefined) return { openings: [], doubts: [{ chain: "", text: TOO_MANY }], letIn: [] };
  const { accepted, dropped, lost } = outcome;
  // Where packets met no rule that could turn them away, doubts on the way change nothing.
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
    const { yes, no } = split(packets, match, `${chain.name} is for interfaces that nft does not name`);
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

/** Of the packets that passed prerouting, those for the port here, and those that came for it and are sent on. */
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
