import { describe, expect, it } from "vitest";
import { oneLine } from "../../src/connection/one-line.ts";
import { Secret } from "../../src/lib/secret.ts";

describe("what a host said, as one line", () => {
  it.each([
    ["several lines", " a\r\nb\tc\n", "a b c"],
    ["colours", "\u001b[31mred\u001b[0m", "red"],
    ["a link", "\u001b]8;;http://x\u0007here\u001b]8;;\u0007", "here"],
    ["reordering", "a\u202eb", "a b"],
  ])("keeps no %s", (_, text, line) => {
    expect(oneLine(text)).toBe(line);
  });

  it("masks a secret at the place where a long text is cut, and a secret with escapes in it", () => {
    const secret = new Secret("one-line-secret-0001").reveal();
    for (let before = 4_070; before < 4_100; before++) {
      const line = oneLine(`${"\u001b[0m".repeat(1_000)}${" ".repeat(before - 4_000)}${secret} more`);
      expect(line).not.toContain("one-");
    }
    expect(oneLine(`one-line-\u001b[0msecret-0001`)).toBe("••••");
  });
});
