import { describe, it } from "vitest";
import { FEATURES, tryFeature } from "../../measure/faults/features.ts";

describe.concurrent("a redkeep without a safety feature does not survive what the feature is there for", () => {
  it.for(FEATURES)("$name, where $fault", async (feature, { expect }) => {
    const { whole, without } = await tryFeature(feature);
    expect(whole).toEqual([]);
    expect(without).not.toEqual([]);
  });
});
