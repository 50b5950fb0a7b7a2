import { describe, expect, it } from "vitest";
import type { Row } from "../../../measure/faults/case.ts";
import { figuresOf, figureTable, problemsOf, tableOf } from "../../../measure/faults/report.ts";

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
      "| the host stops at once, and boots | 1 | 0 | 0 | 1 | 1000 of 100 000 | 0 of 1 500 | 3.0 s | 0.1 s | 1 | 0 | 0 |",
      "| All | 3 | 2 | 0 | 1 | 1000 of 300 000 | 0 of 4 500 | 3.0 s | 0.1 s | 1 | 0 | 0 |",
    ]);
  });
});

describe("the figures of the sweep", () => {
  const missed = (rows: Row[], planned = rows.length, isWhole = false): string[] =>
    figuresOf(rows, planned, isWhole)
      .filter(({ ok }) => !ok)
      .map(({ title, measured }) => `${title}: ${measured}`);

  it("are reached where every row is good", () => {
    expect(missed([row, { ...row, state: "new", secondsToRest: 75, secondsToApplied: 8 }])).toEqual([]);
    expect(
      missed(
        Array.from({ length: 500 }, () => row),
        500,
        true,
      ),
    ).toEqual([]);
  });

  it("are missed where a case has no row, or the whole is too small", () => {
    expect(missed([row], 2)).toEqual(["Faults at each line of a transaction's journal: 1 of 2 runs"]);
    expect(missed([row], 1, true)).toEqual([
      "Faults at each line of a transaction's journal: 1 of 1 runs",
      "Keys lost: 0 of 100 000",
    ]);
  });

  it.each([
    [{ state: "mixed" }, "The host is exactly as it was, or exactly as planned: 1 of 2"],
    [
      { secondsToRest: 70.1 },
      "The host is at rest within the confirm window and 10 s: 1 of 2, longest 70.1 s",
    ],
    [{ keysAfter: 99_998 }, "Keys lost: 2 of 200 000"],
    [{ writesLost: 1 }, "Acknowledged writes lost: 1 of 3 000"],
    [{ login: false }, "Hosts without an SSH login afterwards: 1 of 2"],
    [{ served: false }, "Hosts that serve their client no more: 1 of 2"],
    [{ truthful: false }, "What redkeep said is what happened: 1 of 2"],
    [{ secondsToLogin: 20.1 }, "A controller that loses its connection asks again: longest 20.1 s of 2"],
    [{ told: null }, "A controller that is there until the end says what became of the host: 1 of 2"],
    [{ residue: ["/run/redkeep-1"] }, "Runs that left a file, unit or timer behind: 1 of 2"],
    [{ secrets: ["journal"] }, "Runs with a secret in a journal, log or record: 1 of 2"],
  ] as [Partial<Row>, string][])("are missed where one row is bad: %j", (change, figure) => {
    expect(missed([row, { ...row, ...change }])).toEqual([figure]);
  });

  it("are written as a table", () => {
    expect(figureTable([{ title: "Keys lost", target: "0", measured: "2 of 9", ok: false }])).toBe(
      "| What | Target | Measured | Reached |\n| --- | --- | --- | --- |\n| Keys lost | 0 | 2 of 9 | **no** |",
    );
  });
});
