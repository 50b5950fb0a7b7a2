import { describe, expect, it } from "vitest";
import type { CheckRecord, HostRecord, RunRecord } from "../../src/record/record.ts";
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
  it("mentions another server on the host that fails no control", () => {
    const other = (observed: string) => checkRecord("RK-NET-11", { title: "no other Redis", observed });
    const text = verified([
      [other("process 812 (evil.service) refuses strangers on 0.0.0.0:6399")],
      [other("none")],
    ]);
    expect(text.replaceAll(/\s+/g, " ")).toContain(
      "Another Redis beside the one that was checked (RK-NET-11): redis-01: process 812 (evil.service) refuses strangers on 0.0.0.0:6399 ",
    );
    expect(verified([[other("none")]])).not.toContain("Another Redis");
  });

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

3 hosts: 4 checks pass, 2 fail (2 high), 1 unknown. Not proven: RK-NET-03
(critical).
Next: redkeep plan -i inventory/production.yml --limit redis-02,redis-03
exit 6
`,
    );
  });

  it("counts a host once, however many like checks of a control it has", () => {
    const alike = [1, 2, 3].map(() =>
      checkRecord("RK-NET-04", { outcome: "fail", observed: "open", expected: "closed" }),
    );
    const text = verified([alike, alike]);
    expect(text).toContain("    redis-01, redis-02: open; wanted closed");
    expect(text).not.toContain("6\u00a0hosts");
  });

  it("is short where every check passes", () => {
    expect(verified([[checkRecord("RK-NET-02")], [checkRecord("RK-NET-02")]])).toBe(
      `Harden Redis: 2 hosts (Redis 7.0.15, Debian 12), 1 control

✔ 1 control holds on all hosts     (-v lists them)

2 hosts: 2 checks pass, 0 fail.        exit 0
`,
    );
  });

  it("puts expired waivers first, announces those that end soon, and counts what is waived", () => {
    const waiver = { reason: "moves in Q1", owner: "anna", expires: "2026-12-01" };
    const waived = checkRecord("RK-TLS-01", {
      title: "Redis speaks only TLS",
      outcome: "skip",
      observed: "port 6379",
      waiver,
    });
    const hosts = [
      hostRecord("redis-01", { checks: [checkRecord("RK-NET-02"), waived] }),
      hostRecord("redis-02", {
        checks: [checkRecord("RK-NET-02", { outcome: "fail", observed: "no" }), waived],
      }),
    ];
    const waivers: NonNullable<RunRecord["waivers"]> = [
      {
        control: "RK-NET-02",
        hosts: "redis-02",
        reason: "old client",
        owner: "ben",
        expires: "2026-11-01",
        state: "expired",
      },
      { control: "RK-TLS-01", hosts: "redis", ...waiver, state: "ending" },
      {
        control: "RK-SYS-07",
        hosts: "all",
        reason: "kernel",
        owner: "cy",
        expires: "2027-01-01",
        state: "unused",
      },
    ];
    const record = runRecord("verify", hosts, false, { waivers });
    expect(verifyText(record, textContext(hosts))).toBe(
      `Harden Redis: 2 hosts (Redis 7.0.15, Debian 12), 2 controls

✖ RK-NET-02  the waiver expired on 2026-11-01
    redis-02: old client (ben)

✖ RK-NET-02  protected mode is on (high)
    redis-02: no; wanted yes (CONFIG GET protected-mode)

! RK-TLS-01  the waiver ends after 2026-12-01
    redis: moves in Q1 (anna)
- 2 failures are waived     (-v lists them)

2 hosts: 1 check pass, 1 fail (1 high), 2 skipped (2 waived).
Next: redkeep plan -i inventory/production.yml --limit redis-02        exit 6
`,
    );
    const all = verifyText(record, textContext(hosts, { verbose: true }));
    expect(all).toContain(`  RK-TLS-01  Redis speaks only TLS
    redis-01, redis-02: port 6379
    waived until 2026-12-01 by anna: moves in Q1
- RK-SYS-07  nothing needed the waiver in this run: it can go
    all: kernel (cy)
`);
  });

  it("does not say that a control holds everywhere where it is waived somewhere", () => {
    const waived = checkRecord("RK-NET-02", {
      outcome: "skip",
      waiver: { reason: "old client", owner: "ben", expires: "2027-01-01" },
    });
    const text = verified([[checkRecord("RK-NET-02")], [waived]]);
    expect(text).not.toMatch(/holds?\b|not apply/);
    expect(text).toContain("- 1 failure is waived");
  });

  it("shows failures below --fail-on, and says that they do not count", () => {
    const hosts = [hostRecord("redis-01", { checks: [checkRecord("RK-NET-02", { outcome: "fail" })] })];
    const text = verifyText(runRecord("verify", hosts, false, { failOn: "critical" }), textContext(hosts));
    expect(text).toContain("✖ RK-NET-02  protected mode is on (high)");
    expect(text).toContain("1 fail (1 high). 1 failure is below critical and does not");
    expect(text).toMatch(/exit 0\n$/);
  });

  it("is one line where there is no terminal and nothing to report", () => {
    const clean = hostRecord("redis-01", { checks: [checkRecord("RK-NET-02")] });
    const quiet = (hosts: HostRecord[], parts: Parameters<typeof runRecord>[3] = {}) =>
      verifyText(runRecord("verify", hosts, false, parts), textContext(hosts, { unattended: true }));
    expect(quiet([clean])).toBe("1 host: 1 check pass, 0 fail.        exit 0\n");
    const failing = hostRecord("redis-01", { checks: [checkRecord("RK-NET-02", { outcome: "fail" })] });
    const more = hostRecord("redis-01", {
      impact: [{ kind: "access-changed", detail: "user app: KEYS allowed" }],
    });
    const waiver = { control: "RK-NET-02", hosts: "all", reason: "x", owner: "y", expires: "2026-12-01" };
    for (const told of [
      quiet([failing]),
      quiet([failing], { failOn: "critical" }),
      quiet([more]),
      quiet([clean], { waivers: [{ ...waiver, state: "ending" }] }),
    ])
      expect(told.split("\n").length).toBeGreaterThan(4);
  });

  it("shows in one line, without a terminal, the failures known on the same hosts since the same day", () => {
    const since = "2026-11-20T03:17:00.000Z";
    const known = (control: string, parts: Partial<CheckRecord> = {}) =>
      checkRecord(control, { outcome: "fail", observed: "no", since, ...parts });
    const checks = [
      known("RK-NET-02"),
      known("RK-NET-09", { severity: "low" }),
      known("RK-SYS-03", { outcome: "unknown", blockedBy: "rights" }),
      known("RK-SYS-07", { outcome: "unknown", blockedBy: "rights" }),
    ];
    const hosts = [
      hostRecord("redis-01", { checks }),
      hostRecord("redis-02", { status: "unreachable", error: errorRecord({ where: "connect" }), since }),
    ];
    const brief = verify(hosts, { unattended: true, otherArguments: ["--become"] });
    expect(brief).toContain(`Known from earlier runs (-v shows all of it)
✖ 2 controls (1 high, 1 low): redis-01, known since 2026-11-20: RK-NET-02,
  RK-NET-09
? 2 controls not checked for lack of rights on the host: redis-01, known since
  2026-11-20: RK-SYS-03, RK-SYS-07
✖ unreachable: connect: redis-02, known since 2026-11-20
`);
    expect(brief).not.toContain("wanted");
    const watched = verify(hosts);
    expect(watched).not.toContain("Known from");
    expect(watched).toMatch(/✖ RK-NET-09 [\s\S]*no; wanted yes/);
  });

  it("recommends root, not a plan, where the login was not root", () => {
    const checks = [
      checkRecord("RK-NET-02", { outcome: "fail" }),
      checkRecord("RK-SYS-03", { outcome: "unknown", blockedBy: "rights", observed: "needs root" }),
    ];
    expect(verified([checks])).toContain(
      "Next: redkeep verify -i inventory/production.yml --become     (as root",
    );
    const become = verified([checks], { otherArguments: ["--become"] });
    expect(become).toMatch(/^Next: log in as root/m);
    expect(become).not.toContain("redkeep plan");
    const otherwise = verified([checks], {
      otherArguments: ["-e", "ansible_become=false", "-e", "a=1 ansible_become=no", "-e", "b=2"],
    });
    expect(otherwise.replaceAll(/\s+/g, " ")).toContain("production.yml -e a=1 -e b=2 --become (as root");
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

  const untold = checkRecord("RK-CMD-05", {
    title: "no known hole",
    severity: "critical",
    outcome: "skip",
    skipped: "untold",
    observed: "not known for CVE-1",
  });

  it("separates checks that could not be made, that the operator judges, and that do not apply", () => {
    const buffers = { title: "output buffers", severity: "medium" } as const;
    const checks = [
      untold,
      checkRecord("RK-LIM-03", buffers),
      checkRecord("RK-LIM-03", {
        ...buffers,
        outcome: "skip",
        skipped: "reported",
        observed: "ordinary clients have none",
      }),
    ];
    const brief = verified([checks]);
    expect(brief).toContain("- 1 control could not be told     (-v lists them)\n");
    expect(brief).toContain("- 1 control is for you to judge     (-v lists them)\n");
    expect(brief).not.toMatch(/holds|not apply/);
    expect(brief).toContain("2 skipped. Not proven: RK-CMD-05 (critical).");
    const long = verified([checks], { verbose: true });
    expect(long).toContain("- RK-CMD-05  no known hole\n    redis-01: not known for CVE-1\n");
    expect(long).toContain("- RK-LIM-03  output buffers\n    redis-01: ordinary clients have none\n");
  });

  it("names a severe control that is not proven also in the one line without a terminal", () => {
    const minor = checkRecord("RK-SYS-12", { severity: "low", outcome: "unknown" });
    const line = verified([[checkRecord("RK-NET-02"), untold, minor]], { unattended: true });
    expect(line).toBe(
      "1 host: 1 check pass, 0 fail, 1 unknown, 1 skipped. Not proven: RK-CMD-05 (critical).        exit 0\n",
    );
  });

  it("says first that Redis does not run", () => {
    const server = {
      product: "Redis",
      version: "7.0.15",
      system: "Debian",
      role: null,
      isStopped: true as const,
    };
    const checks = [checkRecord("RK-NET-02", { outcome: "unknown", blockedBy: "login" })];
    const text = verify([hostRecord("redis-01", { server, checks }), hostRecord("redis-02")]);
    expect(text.split("\n")[2]).toMatch(/^✖ redis-01: Redis does not run\./);
  });

  it("says with -v which checks rest on the server's answer alone", () => {
    const word = { witness: "server" } as const;
    const checks = [
      checkRecord("RK-NET-02", word),
      checkRecord("RK-NET-03", { ...word, title: "strangers", outcome: "fail" }),
      checkRecord("RK-NET-01", { title: "listeners", outcome: "fail" }),
    ];
    expect(verified([checks])).not.toContain("server's word");
    const lines = verified([checks], { verbose: true, width: 200 }).split("\n");
    expect(lines.filter((line) => line.includes(" (the server's word alone)"))).toEqual([
      expect.stringMatching(/^ {4}redis-01: .*; wanted /),
      "  RK-NET-02  protected mode is on (the server's word alone)",
    ]);
  });

  it("does not say of a control that it holds everywhere where a host could not be asked", () => {
    const lost = hostRecord("redis-02", { status: "unreachable", error: errorRecord({ where: "connect" }) });
    const text = verify([hostRecord("redis-01", { checks: [checkRecord("RK-NET-02")] }), lost]);
    expect(text).toContain("1 control holds on the 1 host that could be asked");
    expect(text).toContain("✖ redis-02  unreachable: connect");
    expect(text).toContain("2 hosts: 1 unreachable, 1 check pass, 0 fail.");
    expect(text).toContain("Then: redkeep verify -i inventory/production.yml --limit redis-02        exit 4");
  });

  it("says why a check could not be made, and never counts it as holding", () => {
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
