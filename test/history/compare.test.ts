import { describe, expect, it } from "vitest";
import { compareRuns, type Difference } from "../../src/history/compare.ts";
import type { CheckRecord, HostRecord, RunRecord } from "../../src/record/record.ts";
import { diffText } from "../../src/report/diff-text.ts";
import { signsOf } from "../../src/report/layout.ts";
import { earlierRun, fleetRun } from "../support/fleet.ts";
import {
  changeRecord,
  checkRecord,
  errorRecord,
  hostNames,
  hostRecord,
  runRecord,
  taskRecord,
} from "../support/records.ts";

const host = (parts: Partial<HostRecord>) => hostRecord("redis-01", parts);
const verify = (parts: Partial<HostRecord>) => runRecord("verify", [host(parts)]);
const check = (parts: Partial<CheckRecord> = {}) => checkRecord("RK-NET-02", parts);

/** `worse check RK-NET-02 …` for each difference. */
function told({ differences }: { differences: Difference[] }): string[] {
  return differences.map(({ direction, about, what }) => `${direction} ${about} ${what}`);
}

const waived = check({ outcome: "skip", waiver: { reason: "r", owner: "o", expires: "2026-12-31" } });

describe("a check", () => {
  it.each<[string, CheckRecord, CheckRecord, string | undefined]>([
    ["that fails now", check(), check({ outcome: "fail" }), "worse"],
    ["that holds now", check({ outcome: "fail" }), check(), "better"],
    ["that can no longer be made", check(), check({ outcome: "unknown" }), "worse"],
    ["that could not be made before", check({ outcome: "unknown" }), check(), "better"],
    ["that was unknown and fails", check({ outcome: "unknown" }), check({ outcome: "fail" }), "worse"],
    ["whose waiver is gone", waived, check({ outcome: "fail" }), "worse"],
    ["that is waived now", check({ outcome: "fail" }), waived, "other"],
    ["that applies now and holds", check({ outcome: "skip" }), check(), "other"],
    [
      "with another value that holds as well",
      check({ observed: "yes" }),
      check({ observed: "YES" }),
      undefined,
    ],
  ])("%s", (_, before, after, direction) => {
    const comparison = compareRuns(verify({ checks: [before] }), verify({ checks: [after] }));
    expect(comparison.differences.map((difference) => difference.direction)).toEqual(
      direction === undefined ? [] : [direction],
    );
  });

  it("that is new counts as worse only where it fails", () => {
    const more = [check(), checkRecord("RK-A-01"), checkRecord("RK-B-01", { outcome: "fail" })];
    expect(told(compareRuns(verify({ checks: [check()] }), verify({ checks: more })))).toEqual([
      "worse check RK-B-01 protected mode is on",
      "new check RK-A-01 protected mode is on",
    ]);
    expect(told(compareRuns(verify({ checks: more }), verify({ checks: [check()] })))).toEqual([
      "gone check RK-A-01 protected mode is on",
      "gone check RK-B-01 protected mode is on",
    ]);
  });

  it("that could not be made in one run is neither gone then nor new later", () => {
    const made = [
      checkRecord("RK-ACL-09", { source: "users.acl against ACL LIST" }),
      checkRecord("RK-ACL-09", { source: "users.acl against ACL LIST" }),
    ];
    const blocked = checkRecord("RK-ACL-09", {
      source: "users.acl",
      outcome: "unknown",
      blockedBy: "login",
    });
    const [all, none] = [verify({ checks: made }), verify({ checks: [blocked] })];
    const twice = (direction: string) => Array(2).fill(`${direction} check RK-ACL-09 protected mode is on`);
    expect(told(compareRuns(all, none))).toEqual(twice("worse"));
    expect(told(compareRuns(none, all))).toEqual(twice("better"));
  });

  it("is not compared with a plan, which makes no checks", () => {
    const plan = runRecord("plan", [host({})]);
    expect(compareRuns(plan, verify({ checks: [check({ outcome: "fail" })] })).differences).toEqual([]);
  });
});

describe("a host", () => {
  it("that became unreachable is one line, not a line for each of its checks", () => {
    const lost = verify({ status: "unreachable", error: errorRecord({ found: "connection refused" }) });
    const comparison = compareRuns(verify({ checks: [check()] }), lost);
    expect(comparison.differences).toMatchObject([
      { direction: "worse", about: "host", before: "unchanged", after: "unreachable: connection refused" },
    ]);
  });

  it("that is new or gone is one line", () => {
    const [one, two] = [
      runRecord("verify", [hostRecord("redis-01")]),
      runRecord("verify", [hostRecord("redis-02")]),
    ];
    expect(
      compareRuns(one, two).differences.map(({ direction, host: name }) => `${direction} ${name}`),
    ).toEqual(["new redis-02", "gone redis-01"]);
  });

  it("that drifted between two plans is listed with what would change", () => {
    const change = changeRecord("redis.conf:bind", "127.0.0.1");
    const drifted = runRecord("plan", [
      host({ status: "would-change", tasks: [taskRecord("bind", "Listen", [change])] }),
    ]);
    expect(told(compareRuns(runRecord("plan", [host({})]), drifted))).toEqual([
      "worse host host",
      "new change redis.conf:bind",
    ]);
  });
});

describe("what users can do", () => {
  const access = (enabled: boolean, nopass: boolean, flushall: boolean, get: boolean) => ({
    access: {
      method: "ACL DRYRUN",
      commands: [
        { command: "FLUSHALL", dangerous: true },
        { command: "GET", dangerous: false },
      ],
      users: [{ user: "app", enabled, nopass, allowed: [flushall, get] }],
    },
  });
  it.each([
    [
      "a dangerous command more",
      access(true, false, false, true),
      access(true, false, true, true),
      ["worse access user app: FLUSHALL"],
    ],
    [
      "a dangerous command less",
      access(true, false, true, true),
      access(true, false, false, true),
      ["better access user app: FLUSHALL"],
    ],
    [
      "an ordinary command less",
      access(true, false, false, true),
      access(true, false, false, false),
      ["other access user app: GET"],
    ],
    [
      "an open door",
      access(true, false, false, true),
      access(true, true, false, true),
      ["worse access user app: log in without a password"],
    ],
    [
      "a user who is off can do nothing",
      access(false, true, true, true),
      access(true, false, true, true),
      ["worse access user app: FLUSHALL", "other access user app: GET"],
    ],
  ])("%s", (_, before, after, expected) => {
    expect(told(compareRuns(verify(before), verify(after)))).toEqual(expected);
  });

  it("is no difference where one of the two runs could not tell it", () => {
    const { access: told } = access(true, false, true, true);
    const untold = { ...told, users: told.users.map((user) => ({ ...user, allowed: [null, null] })) };
    const [one, other] = [verify({ access: told }), verify({ access: untold })];
    expect(compareRuns(one, other).differences).toEqual([]);
    expect(compareRuns(other, one).differences).toEqual([]);
  });

  it("names a new user, and the dangerous commands that came with it", () => {
    const { access: matrix } = access(true, false, true, true);
    expect(
      told(compareRuns(verify({ access: { ...matrix, users: [] } }), verify({ access: matrix }))),
    ).toEqual(["worse access user app: FLUSHALL", "new access user app"]);
  });
});

it("a waiver that expired between two runs counts as worse", () => {
  const waiver = { control: "RK-NET-02", hosts: "all", reason: "", owner: "ana", expires: "2026-11-23" };
  const run = (state: "active" | "expired"): RunRecord => ({
    ...verify({}),
    waivers: [{ ...waiver, state }],
  });
  expect(told(compareRuns(run("active"), run("expired")))).toEqual(["worse waiver RK-NET-02 for all"]);
});

describe("the text of a comparison", () => {
  const page = {
    paint: (_: unknown, text: string) => text,
    signs: signsOf(true),
    width: 100,
    unicode: true,
    verbose: false,
  };

  it("lists what is worse first, hosts with the same change together, and the exit code last", () => {
    const [before, after] = [earlierRun(), fleetRun()];
    const text = diffText(compareRuns(before, after), 6, page);
    expect(text).toMatch(/^From the apply of 2026-11-23\S+ to the verify of 2026-11-24/);
    expect(text).toContain("✖ RK-NET-02 protected mode is on (high): redis-03: holds → fails: running no");
    expect(text).toContain(
      "✔ RK-PER-01 persistence is the declared one, and the last save went well (critical): redis-12:\n  fails: last save failed → holds",
    );
    expect(text.indexOf("Worse (1)")).toBeLessThan(text.indexOf("Better (1)"));
    expect(text).toMatch(/1 worse, 1 better, 0 new, 0 gone\. +exit 6\n$/);
  });

  it("has a line for a thousand hosts that all fail alike", () => {
    const run = (outcome: "pass" | "fail") =>
      runRecord(
        "verify",
        hostNames(1000).map((name) => hostRecord(name, { checks: [check({ outcome })] })),
      );
    const text = diffText(compareRuns(run("pass"), run("fail")), 6, page);
    expect(text).toContain("redis-0001 … redis-1000 (1 000 hosts)");
    expect(text.split("\n").length).toBeLessThan(10);
  });
});
