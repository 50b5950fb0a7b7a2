import pLimit from "p-limit";

/** How long an item may take before another is begun beside it. */
const PATIENCE_MS = 3000;

/**
 * Runs `work` on every item, at most `limit` at a time and without waiting for each other, in the order given.
 * @param lateGiveWay lets an item that takes longer than three seconds give up its place, so that an item that waits for an
 * answer delays no other. At most `limit` items may be late at once: if all are, this machine or its network is slow, and
 * more items would slow it further. With a limit of one, items never overlap.
 */
export async function pool<T>(
  items: readonly T[],
  limit: number,
  work: (item: T) => Promise<void>,
  { lateGiveWay = false } = {},
): Promise<void> {
  const places = pLimit(limit);
  let late = 0;
  await places.map(items, async (item) => {
    let hasPlace = true;
    const giveUpPlace = () => {
      if (late >= limit) return;
      hasPlace = false;
      places.concurrency = limit + ++late;
    };
    const timer = lateGiveWay && limit > 1 ? setTimeout(giveUpPlace, PATIENCE_MS) : undefined;
    try {
      await work(item);
    } finally {
      clearTimeout(timer);
      if (!hasPlace) places.concurrency = limit + --late;
    }
  });
}
