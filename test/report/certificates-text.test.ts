import { describe, expect, it } from "vitest";
import { mergeRuns } from "../../src/history/merge.ts";
import type { CertificateRecord, ControllerRecord, HostRecord, RunRecord } from "../../src/record/record.ts";
import { runRecordSchema } from "../../src/record/record.ts";
import { exitCodeOf } from "../../src/record/summary.ts";
import { applyText } from "../../src/report/apply-text.ts";
import { markdownReport } from "../../src/report/markdown.ts";
import { planText } from "../../src/report/plan-text.ts";
import { prometheusReport } from "../../src/report/prometheus.ts";
import { verifyText } from "../../src/report/verify-text.ts";
import {
  changeRecord,
  checkRecord,
  hostNames,
  hostRecord,
  runRecord,
  textContext,
} from "../support/records.ts";

/** Runs of the test began on 2026-11-24. */
const certificate = (name: string, ends: string | null, parts: Partial<CertificateRecord> = {}) => ({
  name,
  ends: ends === null ? null : `${ends}T06:30:12.000Z`,
  state: "valid" as const,
  found: "",
  ...parts,
});

const issued = (name: string, before: string | null = null) =>
  changeRecord(`pki:${name}`, "a new key and a certificate for 825 days", { before });

function controller(parts: Partial<ControllerRecord> = {}): ControllerRecord {
  return {
    state: "inventory/.redkeep",
    status: "unchanged",
    changes: [],
    impact: [],
    certificates: [certificate("ca", "2036-11-24")],
    ...parts,
  };
}

const pending = (...names: string[]) =>
  controller({ status: "would-change", changes: names.map((name) => issued(name)) });

function run(command: RunRecord["command"], here: ControllerRecord, hosts: HostRecord[]): RunRecord {
  const exitCode = exitCodeOf({ hosts, interrupted: false, controller: here });
  return runRecordSchema.parse({ ...runRecord(command, hosts), controller: here, exitCode });
}

const planned = (here: ControllerRecord, hosts = [hostRecord("redis-01")]) =>
  planText(run("plan", here, hosts), textContext(hosts));

function verified(
  clients: readonly CertificateRecord[],
  servers: Record<string, CertificateRecord>,
  parts: Parameters<typeof textContext>[1] = {},
): string {
  const hosts = Object.entries(servers).map(([host, server]) =>
    hostRecord(host, {
      checks: [checkRecord("RK-NET-02")],
      certificates: [server, certificate("ca", "2036-11-24")],
    }),
  );
  const here = controller({ certificates: [certificate("ca", "2036-11-24"), ...clients] });
  return verifyText(run("verify", here, hosts), textContext(hosts, parts));
}

describe("a plan that only issues certificates on the controller", () => {
  it("says so, ends with 2, and names apply as the next step", () => {
    expect(planned(pending("app", "batch"))).toBe(
      `Harden Redis: 1 host (Redis 7.0.15, Debian 12), 9 tasks

redis-01: as wanted, nothing to do

On this controller (inventory/.redkeep/pki/clients): 2 changes, no host is
touched for them

    + pki         app, batch  a new key and a certificate for 825 days

1 host: 0 would change, 1 as wanted; 2 client certificates to issue here.
Nothing was changed.
Next: redkeep apply -i inventory/production.yml        exit 2
`,
    );
  });

  it("says how long a replaced certificate was good, and who still accepts it", () => {
    const text = planned(
      controller({
        status: "would-change",
        changes: [issued("app", "valid until 2029-02-26")],
        impact: [{ kind: "old-certificate-stays-valid", detail: "the old certificate of app stays valid" }],
      }),
    );
    expect(text).toContain("    ~ pki         app  valid until 2029-02-26 → a new key");
    expect(text).toContain("  ! the old certificate of app stays valid");
  });

  it("stays readable for fifty certificates, and -v names each", () => {
    const names = Array.from({ length: 50 }, (_, index) => `svc-${index}`);
    const record = run("plan", pending(...names), [hostRecord("redis-01")]);
    const text = planText(record, textContext(record.hosts));
    expect(text).toContain("svc-7 and 42 more");
    expect(text.split("\n").length).toBeLessThan(16);
    expect(planText(record, textContext(record.hosts, { verbose: true }))).toContain("svc-49");
  });

  it("leaves the exit code to a host that failed or could not be reached", () => {
    const lost = [hostRecord("redis-01", { status: "unreachable" })];
    expect(run("plan", pending("app"), lost).exitCode).toBe(4);
  });
});

it("apply says what it issued, also without a terminal", () => {
  const here = controller({ status: "changed", changes: [issued("app")] });
  const hosts = [hostRecord("redis-01")];
  const text = applyText(run("apply", here, hosts), textContext(hosts, { unattended: true }));
  expect(text).toContain("+ pki         app  a new key and a certificate for 825 days");
  expect(text.replace(/\s+/g, " ")).toContain("1 as wanted; 1 client certificate issued here");
  expect(text).toMatch(/exit 0\n$/);
});

describe("verify, on certificates", () => {
  it("says when each kind of certificate ends, the worst first", () => {
    const text = verified(
      [
        certificate("client:app", "2029-02-26"),
        certificate("client:batch", "2026-11-20", { state: "ended", found: "ended 2026-11-20" }),
        certificate("client:metrics", "2026-12-03", { state: "ending", found: "ends in 9 days" }),
        certificate("client:admin", null, { state: "unknown", found: "is not here" }),
      ],
      { "redis-01": certificate("server", "2029-02-26"), "redis-02": certificate("server", "2028-01-01") },
    );
    expect(text).toContain(`Certificates
✔ servers  all 2 valid, the first (redis-02) until 2028-01-01 (in 403 days)
✔ CA       until 2036-11-24 (in 3 653 days)
✖ clients  batch ended 2026-11-20; metrics ends in 9 days (2026-12-03); admin is
           not here; app until 2029-02-26 (in 825 days)
`);
  });

  it("has one line for fifty clients, and with -v one for each", () => {
    const clients = Array.from({ length: 50 }, (_, index) =>
      certificate(`client:svc-${index}`, index < 6 ? "2026-12-03" : "2029-02-26", {
        state: index < 6 ? "ending" : "valid",
      }),
    );
    const servers = { "redis-01": certificate("server", "2029-02-26") };
    const [, lines = ""] = /! clients ([\s\S]*?)\n\n/.exec(verified(clients, servers)) ?? [];
    expect(lines.replace(/\s+/g, " ")).toMatch(
      /svc-3 ends in 9 days \(2026-12-03\); 2 more \(-v lists them\); 44 others valid, the first \(svc-6\) until 2029-02-26/,
    );
    expect(verified(clients, servers, { verbose: true }).match(/svc-\d+ /g)).toHaveLength(50);
  });

  it("without a terminal names the first to end in its one line, and all in full near an end", () => {
    const unattended = { unattended: true };
    const quiet = verified(
      [certificate("client:app", "2028-01-01")],
      { "redis-01": certificate("server", "2029-02-26") },
      unattended,
    );
    expect(quiet).toBe(
      "1 host: 1 check pass, 0 fail. First certificate to end: client app, on 2028-01-01.        exit 0\n",
    );
    const ending = certificate("client:app", "2026-12-03", { state: "ending" });
    expect(verified([ending], { "redis-01": certificate("server", "2029-02-26") }, unattended)).toContain(
      "! clients  app ends in 9 days (2026-12-03)",
    );
  });
});

describe("reports", () => {
  const names = hostNames(2);
  const shard = (index: number, ...clients: string[]): RunRecord => ({
    ...run("plan", pending(...clients), [
      hostRecord(names[index - 1] ?? "", { certificates: [certificate("server", "2029-02-26")] }),
    ]),
    startedAt: `2026-11-24T06:30:0${index}.000Z`,
    shard: { index, count: 2 },
  });

  it("of shards name each issued certificate once", () => {
    const { record } = mergeRuns([shard(1, "app", "batch"), shard(2, "app", "metrics")]);
    expect(record.controller?.changes.map(({ address }) => address).toSorted()).toEqual([
      "pki:app",
      "pki:batch",
      "pki:metrics",
    ]);
    expect([record.controller?.status, record.exitCode]).toEqual(["would-change", 2]);
    expect(record.controller?.certificates).toHaveLength(1);
  });

  it("show when certificates end, and which are issued", () => {
    const merged = mergeRuns([shard(1, "app")]);
    expect(prometheusReport(merged)).toContain(
      'redkeep_certificate_ends_timestamp_seconds{host="redis-01",name="server"} 1866781812\n',
    );
    expect(prometheusReport(merged)).toContain(
      'redkeep_certificate_ends_timestamp_seconds{host="",name="ca"}',
    );
    const markdown = markdownReport(merged);
    expect(markdown).toContain("1 client certificate is to be issued on the controller.");
    expect(markdown).toContain("### On the controller");
    expect(markdown).toContain("| <code>server redis-01</code> | 2029-02-26 | valid |");
  });
});
