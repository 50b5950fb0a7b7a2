import type { Numbers, RuleName } from "../packets.ts";

/** The host that packets come to. */
export interface Host {
  /** The host's addresses, with the interfaces that have them. */
  addresses: readonly { interface: string; address: string; prefix: number }[];
  /** All interfaces that the host has, except lo. */
  interfaces: readonly string[];
}

/** What the kernel does with new TCP connections to one port. */
export interface Passage {
  /** The ways in: each with the last rule that let packets on, and their sources. */
  openings: Opening[];
  /** The texts of rules that leave it open whether somebody gets in, and of what was not read. */
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

/** "closed" where none of the packets gets in, "open" where some surely do, else "unknown". */
export function verdictOf({ openings, doubts }: Passage): "open" | "closed" | "unknown" {
  return openings.length > 0 ? "open" : doubts.length > 0 ? "unknown" : "closed";
}
