import { describe, expect, it } from "vitest";
import { pad, widthOf } from "../../src/report/layout.ts";

describe("the width of a text", () => {
  it.each([
    ["letters", "redis-01", 8],
    ["wide letters", "東京", 4],
    ["an accent of its own", "e\u0301", 1],
    ["colours", "\x1b[31mred\x1b[39m", 3],
  ])("counts the columns of %s", (_, text, columns) => {
    expect(widthOf(text)).toBe(columns);
    expect(pad(text, 10)).toBe(text + " ".repeat(10 - columns));
  });
});
