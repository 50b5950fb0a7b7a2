import { afterEach, beforeEach, vi } from "vitest";

const DAY = 24 * 60 * 60 * 1000;

/**
 * Has each test of the file that calls this begin at noon of the day before, since when a run has begun must not lie ahead: no day ends
 * while it runs.
 * @returns lets a minute go by, as runs one after the other need it that are ordered by their time
 */
export function noonPerTest(): () => void {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["Date"], now: new Date(Date.now() - DAY).setUTCHours(12, 0, 0, 0) });
  });
  afterEach(() => void vi.useRealTimers());
  return () => void vi.setSystemTime(Date.now() + 60_000);
}
