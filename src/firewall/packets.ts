import type { Family } from "../lib/network.ts";

/** Addresses or ports, as separate closed ranges in order. */
export type Numbers = readonly (readonly [first: bigint, last: bigint])[];

/**
 * New TCP connections on their way through the kernel: all that have these values. Packets that these values do not tell apart
 * travel together; a rule that asks for a part of them splits them.
 */
export interface Packets {
  family: Family;
  source: Numbers;
  destination: Numbers;
  sourcePort: Numbers;
  port: Numbers;
  /** Names of the interfaces that they come in by. */
  in: readonly string[];
  /** The interfaces that they go out by: none for packets that stay on the host. */
  out: readonly string[];
  /** What connection tracking says of them: INVALID before it has seen them, UNTRACKED where a rule keeps them out of it. */
  state: "INVALID" | "NEW" | "UNTRACKED";
  /** Undefined where a rule has set them to what nobody can foresee. */
  mark: number | undefined;
  connectionMark: number | undefined;
  /** False where a rule sends them on to another machine. */
  isLocal: boolean;
  /**
   * How sure it is that such packets get here: all do, some do, or nobody can tell because of the rule with this text.
   */
  presence: "all" | "some" | { doubt: string };
  /** The answers so far to questions that packets may answer either way. */
  traits: ReadonlyMap<string, boolean>;
  /** Whether a rule has changed what such questions ask for: then nobody can tell which packets have it. */
  isUnsettled: boolean;
  /** The rule that gave them another destination, and the ports by which they came. */
  rewritten: { rule: string; ports: Numbers } | undefined;
  /** The last rule that let them on, among those that filter what comes in. */
  letIn: RuleName | undefined;
}

/** A rule by its words and by the chain that it is in. */
export interface RuleName {
  chain: string;
  text: string;
  /** Not a rule of the chain, but what it does with all that no rule decides. */
  isPolicy?: boolean;
}

type Field = "source" | "destination" | "sourcePort" | "port";

/** A name of interfaces, or what their names begin with. */
export interface NamePattern {
  name: string;
  isStart: boolean;
}

/** The most parts that one question may split packets into: more are of no use. */
const MAX_PARTS = 5_000;

/** What a rule asks of a packet. */
export type Match =
  | { kind: "numbers"; field: Field; values: Numbers; negated: boolean }
  | { kind: "interface"; field: "in" | "out"; names: readonly NamePattern[]; negated: boolean }
  | { kind: "state"; states: readonly string[]; negated: boolean }
  | { kind: "mark"; field: "mark" | "connectionMark"; value: number; mask: number; negated: boolean }
  | { kind: "local"; negated: boolean }
  | { kind: "either" | "all"; matches: readonly Match[] }
  | { kind: "always" }
  | { kind: "never" }
  /** A rate limit: it lets some packets pass and others not, each time anew. */
  | { kind: "chance" }
  /** Their sender or the clock decides which packets have it: a TTL, a length, a time of day. */
  | { kind: "trait"; text: string }
  /** Nobody needs to have it, and hardly anybody has: a routing header, a source that answers cannot go to. */
  | { kind: "rare"; text: string; negated: boolean }
  | { kind: "unknown" };

/**
 * The packets that match and those that do not. `text` names the rule where that is not known. `spend` is told what each
 * question within a question takes: it may throw.
 */
export function split(
  packets: Packets,
  match: Match,
  text: string,
  spend: (steps: number) => void = () => {},
): { yes: Packets[]; no: Packets[] } {
  const both = (isYes: boolean) => (isYes ? { yes: [packets], no: [] } : { yes: [], no: [packets] });
  switch (match.kind) {
    case "always":
      return both(true);
    case "never":
      return both(false);
    case "state": {
      const isRewritten = match.states.includes("DNAT") && packets.rewritten !== undefined;
      return both((isRewritten || match.states.includes(packets.state)) !== match.negated);
    }
    case "local":
      return both(packets.isLocal !== match.negated);
    case "numbers": {
      const { field, values, negated } = match;
      const [inside, outside] = [common(packets[field], values), without(packets[field], values)];
      const [yes, no] = negated ? [outside, inside] : [inside, outside];
      const withField = (numbers: Numbers) =>
        numbers.length === 0 ? [] : [{ ...packets, [field]: numbers }];
      return { yes: withField(yes), no: withField(no) };
    }
    case "interface": {
      const { field, names, negated } = match;
      // Nothing goes out of the host: a rule for some interface asks for more than that.
      if (packets[field].length === 0) return both(negated);
      const isMatch = (name: string) => names.some((pattern) => isNamed(pattern, name)) !== negated;
      const withNames = (kept: string[]) => (kept.length === 0 ? [] : [{ ...packets, [field]: kept }]);
      return {
        yes: withNames(packets[field].filter(isMatch)),
        no: withNames(packets[field].filter((name) => !isMatch(name))),
      };
    }
    case "mark": {
      // A packet that is not tracked has no connection whose mark could be asked for, negated or not.
      if (match.field === "connectionMark" && packets.state !== "NEW") return both(false);
      const mark = packets[match.field];
      if (mark === undefined) return doubted(packets, text);
      return both(((mark & match.mask) >>> 0 === match.value >>> 0) !== match.negated);
    }
    case "either":
    case "all": {
      // "either" goes on with the packets that said no, "all" with those that said yes.
      const done: Packets[][] = [];
      let [count, rest] = [0, [packets]];
      for (const one of match.matches) {
        for (const part of rest) spend(costOf(part, one));
        const parts = rest.map((part) => split(part, one, text, spend));
        const [on, off] = [parts.flatMap(({ no }) => no), parts.flatMap(({ yes }) => yes)];
        rest = match.kind === "either" ? on : off;
        done.push(match.kind === "either" ? off : on);
        count += done.at(-1)?.length ?? 0;
        if (count + rest.length > MAX_PARTS) spend(Number.POSITIVE_INFINITY);
      }
      return match.kind === "either" ? { yes: done.flat(), no: rest } : { yes: rest, no: done.flat() };
    }
    case "chance": {
      const some = {
        ...packets,
        presence: packets.presence === "all" ? ("some" as const) : packets.presence,
      };
      return { yes: [some], no: [some] };
    }
    case "trait": {
      if (packets.isUnsettled) return doubted(packets, text);
      const known = packets.traits.get(match.text);
      if (known !== undefined) return both(known);
      // Two traits may exclude each other: nobody can tell whether packets have both.
      const presence =
        packets.presence === "all"
          ? "some"
          : packets.presence === "some" && packets.traits.size > 0
            ? { doubt: text }
            : packets.presence;
      const withTrait = (has: boolean): Packets => ({
        ...packets,
        presence,
        traits: new Map([...packets.traits, [match.text, has]]),
      });
      return { yes: [withTrait(true)], no: [withTrait(false)] };
    }
    case "rare": {
      const [usual, rare] = [[packets], doubted(packets, text).yes];
      return match.negated ? { yes: usual, no: rare } : { yes: rare, no: usual };
    }
    case "unknown":
      return doubted(packets, text);
  }
}

function doubted(packets: Packets, text: string): { yes: Packets[]; no: Packets[] } {
  const presence = typeof packets.presence === "string" ? { doubt: text } : packets.presence;
  const doubtful = { ...packets, presence };
  return { yes: [doubtful], no: [doubtful] };
}

/** What a comparison costs: sets of addresses may have thousands of holes. */
export const costOf = (packets: Packets, match: Match): number =>
  match.kind === "numbers" ? packets[match.field].length + match.values.length : 1;

function isNamed(pattern: NamePattern, name: string): boolean {
  return pattern.isStart ? name.startsWith(pattern.name) : pattern.name === name;
}

/** What is in both. */
export function common(one: Numbers, other: Numbers): Numbers {
  const found: (readonly [bigint, bigint])[] = [];
  for (let i = 0, j = 0; i < one.length && j < other.length; ) {
    const [a, b] = [one[i] as Numbers[number], other[j] as Numbers[number]];
    const [first, last] = [a[0] > b[0] ? a[0] : b[0], a[1] < b[1] ? a[1] : b[1]];
    if (first <= last) found.push([first, last]);
    if (a[1] < b[1]) i++;
    else j++;
  }
  return found;
}

/** What is in the first and not in the second. */
export function without(one: Numbers, other: Numbers): Numbers {
  const found: (readonly [bigint, bigint])[] = [];
  let j = 0;
  for (const [from, to] of one) {
    let start = from;
    // A range of the other may reach into the next one of ours: go on with it there.
    while (j < other.length && (other[j] as Numbers[number])[1] < from) j++;
    for (let k = j; k < other.length; k++) {
      const [first, last] = other[k] as Numbers[number];
      if (first > to) break;
      if (first > start) found.push([start, first - 1n]);
      if (last >= start) start = last + 1n;
    }
    if (start <= to) found.push([start, to]);
  }
  return found;
}

/** Ranges in whatever order, as `Numbers`. */
export function numbers(ranges: readonly (readonly [bigint, bigint])[]): Numbers {
  const sorted = ranges.toSorted((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));
  const merged: [bigint, bigint][] = [];
  for (const [first, last] of sorted) {
    const previous = merged.at(-1);
    if (previous !== undefined && first <= previous[1] + 1n) {
      if (last > previous[1]) previous[1] = last;
    } else {
      merged.push([first, last]);
    }
  }
  return merged;
}
