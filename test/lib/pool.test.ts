import { describe, expect, it } from "vitest";
import { pool } from "../../src/lib/pool.ts";

/** An item that ends when a test says so. */
function held() {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  return { promise, end: resolve, fail: reject };
}

describe("a pool", () => {
  it("works on no more than its limit at once", async () => {
    let [now, most] = [0, 0];
    await pool([1, 2, 3, 4, 5, 6, 7], 3, async () => {
      most = Math.max(most, ++now);
      await new Promise(setImmediate);
      now--;
    });
    expect(most).toBe(3);
  });

  it("goes on with other items while late ones give up their place, and waits for them at the end", async () => {
    const late = held();
    const done: number[] = [];
    const all = [1, 2, 3, 4, 5, 6];
    await pool(
      all,
      2,
      async (item) => {
        if (item <= 2) await late.promise;
        done.push(item);
        // Only when all others are done may the late ones end.
        if (done.length === 4) late.end();
      },
      { lateGiveWay: true },
    );
    expect(done.slice(0, 4)).toEqual([3, 4, 5, 6]);
    expect(done.slice(4).sort()).toEqual([1, 2]);
  });

  it("fails with the error of an item, also of a late one", async () => {
    const late = held();
    const running = pool(
      [1, 2, 3],
      2,
      async (item) => {
        if (item === 1) await late.promise;
        if (item === 3) late.fail(new Error("too late"));
      },
      { lateGiveWay: true },
    );
    await expect(running).rejects.toThrow("too late");
  });
});
