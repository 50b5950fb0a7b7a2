import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { type Limit, matchHosts, readLimit, selectHosts } from "../../src/inventory/host-pattern.ts";
import { loadInventory } from "../../src/inventory/load-inventory.ts";
import { directoryWith, refusal } from "./inventory-on-disk.ts";

const fixtures = fileURLToPath(new URL("../fixtures/inventories", import.meta.url));
const fleet = await loadInventory({ sources: ["patterns.yml"], cwd: fixtures });
const select = (pattern: string | string[], limit?: Limit) =>
  selectHosts(fleet, pattern, { limit }).join(" ");
const everybody = "r01 r02 r03 r04 r05 w1 w2 db-1.example.com 2001:db8::1 10.0.0.7";

describe("a host pattern", () => {
  it.each<[string, string]>([
    ["all", everybody],
    ["*", everybody],
    ["al*", everybody],
    ["redis", "r01 r02 r03 r04 r05"],
    ["r04,r01", "r04 r01"],
    ["r04:r01", "r04 r01"],
    ["r04 r01", "r04 r01"],
    ["r04 , r01,", "r04 r01"],
    ["r01,redis", "r01 r02 r03 r04 r05"],
    ["redis:&web", "r02"],
    ["redis:!web", "r01 r03 r04 r05"],
    ["!web:redis", "r01 r03 r04 r05"],
    ["web:!r02:r02", "w1 w2"],
    ["!redis", "w1 w2 db-1.example.com 2001:db8::1 10.0.0.7"],
    ["&web", "r02 w1 w2"],
    ["r0?", "r01 r02 r03 r04 r05"],
    ["w*", "w1 w2 r02"],
    ["[!r]1", "w1"],
    ["*.example.com", "db-1.example.com"],
    ["db.main", "db-1.example.com 2001:db8::1 10.0.0.7"],
    ["~r0[1-3]", "r01 r02 r03"],
    ["~r0(1|5)$", "r01 r05"],
    ["~r", "r01 r02 r03 r04 r05"],
    ["redis[0]", "r01"],
    ["redis[-1]", "r05"],
    ["redis[0:2]", "r01 r02 r03"],
    ["redis[3:]", "r04 r05"],
    ["redis[2:99]", "r03 r04 r05"],
    ["redis[:2]", "r01 r02 r03"],
    ["redis[-2:-1]", "r04 r05"],
    ["redis[1:-2]", "r02 r03 r04"],
    ["r*[0:1]", "r01 r02"],
    ["redis[0:1],!r01", "r02"],
    ["2001:db8::1", "2001:db8::1"],
    ["10.0.0.7", "10.0.0.7"],
    ["web,empty", "w1 w2 r02"],
    ["empty", ""],
  ])("%s", (pattern, hosts) => {
    expect(select(pattern)).toBe(hosts);
  });

  // What Ansible's own inventory manager (ansible-core 2.14.18) answered for 300 random patterns.
  it("selects what Ansible selects, in its order", async () => {
    const expected = JSON.parse(await readFile(`${fixtures}/patterns-expected.json`, "utf8"));
    const selected = Object.keys(expected).map((pattern) => [pattern, selectHosts(fleet, pattern)]);
    expect(Object.fromEntries(selected)).toEqual(expected);
  });

  it("may be a list", () => {
    expect(select(["w1", "redis:!r02"])).toBe("w1 r01 r03 r04 r05");
  });

  it.each<[string, string]>([
    ["nosuch", 'nosuch: no host or group of the inventory matches "nosuch".'],
    ["redsi", 'Did you mean "redis"?'],
    ["all:!redsi", '!redsi: no host or group of the inventory matches "redsi". Did you mean "redis"?'],
    ["redis:&wbe", 'Did you mean "web"?'],
    ["REDIS", 'no host or group of the inventory matches "REDIS". Did you mean "redis"?'],
    ["redis:&web,w1", 'no host or group of the inventory matches "redis:&web"'],
    ["redis[99]", "redis[99]: selects none of the 5 hosts of redis"],
    ["redis[-9]", "selects none of the 5 hosts of redis"],
    ["redis[3:1]", "selects none of the 5 hosts of redis"],
    ["empty[0]", "selects none of the 0 hosts of empty"],
    ["r0[1-3]", "[x-y] at the end is a subscript that Ansible gave up"],
    ["r0[13]", 'matches "r0"; [..] at the end of a term is a subscript'],
    ["r[01:03]", 'matches "r"; [..] at the end of a term is a subscript'],
    ["~r0(", "~r0(: is not a regular expression"],
    ["redis[0", "a bracket is not closed or not opened"],
    ["", "expected a host pattern such as all or redis, found nothing"],
    [",", "expected a host pattern"],
    ["!@file", "@file is allowed only in --limit"],
  ])("%s is refused", (pattern, message) => {
    expect(() => select(pattern)).toThrow(message);
  });

  it("is refused with every term that matches nothing, and its place", () => {
    const place = { file: "harden.yml", line: 2 };
    expect(() => selectHosts(fleet, "x,y,redis", { place })).toThrow(
      /harden\.yml:2 {2}x: .*\nharden\.yml:2 {2}y: /,
    );
  });

  it("is matched in a time that its number of stars does not multiply", () => {
    expect(() => select(`${"*a".repeat(2000)}b`)).toThrow("no host or group");
  });

  it("that matches nothing can be looked up without an error", () => {
    expect(matchHosts(fleet, "nosuch")).toMatchObject({ hosts: [], unmatched: [{ key: "nosuch" }] });
  });
});

describe("--limit", () => {
  const limitOf = async (text: string, files: Record<string, string> = {}) =>
    readLimit(text, await directoryWith(files));

  it.each<[string, string, string]>([
    ["keeps the play's order", "r04,r01,w1", "r01 r04"],
    ["takes the whole language", "redis[1:]:!r03", "r02 r04 r05"],
    ["may leave a play nothing", "w1", ""],
  ])("%s", async (_name, limit, hosts) => {
    expect(select("redis", await limitOf(limit))).toBe(hosts);
  });

  it("refuses a file with a byte order mark, which Ansible takes for a part of the first name", async () => {
    expect(await refusal(limitOf("@failed", { failed: "\ufeffr02\n" }))).toContain(
      "failed:1  begins with a byte order mark",
    );
  });

  it("reads one term a line from a file", async () => {
    const limit = await limitOf("@failed,r05", { failed: "r02\n\n  r01 \r\n" });
    expect(select("redis", limit)).toBe("r01 r02 r05");
  });

  it("does not split the lines of a file", async () => {
    const limit = await limitOf("@failed", { failed: "r02,r01\n" });
    expect(() => select("redis", limit)).toThrow(
      '--limit  r02,r01: no host or group of the inventory matches "r02,r01"',
    );
  });

  it.each<[string, string]>([
    ["", "--limit  is empty: it selects no host"],
    [",", "--limit  is empty: it selects no host"],
    ["@empty", "empty  is empty: it selects no host"],
    ["@nosuch", "nosuch  does not exist"],
    ["redsi", '--limit  redsi: no host or group of the inventory matches "redsi". Did you mean "redis"?'],
    ["all,!redsi-03", "--limit  !redsi-03: no host or group"],
    ["redis,!redis", "--limit  leaves no host"],
    ["@comment", '--limit  # r01: no host or group of the inventory matches "# r01"'],
  ])("%s is refused", async (text, message) => {
    const files = { empty: "\n", comment: "# r01\n" };
    expect(await refusal(limitOf(text, files).then((limit) => select("all", limit)))).toContain(message);
  });
});
