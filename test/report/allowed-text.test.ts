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

describe("an allowance of the playbook", () => {
  it("is shown as met where the host meets the control all the same", () => {
    expect(states([checkOf("RK-TLS-01", "pass")])).toEqual([["met", "RK-TLS-01"]]);
    expect(states([checkOf("RK-TLS-01", "pass")], { state: "ended" })).toEqual([["met", "RK-TLS-01"]]);
  });

  it("names only the controls that it leaves unmet", () => {
    const checks = [checkOf("RK-NET-04", "skip", by("a: 1")), checkOf("RK-NET-06", "pass")];
    expect(states(checks, { controls: ["RK-NET-04", "RK-NET-06"], parameter: "a: 1" })).toEqual([
      ["open", "RK-NET-04"],
    ]);
  });

  it("is found in a check of two parameters", () => {
    expect(states([checkOf("RK-TLS-01", "skip", by(`${PLAIN} and b: 2`))])).toEqual([["open", "RK-TLS-01"]]);
  });

  it("is shown as open where no check tells anything, or one fails or is unknown", () => {
    for (const checks of [[], [checkOf("RK-TLS-01", "fail")], [checkOf("RK-TLS-01", "unknown")]])
      expect(states(checks)).toEqual([["open", "RK-TLS-01"]]);
  });

  it("is shown as waived where it has ended and a waiver covers it", () => {
    const checks = [checkOf("RK-TLS-01", "skip", { ...by(PLAIN), waiver: WAIVER })];
    expect(states(checks, { state: "ended" })).toEqual([["waived", "RK-TLS-01"]]);
  });
});
