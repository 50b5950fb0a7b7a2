import { afterEach, beforeEach, vi } from "vitest";

const DAY = 24 * 60 * 60 * 1000;

/**
 * Each test of the file that calls this begins at noon of yesterday: no midnight falls into it, and no run lies in the future.
 * @returns moves the clock on by a minute: runs are ordered by their time
 */
export function noonPerTest(): () => void {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["Date"], now: new Date(Date.now() - DAY).setUTCHours(12, 0, 0, 0) });
  });
  afterEach(() => void vi.useRealTimers());
  return () => void vi.setSystemTime(Date.now() + 60_000);
}
