import { describe, expect, it } from "vitest";
import { formatSize, parseSize } from "../../src/redis/size.ts";

describe("parseSize", () => {
  it.each([
    ["0", 0],
    ["1024", 1024],
    ["12b", 12],
    ["1k", 1000],
    ["1kb", 1024],
    ["512m", 512_000_000],
    ["512mb", 536_870_912],
    ["512MB", 536_870_912],
    ["1Gb", 1_073_741_824],
    ["2g", 2_000_000_000],
  ])("reads %s as Redis does", (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  it.each([
    "",
    "mb",
    "512 mb",
    "50%",
    "-1",
    "1.5gb",
    "1tb",
    "1kbb",
    "0x10",
    "1mb\n",
    "99999999999999999999gb",
  ])("does not take %j", (text) => {
    expect(parseSize(text)).toBeUndefined();
  });
});

describe("formatSize", () => {
  it.each([
    [0, "0"],
    [900, "900b"],
    [102_400, "100kb"],
    [536_870_912, "512mb"],
    [1_073_741_823, "1gb"],
    [1_500_000_000, "1.4gb"],
    [2_199_023_255_552, "2048gb"],
  ])("writes %d as people do", (bytes, text) => {
    expect(formatSize(bytes)).toBe(text);
  });
});
