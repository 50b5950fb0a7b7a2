import { describe, expect, it } from "vitest";
import {
  contains,
  family,
  isLoopback,
  isWildcard,
  normalizeAddress,
  normalizeSubnet,
  rangeOf,
  sameAddress,
  splitZone,
  subnetsOf,
  subtract,
} from "../../src/lib/network.ts";

describe("normalizeAddress", () => {
  it.each([
    ["10.0.0.1", "10.0.0.1"],
    ["FD00:0::1", "fd00::1"],
    ["::ffff:10.0.0.1", "10.0.0.1"],
    ["::FFFF:0a00:0001", "10.0.0.1"],
    ["::", "::"],
    ["0:0:0:0:0:0:0:1", "::1"],
  ])("reads %s as %s", (text, address) => {
    expect(normalizeAddress(text)).toBe(address);
  });

  it.each([
    ...["10.1", "010.0.0.1", "10.0.0.256", "0x0a.0.0.1", "167772161", "10.0.0.1 ", " 10.0.0.1", "10.0.0.1\n"],
    ...[
      "",
      "fe80::1%eth0",
      "[::1]",
      "::1::",
      "fd00::g",
      "10.0.0.0/24",
      "localhost",
      "10.0.0.1\0",
      "１0.0.0.1",
    ],
  ])("refuses %j", (text) => {
    expect(normalizeAddress(text)).toBeUndefined();
  });
});

describe("normalizeSubnet", () => {
  it.each([
    ["10.77.0.99/24", "10.77.0.0/24", true],
    ["10.77.0.0/24", "10.77.0.0/24", false],
    ["10.77.0.5", "10.77.0.5", false],
    ["10.77.0.5/32", "10.77.0.5", false],
    ["0.0.0.0/0", "0.0.0.0/0", false],
    ["255.255.255.255/1", "128.0.0.0/1", true],
    ["fd00:1::9/64", "fd00:1::/64", true],
    ["FD00::1/128", "fd00::1", false],
    ["::/0", "::/0", false],
    ["::ffff:10.0.0.7/120", "10.0.0.0/24", true],
    ["::ffff:0:0/90", "::ffc0:0:0/90", true],
  ])("reads %s as %s", (text, subnet, hadHostBits) => {
    expect(normalizeSubnet(text)).toEqual({ subnet, hadHostBits });
  });

  it.each([
    ...["10.0.0.0/33", "10.0.0.0/", "10.0.0.0/024", "10.0.0.0/-1", "10.0.0.0/255.255.255.0", "10.0/8"],
    ...["fd00::/129", "10.0.0.0/24/24", "/24", "any", "10.0.0.0/ 8", "10.0.0.0/1e1", "10.0.0.0/24\n"],
  ])("refuses %j", (text) => {
    expect(normalizeSubnet(text)).toBeUndefined();
  });
});

describe("a subnet or an address", () => {
  it.each([
    ["10.0.0.0/8", "10.1.0.0/16", true],
    ["10.1.0.0/16", "10.0.0.0/8", false],
    ["10.0.0.0/24", "10.0.0.0/24", true],
    ["10.0.0.0/24", "10.0.1.0", false],
    ["0.0.0.0/0", "203.0.113.7", true],
    ["0.0.0.0/0", "fd00::1", false],
    ["::/0", "10.0.0.1", false],
    ["fd00::/16", "fd00:ffff::1", true],
    ["10.0.0.0/24", "::ffff:10.0.0.9", true],
  ])("%s contains %s: %s", (outer, inner, expected) => {
    expect(contains(outer, inner)).toBe(expected);
  });

  it("that cannot be read is an error, not an empty subnet", () => {
    expect(() => contains("10.0.0.0/24", "10.1")).toThrow(RangeError);
  });

  it("is the same in each of its spellings", () => {
    expect(sameAddress("::ffff:10.0.0.1", "10.0.0.1")).toBe(true);
    expect(sameAddress("fd00:0:0::1", "FD00::1")).toBe(true);
    expect(sameAddress("10.0.0.1", "10.0.0.2")).toBe(false);
    expect(sameAddress("nonsense", "nonsense")).toBe(false);
  });

  it("is told apart by family, loopback, wildcard and zone", () => {
    expect(["10.0.0.0/8", "fd00::/8", "::ffff:10.0.0.1", "x"].map(family)).toEqual([4, 6, 4, undefined]);
    expect(["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"].every(isLoopback)).toBe(true);
    expect(["128.0.0.1", "::2", "x"].some(isLoopback)).toBe(false);
    expect(["0.0.0.0", "::", "*", "0:0::0"].every(isWildcard)).toBe(true);
    expect(["10.0.0.0", "::1", "**"].some(isWildcard)).toBe(false);
    expect(splitZone("fe80::1%eth0")).toEqual({ address: "fe80::1", zone: "eth0" });
    expect(splitZone("10.0.0.1")).toEqual({ address: "10.0.0.1" });
  });
});

describe("ranges of addresses", () => {
  it("are subtracted from each other, and the rest is written as subnets", () => {
    const rest = subtract([rangeOf("10.0.0.0/24")], [rangeOf("10.0.0.64/26"), rangeOf("fd00::/8")]);
    expect(rest.flatMap(subnetsOf)).toEqual(["10.0.0.0/26", "10.0.0.128/25"]);
    expect(subtract([rangeOf("10.0.0.0/24")], [rangeOf("10.0.0.0/25"), rangeOf("10.0.0.128/25")])).toEqual(
      [],
    );
  });

  it.each(["0.0.0.0/0", "::/0", "10.0.0.7", "fd00:1::/64", "255.255.255.255"])(
    "are written as they were read: %s",
    (subnet) => {
      expect(subnetsOf(rangeOf(subnet))).toEqual([subnet]);
    },
  );
});
