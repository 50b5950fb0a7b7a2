import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { lastingCopy } from "../../src/lib/copy.ts";

setFlagsFromString("--expose-gc");
const collectGarbage: () => void = runInNewContext("gc");

/** Megabytes of V8's heap that are in use. */
function heap(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed / 1e6;
}

describe("lastingCopy", () => {
  it("keeps keys that mean something to JavaScript, such as __proto__", () => {
    const value = JSON.parse('{ "__proto__": ["on"], "default": ["off"] }') as object;
    expect(JSON.stringify(lastingCopy(value))).toBe(JSON.stringify(value));
  });

  it("is equal to the original: texts, lists, mappings, maps, sets and undefined values", () => {
    const value = {
      texts: [
        "",
        "short",
        "longer than a short one",
        "ein Gruß an alle Rechner",
        "•••• •••• ••••",
        "half \ud800 a pair",
      ],
      map: new Map<string, unknown>([["a key of some length", [1, true, null, undefined]]]),
      set: new Set(["a member of some length"]),
      nothing: undefined,
    };
    const copy = lastingCopy(value);
    expect(copy).toStrictEqual(value);
    expect(copy.texts).not.toBe(value.texts);
    expect(copy.map).not.toBe(value.map);
  });

  it("does not keep the long text in memory that a piece was cut out of", () => {
    const before = heap();
    const kept = Array.from({ length: 8 }, (_, index) =>
      lastingCopy({ piece: `${index} the piece that is kept ${"x".repeat(4_000_000)}`.slice(0, 26) }),
    );
    // A regular expression remembers the text that it last looked at.
    expect(heap() - before).toBeLessThan(8);
    expect(kept[7]).toEqual({ piece: "7 the piece that is kept x" });
  });
});
