import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { RunRecord } from "../../src/record/record.ts";
import { startActingHost } from "../support/acting-host.ts";
import { type Outcome, redkeep } from "../support/cli.ts";
import { editedAnswer, withRunning } from "../support/facts.ts";
import { noonPerTest } from "../support/noon.ts";
import { perTest } from "../support/per-test.ts";
import { writeProject } from "../support/project.ts";
import { startRecordedHost } from "../support/recorded-host.ts";

const made = perTest();
const aMinuteLater = noonPerTest();

/** The stock host with a bound on its memory: with these tags left out, it fails in nothing. */
const BOUNDED = {
  running: withRunning("maxmemory", "536870912"),
  "config /etc/redis/redis.conf": (text: string) => `${text}maxmemory 512mb\n`,
};
const bounded = () => editedAnswer("stock", BOUNDED);
const BASE = ["--skip-tags", "acl", "--state", "state"];

const DEMAND = "unknown to the server: FLUSHDB, FLUSHALL, DEBUG, KEYS, CONFIG, SHUTDOWN, SLAVEOF, REPLICAOF";

const inDays = (days: number) => new Date(Date.now() + days * 24 * 60 * 60 * 1000).toISOString().slice(0, 10);
/** It takes no command away, as long as `until` says. */
const task = (until?: string) =>
  `rename-command: { commands: {}${until === undefined ? "" : `, commands_until: "${until}"`} }`;

async function run(
  command: "plan" | "verify",
  until?: string,
  ...more: string[]
): Promise<Outcome & { record: RunRecord }> {
  aMinuteLater();
  const host = made.servers.use(await startRecordedHost("stock", bounded));
  const args = writeProject(made.directory, { "redis-01": host }, task(until));
  const outcome = await redkeep([command, ...args, ...BASE, "--json", "run.json", ...more], {
    cwd: made.directory.path,
  });
  const record = JSON.parse(readFileSync(join(made.directory.path, "run.json"), "utf8"));
  return { ...outcome, record };
}

const checkOf = ({ hosts }: RunRecord) => hosts[0]?.checks.find(({ control }) => control === "RK-CMD-03");
/** Lines are wrapped where they end. */
const unwrapped = (text: string) => text.replace(/\s+/g, " ");

describe("a weakening that the playbook asks for", () => {
  it("is reported and counted, ends with 0, and is no pass", async () => {
    const { exitCode, record, stdout } = await run("verify", undefined, "-v");
    expect(exitCode).toBe(0);
    expect(checkOf(record)).toMatchObject({
      outcome: "skip",
      expected: DEMAND,
      allowed: { parameter: "rename-command.commands: {}", reason: "allowed by the playbook" },
    });
    expect(record.summary.checks.allowed).toBe(1);
    expect(record.hosts[0]?.allowed).toEqual([
      {
        parameter: "rename-command.commands: {}",
        controls: ["RK-CMD-03"],
        state: "open",
        reason: "allowed by the playbook",
      },
    ]);
    const text = unwrapped(stdout);
    expect(text).toContain(
      `- RK-CMD-03 the renamed commands are gone under their old names (high): rename-command.commands: {} is allowed by the playbook redis-01: no command is taken away; demanded ${DEMAND}`,
    );
    expect(text).toMatch(/skipped \(1 allowed by the playbook\)/);
  });

  it("is counted in the one line of a nightly verify", async () => {
    await run("verify");
    const { stdout } = await run("verify");
    expect(stdout).toMatch(
      /^1 host: .* 0 fail, .*\(1 allowed by the playbook\)\. Not proven: RK-.*\. +exit 0\n$/,
    );
  });

  it("is shown by a plan, which makes no checks", async () => {
    const { stdout } = await run("plan");
    expect(unwrapped(stdout)).toContain(
      "Allowed by the playbook, though a control demands more - rename-command.commands: {} (RK-CMD-03): redis-01",
    );
  });

  it.each(["plan", "verify"] as const)(
    "is announced by %s in its last weeks, also by a nightly verify",
    async (command) => {
      const until = inDays(10);
      await run(command, until);
      const { exitCode, record, stdout } = await run(command, until);
      expect(exitCode).toBe(0);
      expect(record.hosts[0]?.allowed).toMatchObject([{ state: "ending", until }]);
      expect(unwrapped(stdout)).toContain(
        `! rename-command.commands: {} is allowed by the playbook until ${until}, in 10 days (redis-01): RK-CMD-03 fails from then on`,
      );
      const { stdout: early } = await run(command, inDays(31));
      expect(early).not.toContain("! rename-command");
    },
  );

  it("is a failure from the day of NAME_until on", async () => {
    const until = inDays(0);
    const { exitCode, record, stdout } = await run("verify", until);
    expect(exitCode).toBe(6);
    expect(checkOf(record)).toMatchObject({ outcome: "fail", allowed: { until } });
    expect(record.summary.checks).toMatchObject({ fail: 1 });
    expect(record.summary.checks).not.toHaveProperty("allowed");
    const text = unwrapped(stdout);
    expect(text).toContain(
      `✖ rename-command.commands: {} was allowed by the playbook until ${until} (redis-01): RK-CMD-03 fails. Change it, or name a later day`,
    );
    expect(text).toContain(`rename-command.commands: {} was allowed by the playbook until ${until}`);
    expect((await run("verify", until, "--fail-on", "critical")).exitCode).toBe(0);
    expect((await run("plan", until)).stdout).toContain("was allowed by the playbook");
  });

  it("is covered by a waiver from that day on, as any failure", async () => {
    made.directory.write(
      "waivers.yml",
      "- { control: RK-CMD-03, hosts: all, reason: moves, owner: anna, expires: 2999-12-31 }\n",
    );
    const { exitCode, record, stdout } = await run("verify", inDays(-3), "-v");
    expect(exitCode).toBe(0);
    expect(record.waivers).toMatchObject([{ state: "active" }]);
    expect(checkOf(record)).toMatchObject({ outcome: "skip", waiver: { owner: "anna" } });
    const text = unwrapped(stdout);
    expect(text).toMatch(/skipped \(1 waived\)/);
    expect(text).toContain("(redis-01): RK-CMD-03 waived until 2999-12-31 by anna: moves");
    expect(text).not.toContain("✖");
    await redkeep(["report", "run.json", "--markdown", "r.md"], { cwd: made.directory.path });
    const markdown = readFileSync(join(made.directory.path, "r.md"), "utf8");
    expect(markdown).toMatch(/skipped \(1 waived\)/);
    expect(markdown).toContain("| ended, waived |");
  });

  it("appears in every report, and counts as no failure there", async () => {
    const until = inDays(100);
    await run("verify", until);
    const formats = {
      html: "r.html",
      junit: "r.xml",
      sarif: "r.sarif",
      markdown: "r.md",
      prometheus: "r.prom",
    };
    const args = Object.entries(formats).flatMap(([format, file]) => [`--${format}`, file]);
    const { exitCode } = await redkeep(["report", "run.json", ...args], { cwd: made.directory.path });
    expect(exitCode).toBe(0);
    const read = (file: string) => readFileSync(join(made.directory.path, file), "utf8");
    const reason = `allowed by the playbook until ${until}, in 100 days`;
    expect(read(formats.html)).toContain(`<code>rename-command.commands: {}</code> ${reason}`);
    expect(read(formats.html)).toContain("unmet, allowed by the playbook");
    expect(read(formats.junit)).toContain(
      `<skipped message="${reason}: rename-command.commands: {}; found no command is taken away`,
    );
    const { results } = JSON.parse(read(formats.sarif)).runs[0];
    expect(results).toMatchObject([
      {
        ruleId: "RK-CMD-03",
        suppressions: [{ status: "accepted", justification: `${reason}: rename-command.commands: {}` }],
      },
    ]);
    expect(read(formats.markdown)).toMatch(/### Allowed by the playbook[^#]*RK-CMD-03/);
    expect(read(formats.prometheus)).toContain(
      'redkeep_check_allowed{host="redis-01",control="RK-CMD-03",severity="high"} 1',
    );
    expect(read(formats.prometheus)).toContain(
      `redkeep_allowed_until_timestamp_seconds{host="redis-01",parameter="rename-command.commands: {}"} ${Date.parse(until) / 1000}`,
    );
  });

  it("compares as worse than a pass, and better than a failure", async () => {
    const write = (name: string, outcome: "pass" | "skip" | "fail", record: RunRecord) => {
      const hosts = record.hosts.map((host) => ({
        ...host,
        checks: host.checks.map((check) => (check.control === "RK-CMD-03" ? { ...check, outcome } : check)),
      }));
      made.directory.write(name, JSON.stringify({ ...record, hosts }));
    };
    const { record } = await run("verify");
    for (const outcome of ["pass", "skip", "fail"] as const) write(`${outcome}.json`, outcome, record);
    const diff = async (before: string, after: string) =>
      await redkeep(["diff", before, after], { cwd: made.directory.path });
    expect(unwrapped((await diff("pass.json", "skip.json")).stdout)).toContain(
      "holds → allowed by the playbook: no command is taken away",
    );
    expect((await diff("pass.json", "skip.json")).exitCode).toBe(6);
    expect((await diff("fail.json", "skip.json")).exitCode).toBe(0);
    expect((await diff("skip.json", "fail.json")).exitCode).toBe(6);
    expect((await diff("skip.json", "pass.json")).stdout).toContain("Better (1)");
  });

  it("never makes an apply roll back, before or after that day", async () => {
    for (const until of [inDays(10), inDays(-10)]) {
      const host = made.servers.use(await startActingHost());
      const args = writeProject(
        made.directory,
        { "redis-01": host },
        `limits: { maxmemory: 512mb, maxclients: 9000, nofile: 64 }\n    - ${task(until)}`,
      );
      const { exitCode, stdout } = await redkeep(
        ["apply", ...args, ...BASE, "--yes", "--json", "apply.json"],
        {
          cwd: made.directory.path,
        },
      );
      const record: RunRecord = JSON.parse(readFileSync(join(made.directory.path, "apply.json"), "utf8"));
      expect(record.hosts[0]).toMatchObject({ status: "changed", error: null });
      expect(host.state).toBe("committed");
      expect(exitCode).toBe(until > inDays(0) ? 0 : 6);
      expect(stdout).toContain("allowed by the playbook");
    }
  });
});

describe("a wrong NAME_until ends the run before any host is reached", () => {
  it.each([
    ["2027-02-30", "should be a date such as 2027-03-31, the first day on which it is a failure"],
    ["soon", "should be a date such as 2027-03-31"],
  ])("%s", async (until, message) => {
    const args = writeProject(made.directory, { "redis-01": { port: 9 } }, task(until));
    const { exitCode, stderr } = await redkeep(["plan", ...args], { cwd: made.directory.path });
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`site.yml:3:39  tasks[0].rename-command.commands_until: ${message}`);
    expect(stderr).toContain("No host was touched.");
  });

  it("beside a value that weakens nothing", async () => {
    const args = writeProject(
      made.directory,
      { "redis-01": { port: 9 } },
      "tls: { plain_port: 0, plain_port_until: 2027-03-31 }",
    );
    const { exitCode, stderr } = await redkeep(["plan", ...args], { cwd: made.directory.path });
    expect(exitCode).toBe(1);
    expect(stderr).toContain(
      'site.yml:3:29  tasks[0].tls.plain_port_until: should be left out: plain_port weakens nothing here that could end, found "2027-03-31"',
    );
  });
});
