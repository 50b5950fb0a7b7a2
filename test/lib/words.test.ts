import { describe, expect, it } from "vitest";
import { mergeTexts, shapeOf } from "../../src/history/alike.ts";
import { duration, hostList } from "../../src/lib/words.ts";
import { shellWord } from "../../src/shell/quote.ts";
import { hostNames } from "../support/records.ts";

describe("a list of hosts", () => {
  it.each([
    [["redis-01", "redis-02"], "redis-01, redis-02"],
    [hostNames(200), "redis-001 … redis-200 (200 hosts)"],
    [["db-8", "db-9", "db-10", "db-11", "web"], "db-8 … db-11, web (5 hosts)"],
    [
      ["r1.eu1.net", "r2.eu1.net", "r3.eu1.net", "r4.eu1.net", "r5.eu1.net"],
      "r1.eu1.net … r5.eu1.net (5 hosts)",
    ],
    [["a1", "b2", "c3", "d4", "e5", "f6"], "a1, b2, c3, 3 more (6 hosts)"],
    // Three checks of one control on each of two hosts.
    [["r-01", "r-02", "r-01", "r-02", "r-01", "r-02"], "r-01, r-02"],
    [["a-1-1", "a-1-2", "a-2-2", "a-3-2", "a-4-2"], "a-1-1, a-1-2, a-2-2 … a-4-2 (5 hosts)"],
  ])("%j is %s", (hosts, words) => {
    expect(hostList(hosts).replaceAll("\u00a0", " ")).toBe(words);
  });
});

describe("texts of hosts that are alike", () => {
  it("have the same shape whatever the host's name, address and certificate", () => {
    const digest = "ab".repeat(32);
    expect(shapeOf("redis-01 at 10.0.0.5:6380 and fe80::1, sha256 ".concat(digest), "redis-01")).toBe(
      shapeOf("redis-02 at 10.0.0.6:6380 and fe80::2, sha256 ".concat("cd".repeat(32)), "redis-02"),
    );
  });

  it("have another shape where the value differs", () => {
    expect(shapeOf("512mb", "redis-01")).not.toBe(shapeOf("2gb", "redis-02"));
  });

  it("become one text that lists what differs", () => {
    expect(mergeTexts(["on 10.0.0.5 now", "on 10.0.0.6 now"])).toBe("on ‹10.0.0.5, 10.0.0.6› now");
    expect(mergeTexts(["yes", "no way"])).toBe("‹yes | no way›");
  });
});

it.each([
  [280, "0.28 s"],
  [3_140, "3.1 s"],
  [42_000, "42 s"],
  [245_000, "4 min 5 s"],
])("a duration of %i ms reads %s", (ms, words) => {
  expect(duration(ms).replaceAll("\u00a0", " ")).toBe(words);
});

it.each([
  ["redis-01,redis-02", "redis-01,redis-02"],
  ["a b", "'a b'"],
  ["it's; rm -rf /", "'it'\\''s; rm -rf /'"],
  ["", "''"],
])("a command for the operator quotes %j as %s", (word, quoted) => {
  expect(shellWord(word)).toBe(quoted);
});
