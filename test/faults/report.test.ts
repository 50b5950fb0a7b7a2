import { describe, expect, it } from "vitest";
import type { Row } from "./case.ts";
import { problemsOf, tableOf } from "./report.ts";

const row: Row = {
  fault: "unit-killed",
  boundary: "armed",
  seed: 1,
  state: "old",
  differences: [],
  told: "rolled-back",
  truthful: true,
  secondsToLogin: 0.4,
  secondsToRest: 1.2,
  secondsToApplied: 0,
  keysBefore: 100_000,
  keysAfter: 100_000,
  writesAcked: 1500,
  writesLost: 0,
  gapMs: 80,
  served: true,
  login: true,
  residue: [],
  secrets: [],
};

describe("a row of the sweep", () => {
  it("is good where the host is old or new and nothing is lost", () => {
    expect(problemsOf(row)).toEqual([]);
    expect(problemsOf({ ...row, state: "new", secondsToRest: 75, secondsToApplied: 8 })).toEqual([]);
  });

  it.each([
    [
      { state: "mixed", differences: ["files - /etc/redis/redis.conf"] },
      "mixed: files - /etc/redis/redis.conf",
    ],
    [{ truthful: false, told: "changed" }, "redkeep said changed, the host is old"],
    [{ told: "unknown" }, "redkeep said unknown"],
    [{ secondsToLogin: 20.1 }, "the host was asked again after 20.1 s"],
    [{ secondsToRest: 70.1 }, "at rest after 70.1 s"],
    [{ keysAfter: 99_998 }, "2 keys lost"],
    [{ writesLost: 1 }, "1 acknowledged writes lost"],
    [{ served: false }, "the client is not served"],
    [{ login: false }, "no SSH login"],
    [{ residue: ["/run/redkeep-1"] }, "left behind: /run/redkeep-1"],
    [{ secrets: ["journal"] }, "secrets in journal"],
  ] as [Partial<Row>, string][])("is bad: %j", (change, problem) => {
    expect(problemsOf({ ...row, ...change })).toEqual([problem]);
  });

  it("is counted in the line of its fault and in that of all", () => {
    const reboot: Row = {
      ...row,
      fault: "reboot",
      state: "mixed",
      keysAfter: 99_000,
      secondsToRest: 3,
      login: false,
    };
    const lines = tableOf([row, row, reboot]).split("\n").slice(2);
    expect(lines).toEqual([
      "| SIGKILL of the transaction on the host | 2 | 2 | 0 | 0 | 0 of 200 000 | 0 of 3 000 | 1.2 s | 0.1 s | 0 | 0 | 0 |",
      "| power cut of the host, and boot | 1 | 0 | 0 | 1 | 1000 of 100 000 | 0 of 1 500 | 3.0 s | 0.1 s | 1 | 0 | 0 |",
      "| All | 3 | 2 | 0 | 1 | 1000 of 300 000 | 0 of 4 500 | 3.0 s | 0.1 s | 1 | 0 | 0 |",
    ]);
  });
});
