import { describe, expect, it } from "vitest";
import { comparedWithBefore, mergeRuns } from "../../src/history/merge.ts";
import type { RunRecord, WaiverRecord } from "../../src/record/record.ts";
import { junitReport } from "../../src/report/junit.ts";
import { headline } from "../../src/report/overview.ts";
import { checkRecord, hostNames, hostRecord, runRecord } from "../support/records.ts";

const failing = checkRecord("RK-NET-02", { outcome: "fail", observed: "no" });
const [one = "", two = "", three = ""] = hostNames(3);

function run(startedAt: string, ...args: Parameters<typeof runRecord>): RunRecord {
  return { ...runRecord(...args), startedAt };
}

const waiver = (state: WaiverRecord["state"]): WaiverRecord => ({
  control: "RK-NET-02",
  hosts: "all",
  reason: "",
  owner: "ana",
  expires: "2027-01-31",
  state,
});

describe("shards of one run", () => {
  it("merge into one fleet, with its counts and the gravest exit code", () => {
    const shards = [
      run("2026-11-24T06:30:00.000Z", "verify", [hostRecord(one, { checks: [failing] })]),
      run("2026-11-24T06:30:02.000Z", "verify", [
        hostRecord(two),
        hostRecord(three, { status: "unreachable" }),
      ]),
    ];
    const { record, before } = mergeRuns(shards);
    expect(record.hosts.map(({ host }) => host)).toEqual([one, two, three]);
    expect(record.summary).toMatchObject({ hosts: 3, unreachable: 1, checks: { fail: 1 } });
    expect(record.exitCode).toBe(4);
    expect(before).toBeUndefined();
  });

  it("keep an exit code that followed from the run's options", () => {
    const lenient = {
      ...run("2026-11-24T06:30:00.000Z", "verify", [hostRecord(one, { checks: [failing] })]),
      exitCode: 0,
    };
    const { record } = mergeRuns([lenient, run("2026-11-24T06:30:02.000Z", "verify", [hostRecord(two)])]);
    expect(record.exitCode).toBe(0);
  });

  it("count a waiver as used where one shard used it, and list expired waivers first", () => {
    const shard = (startedAt: string, host: string, states: WaiverRecord["state"][]) => ({
      ...run(startedAt, "verify", [hostRecord(host)]),
      waivers: states.map((state, index) => ({ ...waiver(state), control: `RK-${index}` })),
    });
    const { record } = mergeRuns([
      shard("2026-11-24T06:30:00.000Z", one, ["unused", "expired"]),
      shard("2026-11-24T06:30:02.000Z", two, ["active", "expired"]),
    ]);
    expect(record.waivers?.map(({ control, state }) => `${control} ${state}`)).toEqual([
      "RK-1 expired",
      "RK-0 active",
    ]);
  });
});

describe("records that say which shard they are", () => {
  const shard = (index: number, count: number, hosts: string[], startedAt = "2026-11-24T06:30:00.000Z") => ({
    ...run(
      startedAt,
      "verify",
      hosts.map((host) => hostRecord(host)),
    ),
    shard: { index, count },
  });

  it("end with 3 where one is missing, which is graver than a failed check", () => {
    const { record } = mergeRuns([shard(1, 4, [one]), shard(3, 4, [two])]);
    expect(record).toMatchObject({ exitCode: 3, missingShards: [2, 4], summary: { hosts: 2 } });
    expect(record).not.toHaveProperty("shard");
    expect(headline(record)).toMatch(/ Shards 2 and 4 are missing: their hosts are not here\.$/);
    expect(junitReport(record)).toMatch(/errors="2"[\s\S]*<testsuite name="shard 2" tests="1"/);
    // Merged again, it is still missing.
    expect(
      mergeRuns([record, run("2026-11-24T06:31:00.000Z", "verify", [hostRecord(three)])]).record,
    ).toMatchObject({
      exitCode: 3,
      missingShards: [2, 4],
    });
  });

  it("are whole where all are there, also when some have no host", () => {
    const { record } = mergeRuns([shard(2, 3, []), shard(3, 3, [two]), shard(1, 3, [one])]);
    expect(record.exitCode).toBe(0);
    expect(record).not.toHaveProperty("missingShards");
  });

  it("are replaced by the newest record of the same shard", () => {
    const again = shard(1, 2, [one], "2026-11-24T06:40:00.000Z");
    const { record, before } = mergeRuns([again, shard(2, 2, [two]), shard(1, 2, [one])]);
    expect(record.hosts).toHaveLength(2);
    expect(before?.hosts.map(({ host }) => host)).toEqual([one]);
  });

  it("are refused where a host is in two of them, since they did not split the same fleet", () => {
    expect(() => mergeRuns([shard(1, 2, [one, two]), shard(2, 2, [two])])).toThrow(
      /^redis-02: is in shard 1\/2 and in shard 2\/2/,
    );
  });

  it("stand in the order of the inventory, whichever ended first", () => {
    const placed = (index: number, name: string, line: number) => {
      const part = shard(index, 2, [name]);
      return { ...part, hosts: part.hosts.map((host) => ({ ...host, place: { file: "hosts.yml", line } })) };
    };
    const { record } = mergeRuns([placed(2, "b", 9), placed(1, "c", 4)]);
    expect(record.hosts.map(({ host }) => host)).toEqual(["c", "b"]);
  });
});

describe("runs of different times", () => {
  const older = run("2026-11-23T06:30:00.000Z", "verify", [
    hostRecord(one, { checks: [failing] }),
    hostRecord(two, { status: "unreachable" }),
  ]);
  const newer = run("2026-11-24T06:30:00.000Z", "verify", [hostRecord(two)]);

  it.each([
    ["in their order", [older, newer]],
    ["the newest first", [newer, older]],
  ])("show each host as the newest run has it, given %s, and keep earlier changes", (_, records) => {
    const { record, before, lookedAt } = mergeRuns(records);
    expect(record.hosts.map(({ host, status }) => `${host} ${status}`)).toEqual([
      `${one} unchanged`,
      `${two} unchanged`,
    ]);
    expect(before?.hosts.map(({ host, status }) => `${host} ${status}`)).toEqual([`${two} unreachable`]);
    expect(lookedAt.get(one)).toBe(older.startedAt);
    expect(record.startedAt).toBe(newer.startedAt);
  });

  it("keep a host that only the older run has, though both begin with the same host", () => {
    const { record } = mergeRuns([
      {
        ...run("2026-11-24T06:30:00.000Z", "verify", [
          hostRecord(one),
          hostRecord(two, { checks: [failing] }),
        ]),
        exitCode: 6,
      },
      run("2026-11-24T06:40:00.000Z", "verify", [hostRecord(one)]),
    ]);
    expect(record.hosts.map(({ host }) => host)).toEqual([one, two]);
    expect(record.exitCode).toBe(6);
  });

  it("call a host new that only the newer run has, and list no difference for one that only the older has", () => {
    const merged = mergeRuns([
      run("2026-11-24T06:30:00.000Z", "verify", [hostRecord(one), hostRecord(two, { checks: [failing] })]),
      run("2026-11-24T06:40:00.000Z", "verify", [hostRecord(one), hostRecord(three)]),
    ]);
    const told = comparedWithBefore(merged)?.differences.map(({ direction, host }) => `${direction} ${host}`);
    expect(told).toEqual([`new ${three}`]);
  });

  it("take the exit code from the newest outcomes: a host that was reached later is not unreachable", () => {
    expect(older.exitCode).toBe(4);
    expect(mergeRuns([older, newer]).record.exitCode).toBe(6);
  });

  it("are no history where the same record is given twice", () => {
    expect(mergeRuns([older, older])).toMatchObject({ record: older, before: undefined });
  });
});
