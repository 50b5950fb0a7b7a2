import { describe, expect, it } from "vitest";
import type { CheckRecord, HostRecord } from "../../src/report/record.ts";
import { verifyText } from "../../src/report/verify-text.ts";
import {
  checkRecord,
  errorRecord,
  hostNames,
  hostRecord,
  runRecord,
  textContext,
} from "../support/records.ts";

const expiring = (days: number) =>
  checkRecord("RK-TLS-06", {
    title: "certificate valid for more than 30 days",
    outcome: days > 30 ? "pass" : "fail",
    expected: "more than 30 days",
    observed: `ends in ${days} days`,
    source: "served certificate",
  });

function verified(checks: CheckRecord[][], parts: Parameters<typeof textContext>[1] = {}): string {
  const hosts = hostNames(checks.length).map((host, index) =>
    hostRecord(host, { checks: checks[index] ?? [] }),
  );
  return verify(hosts, parts);
}

function verify(hosts: HostRecord[], parts: Parameters<typeof textContext>[1] = {}): string {
  return verifyText(runRecord("verify", hosts), textContext(hosts, parts));
}

describe("verify text", () => {
  it("says first which control fails where, and last what to do", () => {
    const stranger = checkRecord("RK-NET-03", {
      title: "ports closed to strangers",
      severity: "critical",
      outcome: "unknown",
      observed: "no vantage host in the inventory",
    });
    const good = checkRecord("RK-NET-02");
    expect(
      verified([
        [good, expiring(400), stranger],
        [good, expiring(12)],
        [good, expiring(9)],
      ]),
    ).toBe(
      `Harden Redis: 3 hosts (Redis 7.0.15, Debian 12), 3 controls

✖ RK-TLS-06  certificate valid for more than 30 days (high)
    redis-02, redis-03: ends in ‹12, 9› days; wanted more than 30 days (served
    certificate)
? RK-NET-03  ports closed to strangers
    redis-01: not checked, no vantage host in the inventory

✔ 1 control holds on all hosts     (-v lists them)

3 hosts: 4 checks pass, 2 fail (2 high), 1 unknown.
Next: redkeep plan -i inventory/production.yml --limit redis-02,redis-03
exit 6
`,
    );
  });

  it("is short when all is well", () => {
    expect(verified([[checkRecord("RK-NET-02")], [checkRecord("RK-NET-02")]])).toBe(
      `Harden Redis: 2 hosts (Redis 7.0.15, Debian 12), 1 control

✔ 1 control holds on all hosts     (-v lists them)

2 hosts: 2 checks pass, 0 fail.        exit 0
`,
    );
  });

  it("puts the gravest control first", () => {
    const failing = (control: string, severity: CheckRecord["severity"]) =>
      checkRecord(control, { severity, outcome: "fail" });
    const text = verified([
      [failing("RK-A-01", "low"), failing("RK-B-01", "critical"), failing("RK-C-01", "medium")],
    ]);
    expect(text.match(/RK-\w-01/g)).toEqual(["RK-B-01", "RK-C-01", "RK-A-01"]);
  });

  it("lists the controls that hold and those that do not apply with -v", () => {
    const skipped = checkRecord("RK-ACL-12", {
      title: "Sentinel's user",
      outcome: "skip",
      observed: "no Sentinel",
    });
    const checks = [[checkRecord("RK-NET-02"), skipped]];
    expect(verified(checks)).not.toContain("RK-NET-02");
    expect(verified(checks, { verbose: true })).toContain("  RK-NET-02  protected mode is on\n");
    expect(verified(checks, { verbose: true })).toContain(
      "- RK-ACL-12  Sentinel's user\n    redis-01: no Sentinel",
    );
  });

  it("does not say of a control that it holds everywhere where a host could not be asked", () => {
    const lost = hostRecord("redis-02", { status: "unreachable", error: errorRecord({ where: "connect" }) });
    const text = verify([hostRecord("redis-01", { checks: [checkRecord("RK-NET-02")] }), lost]);
    expect(text).toContain("1 control holds on the 1 host that could be asked");
    expect(text).toContain("✖ redis-02  unreachable: connect");
    expect(text).toContain("2 hosts: 1 unreachable, 1 check pass, 0 fail.");
    expect(text).toContain("Then: redkeep verify -i inventory/production.yml --limit redis-02        exit 4");
  });

  it("says what a check lacked, and never counts it as holding", () => {
    const blocked = checkRecord("RK-ACL-01", {
      outcome: "unknown",
      blockedBy: "login",
      observed: "WRONGPASS",
    });
    const text = verified([[blocked]]);
    expect(text).toContain("redis-01: not checked for lack of a login to Redis, WRONGPASS");
    expect(text).not.toMatch(/holds?\b/);
    expect(text).toMatch(/exit 3\n$/);
  });
});
