import { describe, expect, it } from "vitest";
import type { CheckRecord, HostRecord } from "../../src/record/record.ts";
import { allowedOnHosts } from "../../src/report/allowed-text.ts";

const PLAIN = "tls.plain_port: 6379";
const WAIVER = { reason: "moves", owner: "anna", expires: "2999-12-31" };

const checkOf = (control: string, outcome: CheckRecord["outcome"], more: Partial<CheckRecord> = {}) =>
  ({ control, outcome, ...more }) as CheckRecord;
const by = (parameter: string) => ({ allowed: { parameter, reason: "allowed by the playbook" } });

/** What becomes of a parameter that `controls` are said of, on a host with these checks. */
const states = (
  checks: CheckRecord[],
  { controls = ["RK-TLS-01"], state = "open" as "open" | "ended", parameter = PLAIN } = {},
) => {
  const allowed = [{ parameter, controls, state, reason: "allowed by the playbook" }];
  return allowedOnHosts([{ host: "redis-01", checks, allowed } as unknown as HostRecord]).map((one) => [
    one.state,
    one.controls.join(", "),
  ]);
};

describe("what the playbook allows", () => {
  it("is met where the host meets the demand", () => {
    expect(states([checkOf("RK-TLS-01", "pass")])).toEqual([["met", "RK-TLS-01"]]);
    expect(states([checkOf("RK-TLS-01", "pass")], { state: "ended" })).toEqual([["met", "RK-TLS-01"]]);
  });

  it("names the controls alone whose checks it leaves unmet", () => {
    const checks = [checkOf("RK-NET-04", "skip", by("a: 1")), checkOf("RK-NET-06", "pass")];
    expect(states(checks, { controls: ["RK-NET-04", "RK-NET-06"], parameter: "a: 1" })).toEqual([
      ["open", "RK-NET-04"],
    ]);
  });

  it("is found in a check of two parameters", () => {
    expect(states([checkOf("RK-TLS-01", "skip", by(`${PLAIN} and b: 2`))])).toEqual([["open", "RK-TLS-01"]]);
  });

  it("stays as the playbook has it where no check says anything, or one fails", () => {
    for (const checks of [[], [checkOf("RK-TLS-01", "fail")], [checkOf("RK-TLS-01", "unknown")]])
      expect(states(checks)).toEqual([["open", "RK-TLS-01"]]);
  });

  it("is waived where a waiver covers what has ended", () => {
    const checks = [checkOf("RK-TLS-01", "skip", { ...by(PLAIN), waiver: WAIVER })];
    expect(states(checks, { state: "ended" })).toEqual([["waived", "RK-TLS-01"]]);
  });
});
