import { describe, expect, it } from "vitest";
import type { HostRecord } from "../../src/record/record.ts";
import { exitCodeOf, summarize } from "../../src/record/summary.ts";
import { changeRecord, checkRecord, errorRecord, hostRecord, taskRecord } from "../support/records.ts";

const bind = taskRecord("bind", "Listen only on …", [
  changeRecord("redis.conf:bind", "127.0.0.1"),
  changeRecord("redis.conf:unixsocket", "/run/redis/redis.sock"),
]);
const changed = hostRecord("redis-01", { status: "changed", tasks: [bind] });
const pending = hostRecord("redis-02", { status: "would-change", tasks: [bind] });
const failing = hostRecord("redis-03", { checks: [checkRecord("RK-NET-02", { outcome: "fail" })] });
const unreachable = hostRecord("redis-04", { status: "unreachable", error: errorRecord() });
const failed = hostRecord("redis-05", { status: "failed", error: errorRecord() });
const rolledBack = hostRecord("redis-06", { status: "rolled-back", tasks: [bind], error: errorRecord() });
const restored = hostRecord("redis-08", { status: "restored", tasks: [bind] });
const withoutLogin = hostRecord("redis-07", {
  checks: [checkRecord("RK-ACL-01", { outcome: "unknown", blockedBy: "login" })],
});

function exitCode(hosts: HostRecord[], interrupted = false): number {
  return exitCodeOf({ hosts, interrupted });
}

describe("exit code", () => {
  it("takes the gravest outcome of all hosts, in the order of the contract", () => {
    const gravestLast: [number, HostRecord][] = [
      [0, changed],
      [2, pending],
      [6, failing],
      [4, unreachable],
      [3, failed],
      [5, rolledBack],
    ];
    const seen: HostRecord[] = [];
    for (const [code, host] of gravestLast) {
      seen.unshift(host);
      expect(exitCode(seen)).toBe(code);
    }
    expect(exitCode(seen, true)).toBe(130);
  });

  it.each(["failed", "refused", "unknown"] as const)("is 3 for a host that is %s", (status) => {
    expect(exitCode([hostRecord("redis-01", { status }), unreachable])).toBe(3);
  });

  it("is 3 where a control could not be checked for lack of a login or rights", () => {
    expect(exitCode([withoutLogin])).toBe(3);
  });

  it("is 0 where a control could not be checked for another reason", () => {
    const host = hostRecord("redis-01", { checks: [checkRecord("RK-NET-03", { outcome: "unknown" })] });
    expect(exitCode([host])).toBe(0);
  });

  it("is 6 with --fail-on only for a failure of that severity or a graver one", () => {
    const medium = hostRecord("redis-01", {
      checks: [checkRecord("RK-NET-06", { outcome: "fail", severity: "medium" })],
    });
    const codes = (["critical", "high", "medium", "low", "info"] as const).map((failOn) =>
      exitCodeOf({ hosts: [medium], interrupted: false, failOn }),
    );
    expect(codes).toEqual([0, 0, 6, 6, 6]);
    expect(exitCodeOf({ hosts: [medium, unreachable], interrupted: false, failOn: "high" })).toBe(4);
  });

  it("is 0 for hosts that a rollback has restored as asked", () => {
    expect(exitCode([restored])).toBe(0);
  });

  it("is 0 for an empty shard", () => {
    expect(exitCode([])).toBe(0);
  });

  it("is not 0 where a host was never looked at", () => {
    expect(exitCode([changed, hostRecord("redis-02", { status: "not-started" })])).toBe(3);
  });
});

describe("summary", () => {
  it("counts each host once and each check by its outcome", () => {
    const hosts = [changed, pending, failing, unreachable, failed, rolledBack, restored, withoutLogin];
    expect(summarize(hosts)).toEqual({
      hosts: 8,
      unchanged: 2,
      wouldChange: 1,
      changed: 1,
      failed: 1,
      unreachable: 1,
      rolledBack: 1,
      restored: 1,
      refused: 0,
      unknown: 0,
      notStarted: 0,
      changes: 4,
      checks: { pass: 0, fail: 1, skip: 0, unknown: 1 },
    });
  });

  it("does not count changes that were undone", () => {
    expect(summarize([rolledBack]).changes).toBe(0);
  });
});
