import {
  type AddressRange,
  contains,
  type Family,
  family as familyOf,
  isLoopback,
  rangeOf,
  subtract,
} from "../lib/network.ts";
import { Ranges } from "./ranges.ts";
import { isAnywhere, makeRule, type UfwAction, type UfwEntry, type UfwRule } from "./ufw-rules.ts";

export type DefaultPolicy = "allow" | "deny" | "reject";

/** A new connection to the host. Fields that are left out are unknown, and rules that test them may or may not match. */
export interface Packet {
  protocol: "tcp" | "udp";
  source: string;
  sourcePort?: number | undefined;
  destination?: string | undefined;
  destinationPort: number;
  interface?: string | undefined;
}

/** What happens to a packet. "limit" lets it in as long as its source stays under six connections in 30 seconds. */
export interface Decision {
  verdict: UfwAction | "unknown";
  /** The entry that decided; "loopback" where ufw accepts before it looks at user rules. */
  rule: UfwEntry | "default" | "loopback";
}

/** Sources that get to a port, and the entry that lets them in. */
export interface Opening {
  family: Family;
  /** Without the addresses that an earlier rule decides. */
  sources: AddressRange[];
  /** An unreadable entry counts as an opening: it may be one. */
  rule: UfwEntry | "default";
}

const passes = (verdict: Decision["verdict"]): boolean => verdict === "allow" || verdict === "limit";

/**
 * What ufw does with a packet: the first rule that matches decides, else the default policy. The verdict is "unknown"
 * where rules that only may match, or cannot be read, leave both letting in and turning away possible.
 */
export function evaluate(
  entries: readonly UfwEntry[],
  defaultPolicy: DefaultPolicy,
  packet: Packet,
): Decision {
  if (packet.interface === "lo" || isLoopback(packet.source)) return { verdict: "allow", rule: "loopback" };

  const possible: Decision[] = [];
  let isDecided = false;
  for (const entry of entries) {
    const match = matchPacket(entry, packet);
    if (match === "no") continue;
    possible.push({ verdict: entry.kind === "rule" ? entry.action : "unknown", rule: entry });
    isDecided = match === "yes";
    if (isDecided) break;
  }
  if (!isDecided) possible.push({ verdict: defaultPolicy, rule: "default" });
  const [first = { verdict: defaultPolicy, rule: "default" as const }] = possible;
  const agree = possible.every(
    ({ verdict }) => verdict !== "unknown" && passes(verdict) === passes(first.verdict),
  );
  return agree ? first : { verdict: "unknown", rule: first.rule };
}

/** Whether a packet surely gets in. */
export function isAllowed(
  entries: readonly UfwEntry[],
  defaultPolicy: DefaultPolicy,
  packet: Packet,
): boolean {
  return passes(evaluate(entries, defaultPolicy, packet).verdict);
}

/**
 * Which sources reach a port, rule by rule and in order: what an earlier rule has decided is taken off. Where a rule
 * asks for an interface or a destination, its sources count as let in: they are on some path.
 */
export function openings(
  entries: readonly UfwEntry[],
  defaultPolicy: DefaultPolicy,
  port: number,
  protocol: Packet["protocol"] = "tcp",
): Opening[] {
  return ([4, 6] as const).flatMap((family) => {
    const found: Opening[] = [];
    sweep(entries, defaultPolicy, { family, port, protocol }, (opening) => found.push(opening) > 0);
    return found;
  });
}

/** The limit of comparisons between openings and earlier rules: about a second. Beyond it, openings count even if earlier rules may cover them. */
const MAX_COMPARED = 2_000_000;

/**
 * Calls `meet` for each opening to a port over a family, in order. If `meet` returns false, later entries are judged as if this
 * one did not exist.
 */
export function sweep(
  entries: readonly UfwEntry[],
  defaultPolicy: DefaultPolicy,
  { family, port, protocol = "tcp" }: { family: Family; port: number; protocol?: Packet["protocol"] },
  meet: (opening: Opening) => boolean,
): void {
  const everyone = makeRule({ family, action: "allow" });
  // The sources that are decided already, by the scope of the rules that decided: most hosts have few such scopes.
  const decided = new Map<string, { rule: UfwRule; sources: Ranges }>();
  let compared = 0;
  const isMet = (rule: Opening["rule"], scope: UfwRule): boolean => {
    const { first, last } = rangeOf(scope.source);
    const open = new Ranges([first, last]);
    for (const { rule: before, sources } of decided.values()) {
      if (++compared > MAX_COMPARED) break;
      if (coversPath(before, scope)) compared += sources.removeFrom(open, first, last);
    }
    const ranges = [...open].map(([from, to]) => ({ family, first: from, last: to }));
    return ranges.length === 0 || meet({ family, sources: ranges, rule });
  };
  for (const entry of entries) {
    if (entry.family !== family || !concernsPort(entry, port, protocol)) continue;
    if (entry.kind === "unknown") {
      isMet(entry, everyone);
      continue;
    }
    if (passes(entry.action) && !isForLoopback(entry) && !isMet(entry, entry)) continue;
    const path = JSON.stringify([entry.interfaceIn, entry.destination, entry.sourcePorts]);
    const same = decided.get(path) ?? { rule: entry, sources: new Ranges() };
    const { first, last } = rangeOf(entry.source);
    same.sources.add(first, last);
    decided.set(path, same);
  }
  if (passes(defaultPolicy)) isMet("default", everyone);
}

/**
 * Openings beyond the allowed subnets, each with the sources that should not get in. An unreadable entry counts as one, whatever
 * is allowed, unless an earlier rule makes it harmless: it may turn allowed subnets away as well.
 */
export function strangers(
  entries: readonly UfwEntry[],
  defaultPolicy: DefaultPolicy,
  port: number,
  allowed: readonly string[],
): Opening[] {
  return openings(entries, defaultPolicy, port).flatMap((opening) => {
    const sources = beyond(opening, allowed);
    return sources.length === 0 ? [] : [{ ...opening, sources }];
  });
}

/** The sources of an opening that should not get in. */
export function beyond({ rule, sources }: Opening, allowed: readonly string[]): AddressRange[] {
  const isUnreadable = rule !== "default" && rule.kind === "unknown";
  return isUnreadable ? sources : subtract(sources, allowed.map(rangeOf));
}

/**
 * Whether a subnet reaches a tcp port whatever the default policy says. `blockedAt` is where a rule for it has to stand
 * to take effect; `exceptions` are rules ahead of that which turn away a part of the subnet, a banned host say.
 */
export function reach(
  entries: readonly UfwEntry[],
  subnet: string,
  port: number,
): { isReached: boolean; blockedAt: number; exceptions: UfwRule[] } {
  const all = rangeOf(subnet);
  const left = new Ranges([all.first, all.last]);
  let isLetIn = false;
  const exceptions: UfwRule[] = [];
  for (const [i, entry] of entries.entries()) {
    if (entry.family !== familyOf(subnet) || !concernsPort(entry, port)) continue;
    if (entry.kind === "unknown") return { isReached: false, blockedAt: i, exceptions };
    if (isForLoopback(entry)) continue;
    if (isDeny(entry) && contains(entry.source, subnet))
      return { isReached: false, blockedAt: i, exceptions };
    if (!isUnconditional(entry)) continue;
    const { first: low, last: high } = rangeOf(entry.source);
    if (!left.remove(low, high)) continue;
    if (isDeny(entry)) exceptions.push(entry);
    else isLetIn = true;
    if (!left.isEmpty) continue;
    // A subnet whose parts are all denied is denied.
    const [first] = exceptions;
    if (isLetIn || first === undefined) return { isReached: true, blockedAt: i, exceptions };
    return { isReached: false, blockedAt: entries.indexOf(first), exceptions: [] };
  }
  return { isReached: false, blockedAt: entries.length, exceptions };
}

export const isDeny = ({ action }: UfwRule): boolean => action === "deny" || action === "reject";

/** Whether an entry can decide about new connections to a port of this host. */
export function concernsPort(entry: UfwEntry, port: number, protocol: Packet["protocol"] = "tcp"): boolean {
  if (entry.kind === "unknown") return !isForOtherChain(entry.raw);
  return (
    entry.direction === "in" &&
    !entry.route &&
    (entry.protocol === "any" || entry.protocol === protocol) &&
    includesPort(entry.destinationPorts, port)
  );
}

/** Whether a rule matches on source, protocol and port alone, whichever way a packet comes in. */
function isUnconditional(rule: UfwRule): boolean {
  return rule.interfaceIn === "" && isAnywhere(rule.destination) && rule.sourcePorts === "any";
}

/** "any" or the numbers in "80,443,6000:7000" include the port. */
export function includesPort(ports: string, port: number): boolean {
  if (ports === "any") return true;
  return ports.split(",").some((part) => {
    const [low = 0, high = low] = part.split(":").map(Number);
    return low <= port && port <= high;
  });
}

const isForLoopback = (rule: UfwRule): boolean => rule.interfaceIn === "lo";

/** Unreadable lines that all go to chains for outgoing or forwarded packets decide nothing about incoming ones. */
function isForOtherChain(raw: string): boolean {
  const lines = raw.split("\n").filter((line) => line.trim() !== "" && !line.startsWith("#"));
  return lines.every((line) => /^-A ufw6?-user-(?:logging-)?(?:output|forward) /.test(line));
}

type Match = "yes" | "no" | "maybe";

function matchPacket(entry: UfwEntry, packet: Packet): Match {
  if (entry.family !== familyOf(packet.source)) return "no";
  if (!concernsPort(entry, packet.destinationPort, packet.protocol)) return "no";
  if (entry.kind === "unknown") return "maybe";
  const { destination, sourcePort, interface: name } = packet;
  return all([
    yesNo(contains(entry.source, packet.source)),
    isAnywhere(entry.destination)
      ? "yes"
      : known(destination, (address) => contains(entry.destination, address)),
    entry.sourcePorts === "any" ? "yes" : known(sourcePort, (port) => includesPort(entry.sourcePorts, port)),
    entry.interfaceIn === "" ? "yes" : known(name, (given) => coversInterface(entry.interfaceIn, given)),
  ]);
}

const yesNo = (value: boolean): Match => (value ? "yes" : "no");
const known = <T>(value: T | undefined, test: (value: T) => boolean): Match =>
  value === undefined ? "maybe" : yesNo(test(value));
const all = (matches: Match[]): Match =>
  matches.includes("no") ? "no" : matches.includes("maybe") ? "maybe" : "yes";

/** iptables takes "eth+" for every interface whose name begins with "eth". */
function coversInterface(pattern: string, name: string): boolean {
  return pattern === name || (pattern.endsWith("+") && name.startsWith(pattern.slice(0, -1)));
}

/** Whether `earlier` matches all packets that `later` does, sources left aside. */
function coversPath(earlier: UfwRule, later: UfwRule): boolean {
  return (
    (earlier.interfaceIn === "" || coversInterface(earlier.interfaceIn, later.interfaceIn)) &&
    contains(earlier.destination, later.destination) &&
    (earlier.sourcePorts === "any" || earlier.sourcePorts === later.sourcePorts)
  );
}
