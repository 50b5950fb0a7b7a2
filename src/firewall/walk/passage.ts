import type { Numbers, RuleName } from "../packets.ts";

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
