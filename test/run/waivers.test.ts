import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { RunRecord } from "../../src/record/record.ts";
import { type Outcome, redkeep } from "../support/cli.ts";
import { perTest } from "../support/per-test.ts";
import { writeProject } from "../support/project.ts";
import { startRecordedHost } from "../support/recorded-host.ts";

const made = perTest();

/** The stock host has no bound on its memory: RK-LIM-01 (medium) fails. Its users, open to all, are another matter. */
const TASK = "limits: { maxmemory: 512mb, lazyfree: false }";

async function verify(...more: string[]): Promise<Outcome & { record: RunRecord }> {
  const host = made.servers.use(await startRecordedHost("stock"));
  const args = writeProject(made.directory, { "redis-01": host }, TASK);
  const outcome = await redkeep(
    ["verify", ...args, "--skip-tags", "acl", "--state", "state", "--json", "run.json", ...more],
    { cwd: made.directory.path },
  );
  return { ...outcome, record: JSON.parse(readFileSync(join(made.directory.path, "run.json"), "utf8")) };
}

function waive(text: string, file = "waivers.yml"): void {
  made.directory.write(file, text);
}

async function refused(text: string): Promise<string> {
  waive(text);
  const args = writeProject(made.directory, { "redis-01": { port: 9 } }, TASK);
  const { exitCode, stderr } = await redkeep(["verify", ...args], { cwd: made.directory.path });
  expect(exitCode).toBe(1);
  expect(stderr).toContain("No host was touched.");
  return stderr;
}

const entry = (parts: Record<string, string> = {}) =>
  `- ${Object.entries({
    control: "RK-LIM-01",
    hosts: "all",
    reason: "a cache that is never full",
    owner: "anna",
    expires: "2999-12-31",
    ...parts,
  })
    .map(([key, value]) => `${key}: ${value}`)
    .join("\n  ")}\n`;

describe("the waivers in waivers.yml beside the inventory", () => {
  it("keep a waived failure out of the exit code, and are recorded", async () => {
    expect((await verify()).exitCode).toBe(6);
    waive(entry());
    const { exitCode, record, stdout } = await verify();
    expect(exitCode).toBe(0);
    expect(record.waivers).toMatchObject([{ control: "RK-LIM-01", state: "active" }]);
    const check = record.hosts[0]?.checks.find(({ control }) => control === "RK-LIM-01");
    expect(check).toMatchObject({ outcome: "skip", waiver: { owner: "anna", expires: "2999-12-31" } });
    expect(record.summary.checks.fail).toBe(0);
    expect(stdout).toContain("skipped (1 waived)");
  });

  it("no longer cover a failure once they have expired, which verify says first", async () => {
    waive(entry({ expires: "2020-01-31" }));
    const { exitCode, record, stdout } = await verify();
    expect(exitCode).toBe(6);
    expect(record.waivers).toMatchObject([{ state: "expired" }]);
    expect(stdout.match(/(the waiver expired|memory is bounded)/g)).toEqual([
      "the waiver expired",
      "memory is bounded",
    ]);
  });

  it("are another file with --waivers, which the next command repeats", async () => {
    waive("no list");
    waive(entry({ control: "RK-LIM-02" }), "other.yml");
    const { exitCode, stdout } = await verify("--waivers", "other.yml");
    expect(exitCode).toBe(6);
    expect(stdout).toContain("--waivers other.yml");
  });

  it("with a pattern that matches no host give a warning", async () => {
    waive(entry({ hosts: "redis-1" }));
    const { exitCode, stderr } = await verify();
    expect(exitCode).toBe(6);
    expect(stderr).toContain(
      'warning: waivers.yml:2:3  [0].hosts: no host or group of the inventory matches "redis-1". Did you mean "redis-01"?',
    );
  });
});

describe("a mistake among the waivers ends the run before any host is reached", () => {
  it.each([
    [
      "a control that is none",
      entry({ control: "RK-LIM-1" }),
      'waivers.yml:1:3  [0].control: there is no control "RK-LIM-1". Did you mean "RK-LIM-01"?',
    ],
    [
      "an unknown key",
      entry({ ower: "anna" }),
      'waivers.yml:6:3  [0].ower: unknown key. Did you mean "owner"?',
    ],
    [
      "a day that the calendar lacks",
      entry({ expires: "2026-02-30" }),
      'waivers.yml:5:3  [0].expires: should be a date such as 2027-03-31, the last day on which it holds, found "2026-02-30"',
    ],
    ["no reason", entry({ reason: '""' }), 'waivers.yml:3:3  [0].reason: should be some text, found ""'],
    ["a mapping", "control: RK-LIM-01\n", "waivers.yml:1:1  should be a list, found a mapping"],
  ])("%s", async (_, text, message) => {
    expect(await refused(text)).toContain(message);
  });

  it("a file that does not exist", async () => {
    const args = writeProject(made.directory, { "redis-01": { port: 9 } }, TASK);
    const { exitCode, stderr } = await redkeep(["plan", ...args, "--waivers", "none.yml"], {
      cwd: made.directory.path,
    });
    expect(exitCode).toBe(1);
    expect(stderr).toContain("none.yml  does not exist");
  });
});

describe("--fail-on", () => {
  it("counts only failures of its severity or graver for exit code 6, and is recorded", async () => {
    const high = await verify("--fail-on", "high");
    expect(high.exitCode).toBe(0);
    expect(high.record).toMatchObject({ failOn: "high", exitCode: 0, summary: { checks: { fail: 1 } } });
    expect((await verify("--fail-on", "medium")).exitCode).toBe(6);
  });

  it("refuses a word that is no severity", async () => {
    const { exitCode, stderr } = await redkeep(["verify", "-i", "hosts.yml", "--fail-on", "bad"], {
      cwd: made.directory.path,
    });
    expect(exitCode).toBe(1);
    expect(stderr).toContain("critical, high, medium, low, info");
  });
});
