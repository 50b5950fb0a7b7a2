import { describe, expect, it, vi } from "vitest";
import { ABRUPT, CUTS, labelsOf } from "../../../measure/faults/labels.ts";

// All hosts of a run are at work at once, on a machine that may have two cores.
vi.setConfig({ testTimeout: 120_000 });

describe("what redkeep says of a host is what happened there", () => {
  it("where the connection is cut during the commit", async () => {
    const { problems, falseSuccesses } = await labelsOf(CUTS.filter(({ isForGood }) => !isForGood));
    expect({ problems, falseSuccesses }).toEqual({ problems: [], falseSuccesses: 0 });
  });

  it("where a channel ends by a signal, early, or without a word", async () => {
    const { problems, falseSuccesses } = await labelsOf(ABRUPT);
    expect({ problems, falseSuccesses }).toEqual({ problems: [], falseSuccesses: 0 });
  });
});
