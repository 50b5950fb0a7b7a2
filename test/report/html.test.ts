import { describe, expect, it } from "vitest";
import { mergeRuns } from "../../src/history/merge.ts";
import { htmlReport } from "../../src/report/html/page.ts";
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

const page = htmlReport(mergeRuns([earlierRun(), fleetRun()]));

/** The markup of one section, by its id. */
function section(id: string, markup = page): string {
  const [, after = ""] = markup.split(`<section id="${id}"`);
  return after.split("\n</section>\n<section id=")[0] ?? "";
}

/** The text of the section of a host's group. */
function hostSection(name: string): string {
  const sections = page.split('<section class="host"').slice(1);
  return (
    sections.find((part) => new RegExp(`<h3[^>]*>${name}[ <]`).test(part))?.replace(/<[^>]+>/g, " ") ?? ""
  );
}

describe("the page of a run", () => {
  it("knows no reason for a control that the catalogue lacks, whatever its name", () => {
    const checks = ["RK-NEW-01", "constructor"].map((id) => checkRecord(id, { outcome: "fail" }));
    const run = runRecord("verify", [hostRecord("redis-01", { checks })]);
    const markup = htmlReport(mergeRuns([run]));
    expect(markup).toContain("RK-NEW-01");
    expect(markup).toContain("constructor");
    expect(section("controls", markup)).not.toContain('class="why"');
  });

  it("begins with one sentence and four numbers", () => {
    const [header = ""] = page.split("</header>");
    expect(header).toMatch(/<h1>3 of 12&nbsp;hosts fail 16&nbsp;controls, 8 of them critical or high\./);
    expect([...header.matchAll(/<dd>([^<]+)<\/dd>/g)].map(([, value]) => value)).toEqual([
      "11",
      "730",
      "16",
      "1",
    ]);
    expect(header).toContain("waiver has expired");
  });

  it("has a row for each kind of host, the worst first, each cell with its sign, its word and its evidence", () => {
    const rows = [...section("fleet").matchAll(/<th scope="row"><a href="#(g\d+)"[^>]*>([^<]+)</g)].map(
      ([, , name]) => name,
    );
    expect(rows).toEqual([
      "redis-01",
      "redis-02",
      "redis-03",
      "redis-06",
      "redis-05",
      "redis-04",
      "5&nbsp;hosts like redis-07",
      "redis-12",
    ]);
    expect(section("fleet")).toMatch(
      /<td class="s-high"><a href="#g3c2" aria-label="high, fails, worse than before">H<sup>▲<\/sup><\/a>/,
    );
    expect(section("fleet")).toContain("unreachable: connection refused by 192.0.2.1:22");
    const cells = [
      ...section("fleet").matchAll(/<td class="s-(\w+)"><a href="#(\w+)" aria-label="[^"]+">[^<]/g),
    ];
    expect(cells).toHaveLength(7 * CONTROL_IDS.length);
    for (const [, , target] of cells) expect(page).toContain(` id="${target}"`);
  });

  it("shows for each host what was expected, observed and by what, and a setting's three values", () => {
    expect(hostSection("redis-03")).toMatch(
      /RK-NET-02 .*protected mode is on.*running no, though the file says as wanted: changed on the running server, or the file was never loaded.*wanted +yes +in the file +yes +running +no .*restart pending.*source 1/s,
    );
    expect(hostSection("redis-03")).toContain("inventory/production.yml:7");
    expect(hostSection("redis-04")).toContain(
      "Waived until 2026-12-31 by ana@example.net: the old importer has no certificate",
    );
    expect(hostSection("redis-01")).toMatch(/Found\s+connection refused by 192\.0\.2\.1:22/);
  });

  it("shows the expired waiver first", () => {
    expect(section("waivers").indexOf("RK-SYS-02")).toBeLessThan(section("waivers").indexOf("RK-TLS-04"));
  });

  it("shows what users can do, a matrix for the hosts that share it", () => {
    const access = section("access").replace(/<[^>]+>/g, " ");
    expect(access).toContain("redis-03 … redis-12 (10&nbsp;hosts)");
    expect(section("access")).toMatch(
      /<th scope="row">app<\/th><td class="s-high"><span aria-label="allowed, dangerous">/,
    );
  });

  it("shows before and after, and what the earlier run had changed", () => {
    const since = section("since").replace(/<[^>]+>/g, " ");
    expect(since).toMatch(/1 worse, 1 better, 0 new, 0 gone/);
    expect(since).toMatch(/RK-NET-02 protected mode is on\s+high\s+redis-03\s+holds\s+fails: running no/);
    expect(section("changes")).toContain("redis.conf:bind");
    expect(htmlReport(mergeRuns([fleetRun()]))).not.toContain('id="since"');
  });

  it("shows a plan, although it has no checks", () => {
    const tasks = [
      taskRecord("bind", "Listen", [changeRecord("redis.conf:bind", "127.0.0.1", { before: "0.0.0.0" })]),
    ];
    const plan = htmlReport(
      mergeRuns([runRecord("plan", [hostRecord("redis-01", { status: "would-change", tasks })])]),
    );
    expect(plan).toContain("<h1>1 of 1&nbsp;host would change, in 1&nbsp;place.</h1>");
    expect(section("changes", plan)).toContain("<pre>0.0.0.0</pre>");
  });

  it("gives each host its own values where hosts share a row", () => {
    const hosts = ["redis-01", "redis-02"].map((host) =>
      hostRecord(host, { checks: allChecks(host, () => true) }),
    );
    const text = htmlReport(mergeRuns([runRecord("verify", hosts)]));
    expect(text).toContain("2&nbsp;hosts like redis-01");
    for (const host of ["redis-01", "redis-02"])
      expect(text).toContain(`<li><b>${host}</b>: otherwise on ${host}; expected`);
  });

  it("holds nothing that loads or runs, and forbids both by its policy", () => {
    const all = page + htmlReport(mergeRuns([hostileRun(HOSTILE)]));
    expect(all).not.toMatch(/<(script|img|iframe|object|embed|link|form|svg|base)\b/i);
    const tags = all.replace(/"[^"]*"/g, '""').match(/<[^>]+>/g) ?? [];
    expect(tags.filter((tag) => / (on\w+|src|style)=/.test(tag))).toEqual([]);
    expect(all).not.toMatch(/href="(?!#)/);
    expect(page).toMatch(
      /Content-Security-Policy" content="default-src 'none'; style-src 'sha256-[\w+/=]{44}'; base-uri 'none'; form-action 'none'"/,
    );
  });

  it("shows a host's words as text, never as markup", () => {
    expect(htmlReport(mergeRuns([hostileRun(HOSTILE)]))).toContain(
      "&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;",
    );
  });
});

describe("a thousand hosts", () => {
  it("that are nearly all alike are a small page", () => {
    const big = htmlReport(mergeRuns([fleetRun(1000)]));
    expect(big.length).toBeLessThan(1024 * 1024);
    expect(big).toContain("redis-1000");
  });

  it("that all differ still fit a page that opens, with the evidence of every cell", () => {
    const hosts = hostNames(1000).map((host, index) =>
      hostRecord(host, {
        checks: allChecks(
          host,
          (place) => (index * 7919 + place * 104729) % 11 === (index >> (place % 10)) % 11,
        ),
      }),
    );
    const big = htmlReport(mergeRuns([runRecord("verify", hosts)]));
    expect(big.length).toBeLessThan(16 * 1024 * 1024);
    const ids = new Set([...big.matchAll(/ id="(\w+)"/g)].map(([, id]) => id));
    const targets = new Set([...big.matchAll(/<td class="s-\w+"><a href="#(\w+)"/g)].map(([, id]) => id));
    expect([...targets].filter((id) => !ids.has(id))).toEqual([]);
  }, 60_000);
});
