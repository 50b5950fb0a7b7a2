import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { mergeRuns } from "../../src/history/merge.ts";
import type { CheckRecord, RunRecord } from "../../src/record/record.ts";
import { junitReport } from "../../src/report/junit.ts";
import { MAX_MARKDOWN, markdownReport } from "../../src/report/markdown.ts";
import { prometheusReport } from "../../src/report/prometheus.ts";
import { sarifReport } from "../../src/report/sarif.ts";
import { CONTROL_IDS } from "../../src/verify/controls.ts";
import { allChecks, earlierRun, fleetRun, HOSTILE, hostileRun } from "../support/fleet.ts";
import {
  changeRecord,
  checkRecord,
  hostNames,
  hostRecord,
  runRecord,
  taskRecord,
} from "../support/records.ts";

const fleet = fleetRun();
/** A thousand hosts on which all controls fail, each with its own text. */
const allFailing = (): RunRecord =>
  runRecord(
    "verify",
    hostNames(1000).map((host) => hostRecord(host, { checks: allChecks(host, () => true) })),
  );

describe("JUnit", () => {
  const xml = junitReport(fleet);

  /** The text of one host's suite. */
  function suite(host: string): string {
    return (
      new RegExp(`<testsuite name="${host}"[^]+?</testsuite>`.replaceAll("[^]", "[\\s\\S]")).exec(xml)?.[0] ??
      ""
    );
  }

  it("tells checks that could not be made from checks that do not apply", () => {
    const skipped = { outcome: "skip", observed: "not known" } as const;
    const checks = [
      checkRecord("RK-CMD-05", { ...skipped, skipped: "untold" }),
      checkRecord("RK-LIM-03", { ...skipped, skipped: "reported" }),
      checkRecord("RK-ACL-12", skipped),
    ];
    const cases = junitReport(runRecord("verify", [hostRecord("redis-01", { checks })]));
    expect([...cases.matchAll(/<skipped message="([^"]*)"/g)].map(([, message]) => message)).toEqual([
      "could not be told: not known",
      "for you to judge: not known",
      "does not apply: not known",
    ]);
  });

  it("has a suite for each host and a case for each check, and counts them", () => {
    expect(xml.match(/<testsuite /g)).toHaveLength(12);
    expect(suite("redis-02").match(/<testcase /g)).toHaveLength(CONTROL_IDS.length);
    expect(suite("redis-03")).toMatch(
      new RegExp(
        `^<testsuite name="redis-03" tests="${CONTROL_IDS.length}" failures="1" errors="0" skipped="0" time="0\\.400" timestamp="2026-11-24T06:30:12" hostname="redis-03">`,
      ),
    );
    expect(xml).toMatch(
      /<testsuites name="redkeep verify" tests="749" failures="16" errors="1" time="4\.200">/,
    );
  });

  it("says in a failure what was expected, what was observed, and by what", () => {
    expect(suite("redis-03")).toContain(
      '<testcase name="RK-NET-02 protected mode is on (source 1)" classname="redis-03"><failure message="running no, though the file says as wanted: changed on the running server, or the file was never loaded; wanted protected mode is on" type="high">Expected: protected mode is on\nObserved: running no',
    );
  });

  it("counts an unreachable host as an error, and waived and unmade checks as skipped", () => {
    expect(suite("redis-01")).toContain(
      '<error message="unreachable: connection refused by 192.0.2.1:22" type="unreachable">Where: connect',
    );
    expect(suite("redis-04")).toContain(
      '<skipped message="waived until 2026-12-31 by ana@example.net: the old importer has no certificate; found tls-auth-clients no"/>',
    );
    expect(suite("redis-05")).toContain('<skipped message="not checked: no login to Redis"/>');
  });

  it("keeps the shape that CI systems read: known elements and attributes, no name twice in a suite", () => {
    const elements = new Set([...xml.matchAll(/<(\w+)/g)].map(([, name]) => name));
    expect([...elements].sort()).toEqual([
      "error",
      "failure",
      "skipped",
      "testcase",
      "testsuite",
      "testsuites",
    ]);
    for (const [, name = ""] of xml.matchAll(/<testsuite name="([^"]+)"/g)) {
      const cases = [...suite(name).matchAll(/<testcase name="([^"]+)"/g)].map(([, title]) => title);
      expect(new Set(cases).size).toBe(cases.length);
    }
  });

  it("stays XML whatever a host says", () => {
    const hostile = junitReport(hostileRun(`${HOSTILE}\u{0}\u{1}\u{b}\u{ffff}\u{d800} ]]> <!-- &x;`));
    expect(hostile).not.toMatch(/[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/u);
    expect(hostile).not.toMatch(/<(?!\/?(testsuites|testsuite|testcase|failure|error|skipped|\?xml)[ >])/);
    expect(hostile.match(/&(?!#\d+;)/g)).toBeNull();
  });
});

describe("SARIF", () => {
  const options = { cwd: "/srv/fleet", recordFile: "run.json" };
  const parse = (record: RunRecord) => JSON.parse(sarifReport(record, options));
  const log = parse(fleet);
  const [{ results, tool, invocations }] = log.runs;

  it("says where a cited step of the guide stands", () => {
    const rule = tool.driver.rules.find(({ id }: { id: string }) => id === "RK-NET-01");
    expect(rule.help.text).toMatch(/guide step 1 ".+" \(docs\/controls\.md, The guide\)/);
  });

  it("has the structure that 2.1.0 asks for", () => {
    expect(log).toMatchObject({ version: "2.1.0", $schema: expect.stringContaining("sarif-2.1.0.json") });
    expect(tool.driver).toMatchObject({ name: "redkeep", semanticVersion: "0.1.0" });
    for (const rule of tool.driver.rules) {
      expect(rule).toMatchObject({
        id: expect.stringMatching(/^RK-/),
        shortDescription: { text: expect.any(String) },
        help: { text: expect.any(String) },
      });
      expect(Number(rule.properties["security-severity"])).toBeGreaterThan(0);
      expect(rule.properties.tags.length).toBeLessThanOrEqual(20);
    }
    for (const result of results) {
      expect(tool.driver.rules[result.ruleIndex].id).toBe(result.ruleId);
      expect(["error", "warning", "note"]).toContain(result.level);
      expect(result.message.text).not.toBe("");
      expect(result.locations).toHaveLength(1);
    }
    expect(new Date(invocations[0].endTimeUtc).getTime()).toBeGreaterThan(
      new Date(invocations[0].startTimeUtc).getTime(),
    );
  });

  it("has a result for each failure at the host's line in the inventory, the gravest first", () => {
    expect(results).toHaveLength(17);
    const levels = results.map(({ level }: { level: string }) => ["error", "warning", "note"].indexOf(level));
    expect(levels).toEqual(levels.toSorted());
    const found = results.find(({ ruleId }: { ruleId: string }) => ruleId === "RK-NET-02");
    expect(found.locations[0].physicalLocation).toEqual({
      artifactLocation: { uri: "inventory/production.yml" },
      region: { startLine: 7 },
    });
    expect(found.message.text).toBe(
      "redis-03: protected mode is on: running no, though the file says as wanted: changed on the running server, or the file was never loaded; wanted protected mode is on (source 1)",
    );
  });

  it("suppresses a waived failure with its reason", () => {
    const waived = results.filter(
      ({ suppressions }: { suppressions?: unknown }) => suppressions !== undefined,
    );
    expect(waived).toMatchObject([
      {
        ruleId: "RK-TLS-04",
        suppressions: [
          {
            kind: "external",
            status: "accepted",
            justification: "waived until 2026-12-31 by ana@example.net: the old importer has no certificate",
          },
        ],
      },
    ]);
  });

  it("keeps a fingerprint through another run, line and observed value, and gives no two results the same", () => {
    const moved = {
      ...fleet,
      hosts: fleet.hosts.map((host) => ({
        ...host,
        ...(host.place && { place: { ...host.place, line: host.place.line + 40 } }),
        checks: host.checks.map((check) => ({ ...check, observed: `${check.observed} today` })),
      })),
    };
    const prints = (all: { partialFingerprints: object }[]) =>
      all.map(({ partialFingerprints }) => JSON.stringify(partialFingerprints));
    expect(prints(parse(moved).runs[0].results)).toEqual(prints(results));
    expect(new Set(prints(results)).size).toBe(results.length);
  });

  it.each([
    ["a relative path", "./inventory/hosts.yml", "inventory/hosts.yml"],
    ["an absolute one below the current folder", "/srv/fleet/inventory/a b#1.yml", "inventory/a%20b%231.yml"],
    ["an absolute one elsewhere", "/etc/redkeep/hosts.yml", "file:///etc/redkeep/hosts.yml"],
  ])("names the inventory by %s", (_, file, uri) => {
    const host = hostRecord("redis-01", {
      checks: [checkRecord("RK-NET-02", { outcome: "fail" })],
      place: { file, line: 3 },
    });
    const [result] = parse(runRecord("verify", [host])).runs[0].results;
    expect(result.locations[0].physicalLocation.artifactLocation.uri).toBe(uri);
  });

  it("names the hosts without results", () => {
    expect(invocations[0]).toMatchObject({
      executionSuccessful: false,
      exitCode: 3,
      toolExecutionNotifications: [
        { level: "error", message: { text: "redis-01: unreachable: connection refused by 192.0.2.1:22" } },
      ],
    });
  });

  it("drops the least severe results at the limits of code scanning, and says so", () => {
    const text = sarifReport(allFailing(), options);
    const [run] = JSON.parse(text).runs;
    expect(run.results).toHaveLength(25_000);
    expect(gzipSync(text).length).toBeLessThanOrEqual(10 * 1024 * 1024);
    const levels = new Set(run.results.map(({ level }: { level: string }) => level));
    expect([...levels]).toEqual(["error"]);
    expect(run.invocations[0].toolExecutionNotifications[0]).toMatchObject({
      level: "warning",
      message: {
        text: expect.stringMatching(/^43.000 of 68.000 results are left out, the least severe ones/),
      },
    });
  }, 60_000);

  it("cuts a message that a host made long", () => {
    const host = hostRecord("redis-01", {
      checks: [checkRecord("RK-NET-02", { outcome: "fail", observed: "x".repeat(4000) })],
    });
    expect(parse(runRecord("verify", [host])).runs[0].results[0].message.text.length).toBeLessThan(1_100);
  });
});

describe("Markdown", () => {
  const markdown = markdownReport(mergeRuns([earlierRun(), fleet]));

  it("calls neither a host as wanted nor a control proven where most checks could not be made", () => {
    const open = ["RK-ACL-01", "RK-SYS-03"].map((control) =>
      checkRecord(control, { outcome: "unknown", blockedBy: "rights", severity: "critical" }),
    );
    const page = (...checks: CheckRecord[]) =>
      markdownReport(mergeRuns([runRecord("verify", [hostRecord("redis-01", { checks })])]));
    const some = page(checkRecord("RK-NET-02"), ...open);
    expect(some).toContain(
      "verify: No control that could be checked fails on 1 host. 2 controls could not be checked, 2 of them critical or high.\n",
    );
    expect(some).toContain("| <code>redis-01</code> | looked at | 1 | 0 | 2 | 0 |");
    expect(page(...open)).toContain("verify: Nothing could be proven. 2 controls could not be checked");
  });

  it("begins with the answer, then what to do, worst first", () => {
    expect(markdown).toMatch(
      /^## redkeep verify: 3 of 12 hosts fail 16 controls, 8 of them critical or high\. 1 control could not be checked, 1 of them critical or high\. 1 host could not be asked\.\n/,
    );
    const at = [
      "### Hosts that failed",
      "### Expired waivers",
      "### What to do first",
      "### Since the run of 2026-11-23",
      "### Hosts\n",
    ].map((title) => markdown.indexOf(title));
    expect(at).toEqual(at.toSorted((a, b) => a - b));
    expect(at).not.toContain(-1);
    expect(markdown).toContain(
      "| high | RK-NET-02 protected mode is on | <code>redis-03</code> | <code>running no, though the file says as wanted: changed on the running server, or the file was never loaded</code> | <code>protected mode is on</code> |",
    );
    expect(markdown).toContain(
      "| worse | RK-NET-02 protected mode is on | <code>redis-03</code> | <code>holds</code> |",
    );
  });

  it("shows a plan's changes once for the hosts that share them, folded", () => {
    const tasks = [
      taskRecord("bind", "Listen", [
        changeRecord("redis.conf:bind", "127.0.0.1", { before: "0.0.0.0", restart: true }),
      ]),
    ];
    const plan = runRecord(
      "plan",
      hostNames(20).map((host) => hostRecord(host, { status: "would-change", tasks })),
    );
    const text = markdownReport(mergeRuns([plan]));
    expect(text).toContain(
      "<details><summary>redis-01 … redis-20 (20 hosts): the same 1 change, no restart</summary>",
    );
    expect(text.match(/redis\.conf:bind/g)).toHaveLength(1);
    expect(text.match(/<details>/g)?.length).toBe(text.match(/<\/details>/g)?.length);
  });

  it("is bounded, closes its markup and says how much is left out", () => {
    const text = markdownReport(mergeRuns([allFailing()]));
    const bytes = Buffer.byteLength(text);
    expect(bytes).toBeLessThanOrEqual(MAX_MARKDOWN);
    // Sixty-four controls read alike on all hosts: they take little, and nothing has to be left out.
    expect(text).not.toContain("Left out");
    const each = runRecord(
      "verify",
      hostNames(5000).map((host, index) =>
        hostRecord(host, {
          checks: [
            checkRecord("RK-NET-02", {
              outcome: "fail",
              observed: `${"very ".repeat(60)}${"x".repeat(index % 400)}`,
            }),
          ],
        }),
      ),
    );
    const cut = markdownReport(
      mergeRuns([
        {
          ...each,
          hosts: each.hosts.map((host, index) => ({ ...host, host: `h${"x".repeat(300)}${index}` })),
        },
      ]),
    );
    expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(MAX_MARKDOWN);
    expect(cut).toMatch(
      /\*\*Left out to fit the size limit: [\d ]+ rows\.\*\* The run record has all of them\.\n$/,
    );
  }, 60_000);

  it("shows a host's words as plain text that mentions nobody", () => {
    const text = markdownReport(
      mergeRuns([hostileRun(`${HOSTILE} \`tick\` | pipe \\| @everyone #1 [a](http://b)`)]),
    );
    expect(text).not.toMatch(/<(?!\/?(code|details|summary)>)/);
    expect(text).not.toMatch(/@|\]\(|`|https?:\/\//);
    expect(text).toContain("&#60;script&#62;");
    const columns = (line: string) => line.split("|").length;
    const lines = text.split("\n");
    for (const [index, line] of lines.entries())
      if (line.startsWith("| --") && lines[index + 1]?.startsWith("|")) {
        const rows = lines.slice(index + 1).slice(0, lines.slice(index + 1).indexOf(""));
        for (const row of rows) expect(columns(row), row).toBe(columns(line));
      }
  });
});

describe("Prometheus", () => {
  const text = prometheusReport(mergeRuns([fleet]));
  const samples = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));

  it("has the metrics for the documented alerts", () => {
    for (const line of [
      "redkeep_run_timestamp_seconds 1795501812",
      "redkeep_run_exit_code 3",
      'redkeep_host_up{host="redis-01"} 0',
      'redkeep_host_up{host="redis-02"} 1',
      'redkeep_host_status{host="redis-01",status="unreachable"} 1',
      'redkeep_checks{host="redis-03",outcome="fail",severity="high"} 1',
      'redkeep_checks{host="redis-04",outcome="fail",severity="critical"} 0',
      'redkeep_check_failed{host="redis-03",control="RK-NET-02",severity="high"} 1',
      'redkeep_host_restart_pending{host="redis-03"} 1',
      'redkeep_waiver_expires_timestamp_seconds{control="RK-TLS-04",hosts="redis-04",owner="ana@example.net"} 1798761599',
    ])
      expect(samples).toContain(line);
    expect(samples.some((line) => line.startsWith('redkeep_check_failed{host="redis-07"'))).toBe(false);
  });

  it("has each metric once with HELP and TYPE, no series twice, and a final line break", () => {
    const names = [...text.matchAll(/^# TYPE (\w+) gauge$/gm)].map(([, name]) => name);
    expect(names).toEqual([...text.matchAll(/^# HELP (\w+) \S/gm)].map(([, name]) => name));
    expect(new Set(names).size).toBe(names.length);
    for (const line of samples)
      expect(line).toMatch(/^redkeep_\w+(\{(\w+="([^"\\\n]|\\[\\"n])*",?)*\})? -?\d+(\.\d+)?$/);
    const series = samples.map((line) => line.slice(0, line.lastIndexOf(" ")));
    expect(new Set(series).size).toBe(series.length);
    expect(text.endsWith("\n")).toBe(true);
  });

  it("escapes labels", () => {
    const odd = prometheusReport(mergeRuns([runRecord("verify", [hostRecord('a"b\\c\nd')])]));
    expect(odd).toContain('redkeep_host_up{host="a\\"b\\\\c\\nd"} 1\n');
  });
});
