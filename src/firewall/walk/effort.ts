import type { Packets } from "../packets.ts";

/** Sets of packets on their way at once: more than that, and rules take their sources and ports apart beyond use. */
export const MAX_SETS = 5_000;
/** Questions asked on one walk, and numbers compared for them: some seconds. Hosts with fifty thousand rules need a tenth. */
const MAX_STEPS = 1_000_000;
/** Ends of ways through the rules. */
const MAX_ENDS = 100_000;

export class TooMany extends Error {}

export interface Outcome {
  accepted: Packets[];
  /** Turned away, if they are there at all. */
  dropped: Packets[];
  /** Given to what is not known here. */
  lost: Packets[];
  /** How much was asked so far. */
  effort: { steps: number };
}

/** @throws TooMany once a walk has taken more than it may. */
export function spend({ accepted, dropped, lost, effort }: Outcome, steps: number): void {
  effort.steps += steps;
  if (effort.steps > MAX_STEPS || accepted.length + dropped.length + lost.length > MAX_ENDS)
    throw new TooMany();
}
