/** How long an item may take before another is begun beside it. */
const PATIENCE_MS = 3000;

/**
 * Runs `work` on every item, at most `limit` at a time and without waiting for each other, in the order given.
 * @param lateGiveWay lets an item that takes longer than three seconds give up its place, so that one that waits for an
 * answer delays nobody. No more than `limit` may be late at once: where all are, the machine or its network is what is
 * slow, and more at a time would only make it slower. One at a time stays one at a time.
 */
export async function pool<T>(
  items: readonly T[],
  limit: number,
  work: (item: T) => Promise<void>,
  { lateGiveWay = false } = {},
): Promise<void> {
  const queue = items.values();
  const workers: Promise<void>[] = [];
  let late = 0;
  const worker = async () => {
    // All workers draw from the one iterator.
    for (const item of queue) {
      let hasPlace = true;
      const giveUpPlace = () => {
        if (late >= limit) return;
        late++;
        hasPlace = false;
        workers.push(worker());
      };
      const timer = lateGiveWay && limit > 1 ? setTimeout(giveUpPlace, PATIENCE_MS) : undefined;
      try {
        await work(item);
      } finally {
        clearTimeout(timer);
      }
      if (hasPlace) continue;
      late--;
      return;
    }
  };
  workers.push(...Array.from({ length: Math.min(limit, items.length) }, worker));
  for (let awaited = 0; awaited < workers.length; ) {
    const running = workers.slice(awaited);
    awaited = workers.length;
    await Promise.all(running);
  }
}
