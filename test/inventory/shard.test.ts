import { describe, expect, it } from "vitest";
import { hostVariables, type Inventory } from "../../src/inventory/inventory.ts";
import { Rendering } from "../../src/inventory/rendering.ts";
import { inShard, REPLICATION_GROUP, shardKey } from "../../src/inventory/shard.ts";
import { inventoryOf, refusal } from "../inventory/inventory-on-disk.ts";

const fleet = Array.from(
  { length: 2000 },
  (_, index) => `redis-${String(index).padStart(4, "0")}.example.com`,
);

describe("--shard", () => {
  it.each([1, 2, 3, 7, 64])("puts every host into exactly one of %i parts", (count) => {
    for (const host of fleet) {
      const parts = Array.from({ length: count }, (_, index) => index + 1).filter((index) =>
        inShard(host, { index, count }),
      );
      expect(parts, host).toHaveLength(1);
    }
  });

  it("follows from the host's name alone, so that every runner and version splits alike", () => {
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

/** Numbers from 0 to below 1, the same for each seed. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Groups of one to five hosts. The variable stands on the hosts, on a group of the inventory, or nowhere. */
function randomInventory(seed: number): { text: string; groups: string[][] } {
  const random = randomFrom(seed);
  const groups: string[][] = [];
  const lines: string[] = [];
  for (let number = 0; number < 20 + random() * 60; number++) {
    const hosts = Array.from({ length: 1 + Math.floor(random() * 5) }, (_, index) => `r${number}-${index}`);
    const where = Math.floor(random() * 3);
    if (where < 2) groups.push(hosts);
    const name = random() < 0.5 ? `"${hosts[0]}"` : `${1000 + number}`;
    lines.push(
      `    g${number}:`,
      ...(where === 0 ? [`      vars: { ${REPLICATION_GROUP}: ${name} }`] : []),
      "      hosts:",
      ...hosts.map((host) => `        ${host}: ${where === 1 ? `{ ${REPLICATION_GROUP}: ${name} }` : "{}"}`),
    );
  }
  return { text: `all:\n  children:\n${lines.join("\n")}\n`, groups };
}

const keyOf = (inventory: Inventory, host: string) =>
  shardKey(host, new Rendering(host, hostVariables(inventory, host), inventory));

function shardOf(inventory: Inventory, host: string, count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1).filter((index) =>
    inShard(keyOf(inventory, host), { index, count }),
  );
}

describe("redkeep_replication_group", () => {
  it.each(Array.from({ length: 20 }, (_, seed) => seed))(
    "keeps a replication group in one shard, and every host in exactly one (random inventory %i)",
    async (seed) => {
      const { text, groups } = randomInventory(seed);
      const inventory = await inventoryOf(text);
      for (const count of [1, 2, 5, 16]) {
        for (const host of inventory.hosts.keys())
          expect(shardOf(inventory, host, count), host).toHaveLength(1);
        for (const hosts of groups)
          expect(new Set(hosts.flatMap((host) => shardOf(inventory, host, count))).size).toBe(1);
      }
    },
  );

  it("leaves replication groups spread about evenly, and other hosts where they were", async () => {
    const hosts = Array.from({ length: 900 }, (_, index) =>
      index < 600 ? `    r${index}: { ${REPLICATION_GROUP}: r${index - (index % 3)} }` : `    r${index}: {}`,
    );
    const inventory = await inventoryOf(`all:\n  hosts:\n${hosts.join("\n")}\n`);
    const sizes = [1, 2, 3, 4].map(
      (index) =>
        [...inventory.hosts.keys()].filter((host) => shardOf(inventory, host, 4)[0] === index).length,
    );
    for (const size of sizes) expect(Math.abs(size - 225)).toBeLessThan(60);
    for (const host of ["r600", "r777"]) expect(keyOf(inventory, host)).toBe(host);
    expect(keyOf(inventory, "r1")).toBe("r0");
  });

  it.each([
    ["[a, b]", /hosts\.yml:3:\d+ {2}redkeep_replication_group of r1: should be a name, found \["a","b"\]/],
    ['"{{ group_names | first }}"', /redkeep_replication_group of r1: is a Jinja template/],
  ])("of %s is refused, with its place", async (value, message) => {
    const inventory = await inventoryOf(`all:\n  hosts:\n    r1: { ${REPLICATION_GROUP}: ${value} }\n`);
    expect(await refusal((async () => keyOf(inventory, "r1"))())).toMatch(message);
  });
});
