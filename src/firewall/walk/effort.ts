import type { Packets } from "../packets.ts";

/** The most sets of packets on their way at once. Rules that make more split sources and ports too finely to be of use. */
export const MAX_SETS = 5_000;
/** The most questions of one walk, and numbers compared for them: some seconds' worth. Fifty thousand rules need a tenth. */
const MAX_STEPS = 1_000_000;
/** Ends of ways through the rules. */
const MAX_ENDS = 100_000;

export class TooMany extends Error {}

export interface Outcome {
  accepted: Packets[];
  /** They are turned away, if there are such packets at all. */
  dropped: Packets[];
  /** They go to a target that is not known here. */
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
