import { describe, expect, it } from "vitest";
import { inShard } from "../../src/commands/shard.ts";

const fleet = Array.from(
  { length: 2000 },
  (_, index) => `redis-${String(index).padStart(4, "0")}.example.com`,
);

describe("--shard", () => {
  it.each([1, 2, 3, 7, 64])("of %i is a partition: every host in one part, and in no other", (count) => {
    for (const host of fleet) {
      const parts = Array.from({ length: count }, (_, index) => index + 1).filter((index) =>
        inShard(host, { index, count }),
      );
      expect(parts, host).toHaveLength(1);
    }
  });

  it("is the same on every runner and in every version: it follows from the name alone", () => {
    expect(
      fleet.slice(0, 12).map((host) => [1, 2, 3].find((index) => inShard(host, { index, count: 3 }))),
    ).toEqual([1, 3, 2, 3, 3, 1, 1, 3, 3, 2, 1, 1]);
  });

  it("moves no host when others come or go", () => {
    const shard = { index: 2, count: 5 };
    const before = fleet.slice(0, 100).filter((host) => inShard(host, shard));
    const after = ["aaa", ...fleet].filter((host) => inShard(host, shard));
    expect(after).toEqual(expect.arrayContaining(before));
  });

  it("splits a fleet about evenly", () => {
    for (const index of [1, 2, 3, 4]) {
      const share = fleet.filter((host) => inShard(host, { index, count: 4 })).length;
      expect(share).toBeGreaterThan(420);
      expect(share).toBeLessThan(580);
    }
  });
});
