import { describe, expect, it } from "vitest";
import type { HostRecord, RunRecord } from "../../src/record/record.ts";
import { applyText } from "../../src/report/apply-text.ts";
import {
  changeRecord,
  checkRecord,
  errorRecord,
  hostNames,
  hostRecord,
  runRecord,
  taskRecord,
  textContext,
} from "../support/records.ts";

const recordPath = "inventory/.redkeep/runs/2026-11-24T06-30-12Z.json";

function changedHost(host: string, parts: Partial<HostRecord> = {}): HostRecord {
  return hostRecord(host, {
    status: "changed",
    durationMs: 3_100,
    tasks: [taskRecord("limits", "Bound memory", [changeRecord("redis.conf:maxmemory", "512mb")])],
    restart: { needed: true, unavailableMs: 280 },
    checks: [checkRecord("RK-NET-02"), checkRecord("RK-LIM-01")],
    ...parts,
  });
}

function applied(
  hosts: HostRecord[],
  parts: Parameters<typeof textContext>[1] = {},
  record: RunRecord = runRecord("apply", hosts),
): string {
  return applyText(record, textContext(hosts, { recordPath, ...parts }));
}

it("apply text is one line where there is no terminal and nothing had to change", () => {
  const hosts = hostNames(3).map((host) => hostRecord(host, { checks: [checkRecord("RK-NET-02")] }));
  expect(applyText(runRecord("apply", hosts), textContext(hosts, { unattended: true }))).toBe(
    "3 hosts: 0 changed, 3 as wanted, 3 checks pass, 0 fail, in 4.2 s.        exit 0\n",
  );
});

describe("apply text", () => {
  it("gives each of a few hosts a row, and ends with counts, the record's path and the exit code", () => {
    expect(applied(hostNames(2).map((host) => changedHost(host)))).toBe(
      `Harden Redis: 2 hosts (Redis 7.0.15, Debian 12), 9 tasks

✔ redis-01  changed    1 change, restarted (0.28 s), 2 checks pass         3.1 s
✔ redis-02  changed    1 change, restarted (0.28 s), 2 checks pass         3.1 s

2 hosts: 2 changed, 4 checks pass, 0 fail, in 4.2 s. Each changed host was
confirmed over a new login.
Record: inventory/.redkeep/runs/2026-11-24T06-30-12Z.json        exit 0
`,
    );
  });

  it("says in a second run that nothing changed, and claims no confirmation", () => {
    const text = applied(
      hostNames(3).map((host) => hostRecord(host, { checks: [checkRecord("RK-NET-02")] })),
    );
    expect(text).toContain("3 hosts: 0 changed, 3 as wanted, 3 checks pass, 0 fail, in 4.2 s.\n");
  });

  it("says what to commit where the run made secrets of an encrypted state", () => {
    const text = applied([changedHost("redis-01")], { stateToCommit: "inventory/.redkeep" });
    expect(text).toMatch(/Record: .*\nState: inventory\/\.redkeep has new secrets: commit it\. +exit 0\n$/);
  });

  it("shows 1 000 hosts in a few rows, and one failure of many hosts once", () => {
    const hosts = hostNames(1_000).map((host, index) =>
      index % 100 === 0
        ? hostRecord(host, { status: "rolled-back", error: errorRecord({ remedy: `log in to ${host}` }) })
        : changedHost(host, { durationMs: 3_000 + index }),
    );
    const text = applied(hosts, { width: 120 });
    expect(text.trimEnd().split("\n").length).toBeLessThanOrEqual(15);
    expect(text).toContain("(990 hosts)");
    expect(text).toContain("3.0 s to 4.0 s");
    expect(text).toContain("✖ redis-0001, redis-0101, redis-0201, 7 more (10 hosts)  rolled back: restart");
    expect(text).toContain("log in to ‹redis-0001, redis-0101, 8 more›");
  });

  it("shows a failure with its four parts, and a command to copy", () => {
    const failed = (host: string) =>
      hostRecord(host, {
        status: "rolled-back",
        error: errorRecord({
          found: "systemctl exited 1:\n  Failed listening on port 6380",
          remedy: `free port 6380 and run again: redkeep apply -i inventory/production.yml --limit ${host}`,
        }),
      });
    expect(applied([changedHost("redis-01"), failed("redis-02"), failed("redis-03")])).toContain(
      `✖ redis-02, redis-03  rolled back: restart redis-server (9 of 14)
    Found  systemctl exited 1:
             Failed listening on port 6380
    State  put back as it was found; Redis answers
    Do     free port 6380 and run again:
           redkeep apply -i inventory/production.yml --limit redis-02,redis-03

3 hosts: 1 changed, 2 rolled back, 2 checks pass, 0 fail, in 4.2 s. Each changed
host was confirmed over a new login.
Record: inventory/.redkeep/runs/2026-11-24T06-30-12Z.json
Then: redkeep apply -i inventory/production.yml --retry-failed ${recordPath}
exit 5
`,
    );
  });

  it("sends the operator to verify where a host's state is unknown", () => {
    const unknown = hostRecord("redis-02", { status: "unknown", error: errorRecord() });
    const text = applied([changedHost("redis-01"), unknown], {
      otherArguments: ["--limit", "redis-0*"],
      width: 120,
    });
    expect(text).toContain("Next: redkeep verify -i inventory/production.yml --limit redis-02        exit 3");
  });

  it("shows a check that fails although the host changed", () => {
    const check = checkRecord("RK-ACL-08", { outcome: "fail", observed: 'also "legacy"', expected: "app" });
    const text = applied([changedHost("redis-01", { checks: [check] })]);
    expect(text).toContain("✖ RK-ACL-08  protected mode is on (high)\n    redis-01: also");
    expect(text).toContain("exit 6");
  });

  it("says that it was interrupted and what was not begun", () => {
    const hosts = [changedHost("redis-01"), hostRecord("redis-02", { status: "not-started" })];
    const text = applied(hosts, { width: 120 }, runRecord("apply", hosts, true));
    expect(text).toContain("Interrupted. 2 hosts: 1 changed, 1 not started");
    expect(text).toContain("- redis-02  not started\n");
    expect(text).toMatch(/exit 130\n$/);
  });

  it("counts a host as put back where rollback was asked for", () => {
    const hosts = [changedHost("redis-01", { status: "restored" })];
    const text = applied(hosts, {}, runRecord("rollback", hosts));
    expect(text).toContain("✔ redis-01  put back ");
    expect(text).toContain("1 host: 1 put back");
    expect(text).toMatch(/exit 0\n$/);
  });

  it("lists what was changed with -v", () => {
    const text = applied([changedHost("redis-01")], { verbose: true });
    expect(text).toMatch(/\+ redis\.conf {2}maxmemory {2}512mb/);
  });
});
