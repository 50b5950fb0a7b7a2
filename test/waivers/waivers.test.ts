import { describe, expect, it } from "vitest";
import type { WaiverRecord } from "../../src/record/record.ts";
import { type Waiver, waive, waiverRecords } from "../../src/waivers/waivers.ts";
import { checkRecord, hostRecord } from "../support/records.ts";

const TODAY = "2026-11-24";

function waiver(parts: Partial<Waiver> = {}): Waiver {
  return {
    control: "RK-NET-02",
    hosts: "redis",
    selected: new Set(["redis-01", "redis-02"]),
    reason: "moves in Q1",
    owner: "anna",
    expires: "2027-03-31",
    ...parts,
  };
}

const failing = checkRecord("RK-NET-02", { outcome: "fail" });
const failingHost = (host: string) => hostRecord(host, { checks: [failing] });
const outcome = (host: string, waivers: Waiver[]) =>
  waive(failingHost(host), waivers, TODAY).checks[0]?.outcome;

describe("a waiver", () => {
  it("turns a failure of its control on its hosts into a skip that says who accepted it, why and until when", () => {
    const before = failingHost("redis-01");
    expect(waive(before, [waiver()], TODAY).checks).toEqual([
      {
        ...failing,
        outcome: "skip",
        waiver: { reason: "moves in Q1", owner: "anna", expires: "2027-03-31" },
      },
    ]);
    // What decides whether redkeep keeps a change still sees the failure.
    expect(before.checks).toEqual([failing]);
  });

  it("covers no other host and no other control", () => {
    expect(outcome("redis-03", [waiver()])).toBe("fail");
    expect(outcome("redis-01", [waiver({ control: "RK-NET-01" })])).toBe("fail");
  });

  it("holds through its last day, and not a day longer", () => {
    expect(outcome("redis-01", [waiver({ expires: TODAY })])).toBe("skip");
    expect(outcome("redis-01", [waiver({ expires: "2026-11-23" })])).toBe("fail");
    expect(outcome("redis-01", [waiver({ expires: "2026-11-23" }), waiver()])).toBe("skip");
  });

  it("never hides a check that could not be made", () => {
    const open = checkRecord("RK-NET-02", { outcome: "unknown", blockedBy: "login" });
    expect(waive(hostRecord("redis-01", { checks: [open] }), [waiver()], TODAY).checks).toEqual([open]);
  });
});

describe("the list of waivers in a run record", () => {
  const states = (waivers: Waiver[], hosts = [failingHost("redis-01")]): WaiverRecord["state"][] =>
    waiverRecords(waivers, hosts, TODAY).map(({ state }) => state);

  it.each([
    ["2026-11-23", "expired"],
    ["2026-11-24", "ending"],
    ["2026-12-08", "ending"],
    ["2026-12-09", "active"],
  ])("calls one that ends on %s %s", (expires, state) => {
    expect(states([waiver({ expires })])).toEqual([state]);
  });

  it("calls one unused where its hosts were checked and none needed it", () => {
    const well = hostRecord("redis-02", { checks: [checkRecord("RK-NET-02")] });
    expect(states([waiver()], [well])).toEqual(["unused"]);
    // A run that did not look at the waiver's hosts cannot call it unused.
    expect(states([waiver()], [failingHost("redis-03")])).toEqual(["active"]);
    expect(states([waiver()], [hostRecord("redis-01")])).toEqual(["active"]);
  });

  it("lists the expired ones first", () => {
    const records = waiverRecords(
      [waiver(), waiver({ expires: "2026-12-01" }), waiver({ expires: "2026-10-01" })],
      [failingHost("redis-01")],
      TODAY,
    );
    expect(records.map(({ expires }) => expires)).toEqual(["2026-10-01", "2026-12-01", "2027-03-31"]);
    expect(records[0]).toEqual({
      control: "RK-NET-02",
      hosts: "redis",
      reason: "moves in Q1",
      owner: "anna",
      expires: "2026-10-01",
      state: "expired",
    });
  });
});
