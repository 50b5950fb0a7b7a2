import type { Match, RuleName } from "./packets.ts";

/** What iptables and nft have in common: chains of rules that hang on the ways which packets take through the kernel. */
export interface Ruleset {
  chains: readonly BaseChain[];
  gaps: readonly Gap[];
}

/** A part of the host's rules that is not among those read. */
export interface Gap {
  /** Why, as a sentence. */
  text: string;
  /**
   * True where a rule that was read may be wrong because of it. Otherwise whole chains are missing: these may turn away what
   * others let in, and never let in what others turn away.
   */
  isWithin: boolean;
}

/** A chain that the kernel itself calls. */
export interface BaseChain {
  name: string;
  hook: "ingress" | "prerouting" | "input" | "forward";
  /** Lower ones come first. */
  priority: number;
  /** A chain of kind `nat` sees tracked connections only, and what it accepts keeps its destination. */
  kind: "filter" | "nat";
  policy: "accept" | "drop";
  /** The interfaces that an ingress chain is for, where nft says them. */
  devices?: readonly string[] | "unknown";
  rules: readonly Rule[];
  /** Another chain of the same table. */
  chain: (name: string) => readonly Rule[] | undefined;
}

export interface Rule extends RuleName, Part {}

/** A rule from one of its statements on. */
export interface Part {
  /** All of them have to hold. */
  matches: readonly Match[];
  effects: readonly Effect[];
  /** Undefined where the rule only does something, and packets go on to the next one. */
  verdict: Verdict | undefined;
  /**
   * What the same rule asks of the packets that it has changed, and then does: the first part that matches counts. Packets that
   * match none go on to the next rule.
   */
  afterwards?: readonly Part[];
}

/** What a rule does to packets that go on. */
export type Effect =
  | { kind: "untrack" }
  /** `mark = (mark & keep) ^ flip`; unforeseeable where nothing is said. */
  | { kind: "mark"; field: "mark" | "connectionMark"; keep: number; flip: number }
  | { kind: "mark"; field: "mark" | "connectionMark"; keep?: undefined }
  | { kind: "copyMark"; from: "mark" | "connectionMark" }
  /** A field that rules ask for by itself, such as a TTL, gets another value. */
  | { kind: "unsettle" }
  /** Another destination: an address, or the host itself; another port, or the same one. */
  | { kind: "rewrite"; address: string | "host"; port: number | undefined };

export type Verdict =
  | { kind: "accept" | "drop" | "return" | "unknown" }
  | { kind: "jump" | "goto"; chain: string };
