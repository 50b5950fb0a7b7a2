import type { Figure } from "../figure.ts";
import { LIVE_CHANGES, runLiveChanges } from "../live.ts";

const LONGEST_GAP_MS = 50;

export const figure: Figure = {
  name: "live",
  title: "A change that needs no restart: what clients at 10 ms notice",
  target: `0 failed requests, 0 dropped connections, longest gap at most ${LONGEST_GAP_MS} ms`,
  async run({ count = LIVE_CHANGES.length, log }) {
    const result = await runLiveChanges(LIVE_CHANGES.slice(0, count), { log });
    const { rows, keysBefore, keysAfter, writesAcked, writesLost } = result;
    const problems = rows.flatMap(({ title, failures, drops, longestGapMs, controlGapMs, problems }) =>
      [
        ...problems,
        ...(failures.length > 0 ? [`${failures.length} failed requests: ${failures[0]}`] : []),
        ...(drops > 0 ? [`${drops} dropped connections`] : []),
        ...(longestGapMs > LONGEST_GAP_MS
          ? [`a gap of ${longestGapMs} ms (${controlGapMs} ms on a server that nobody touches)`]
          : []),
      ].map((problem) => `${title}: ${problem}`),
    );
    if (keysAfter !== keysBefore) problems.push(`${keysBefore - keysAfter} keys lost`);
    if (writesLost > 0) problems.push(`${writesLost} acknowledged writes lost`);
    const sum = (of: (row: (typeof rows)[number]) => number) => rows.reduce((all, row) => all + of(row), 0);
    const worst = (of: (row: (typeof rows)[number]) => number) => Math.max(...rows.map(of));
    return {
      measured:
        `${rows.length} changes, ${sum(({ failures }) => failures.length)} of ${sum(({ requests }) => requests)} requests failed, ` +
        `${sum(({ drops }) => drops)} connections dropped, longest gap ${worst(({ longestGapMs }) => longestGapMs)} ms ` +
        `(on a server that nobody touches ${worst(({ controlGapMs }) => controlGapMs)} ms, without a change ${worst(({ idleGapMs }) => idleGapMs)} ms), ${writesLost} of ${writesAcked} acknowledged writes and ${keysBefore - keysAfter} of ${keysBefore} keys lost`,
      ok: problems.length === 0,
      problems,
      details: result,
    };
  },
};
