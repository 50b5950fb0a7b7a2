import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { readLimit, selectHosts } from "../../src/inventory/host-pattern.ts";
import { inventoryGraph, inventoryHost, inventoryList } from "../../src/inventory/listing.ts";
import { loadInventory } from "../../src/inventory/load-inventory.ts";
import { inventoryOf } from "./inventory-on-disk.ts";

const fixtures = fileURLToPath(new URL("../fixtures/inventories", import.meta.url));
const load = (source: string, extraVars: string[] = []) =>
  loadInventory({ sources: [source], cwd: fixtures, extraVars });
const printed = (name: string) => readFile(`${fixtures}/${name}`, "utf8");

// The expected files are what ansible-inventory of ansible-core 2.14.18 printed.
describe("prints what ansible-inventory prints", () => {
  it.each([
    ["fleet/hosts.yml", "fleet-expected/list.json"],
    ["company", "company-expected/list.json"],
  ])("--list of %s", async (source, expected) => {
    expect(`${inventoryList(await load(source))}\n`).toBe(await printed(expected));
  });

  it.each([
    ["fleet/hosts.yml", "fleet-expected/graph.txt"],
    ["company", "company-expected/graph.txt"],
  ])("--graph of %s", async (source, expected) => {
    expect(`${inventoryGraph(await load(source))}\n`).toBe(await printed(expected));
  });

  it("--host with -e", async () => {
    const inventory = await load("fleet/hosts.yml", ["x=1"]);
    expect(`${inventoryHost(inventory, "redis-02")}\n`).toBe(
      await printed("fleet-expected/host-redis-02.json"),
    );
  });
});

describe("--list", () => {
  it("leaves out the hosts beyond a limit, and the groups that are empty then", async () => {
    const inventory = await inventoryOf(
      "a: {hosts: {h1: , h2: {x: 1}}}\nb: {hosts: h1}\nc: {children: {a: }}",
    );
    const list = JSON.parse(
      inventoryList(inventory, selectHosts(inventory, "all", { limit: await readLimit("h2", ".") })),
    );
    expect(list).toEqual({
      _meta: { hostvars: { h2: { x: 1 } } },
      a: { hosts: ["h2"] },
      all: { children: ["c"] },
      c: { children: ["a"] },
    });
  });

  it("does not list what a file says about magic variables", async () => {
    const inventory = await inventoryOf(
      "g: {hosts: {h: {groups: x, group_names: y, inventory_hostname: z}}}",
    );
    expect(JSON.parse(inventoryList(inventory))).toEqual({
      _meta: { hostvars: {} },
      all: { children: ["ungrouped", "g"] },
      g: { hosts: ["h"] },
    });
  });

  it.each<[string, string]>([
    ["1.0", "1.0"],
    ["1.0e+16", "1e+16"],
    ["0.0001", "0.0001"],
    ["0.00001", "1e-05"],
    ["-0.0", "-0.0"],
    ["123456789.125", "123456789.125"],
    [".inf", "Infinity"],
    ["12", "12"],
    ["yes", "true"],
    ["~", "null"],
    ['"\\u00e9\\u0001"', '"é\\u0001"'],
  ])("prints %s as Python does", async (written, shown) => {
    expect(inventoryHost(await inventoryOf(`g: {hosts: {h: {v: ${written}}}}`), "h")).toBe(
      `{\n    "v": ${shown}\n}`,
    );
  });
});

describe("--graph", () => {
  it("refuses groups whose tree would never end", async () => {
    const levels = Array.from(
      { length: 30 },
      (_, i) =>
        `a${i}: {children: {b${i}: , c${i}: }}\nb${i}: {children: {a${i + 1}: }}\nc${i}: {children: {a${i + 1}: }}`,
    );
    const inventory = await inventoryOf(`${levels.join("\n")}\na30: {hosts: h}\n`);
    expect(() => inventoryGraph(inventory)).toThrow("the graph has more than 100000 lines; use --list");
  });
});

describe("--host", () => {
  it("refuses an unknown host", async () => {
    const inventory = await inventoryOf("g: {hosts: redis-01}");
    expect(() => inventoryHost(inventory, "redis-1")).toThrow(
      '--host: the inventory has no host "redis-1". Did you mean "redis-01"?',
    );
  });

  it("prints an empty mapping for a host without variables", async () => {
    expect(inventoryHost(await inventoryOf("g: {hosts: h}"), "h")).toBe("{}");
  });
});
