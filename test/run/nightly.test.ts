import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { pruneRecords } from "../../src/history/kept-records.ts";
import type { RunRecord } from "../../src/record/record.ts";
import { State } from "../../src/state/state.ts";
import { startActingHost } from "../support/acting-host.ts";
import { type Outcome, redkeep } from "../support/cli.ts";
import { editedAnswer, type SectionEdits, withRunning } from "../support/facts.ts";
import { noonPerTest } from "../support/noon.ts";
import { perTest } from "../support/per-test.ts";
import { writeProject } from "../support/project.ts";
import { type RecordedHost, startRecordedHost } from "../support/recorded-host.ts";
import { hostRecord, runRecord } from "../support/records.ts";

const made = perTest();
const aMinuteLater = noonPerTest();

/** With these the stock host fails in one control: it has no bound on its memory (RK-LIM-01, medium). */
const TASK = "limits: { maxmemory: 512mb, lazyfree: false }";
const BASE = ["--skip-tags", "acl", "--state", "state", "--json", "run.json"];

const BOUNDED: SectionEdits = {
  running: withRunning("maxmemory", "536870912"),
  "config /etc/redis/redis.conf": (text) => `${text}maxmemory 512mb\n`,
};
const NO_KEEPALIVE: SectionEdits = { running: withRunning("tcp-keepalive", "0") };

interface Night extends Outcome {
  record: RunRecord;
}

/** A host that answers otherwise from night to night, and the nightly job that looks at it. */
async function startNights() {
  let edits: SectionEdits = {};
  const host: RecordedHost = made.servers.use(
    await startRecordedHost("stock", () => editedAnswer("stock", edits)),
  );
  const job = async (hosts: Parameters<typeof writeProject>[1], more: string[]): Promise<Night> => {
    aMinuteLater();
    const args = writeProject(made.directory, hosts, TASK);
    const outcome = await redkeep(["verify", ...args, ...BASE, ...more], { cwd: made.directory.path });
    const text = readFileSync(join(made.directory.path, "run.json"), "utf8");
    return { ...outcome, record: JSON.parse(text) };
  };
  return {
    /** `redkeep verify` without a terminal, on a host with these edits. */
    night: async (now: SectionEdits = {}, ...more: string[]) => {
      edits = now;
      return await job({ "redis-01": host }, more);
    },
    /** The same with the host away. */
    unreachable: async () => await job({ "redis-01": { port: 9, hostKey: host.hostKey } }, []),
    /** With another host in the fleet that is just the same. */
    withNewcomer: async () => await job({ "redis-01": host, "redis-02": host }, []),
  };
}

const kept = () => readdirSync(join(made.directory.path, "state/runs")).sort();
const today = () => new Date().toISOString().slice(0, 10);
/** A control told in full says what was wanted. */
const inFull = (control: string) => new RegExp(`✖ ${control} [^✖?]*wanted`);
const inOneLine = (control: string, hosts = "redis-01") =>
  new RegExp(`✖ ${control} [^✖?]*: ${hosts}, known\\s+since ${today()}`);

describe("a nightly verify", () => {
  it("shows a failure in full once, then in a line with its date, and ends with 6 every night", async () => {
    const { night } = await startNights();
    const first = await night();
    expect(first.exitCode).toBe(6);
    expect(first.stdout).toMatch(inFull("RK-LIM-01"));
    expect(first.stdout).not.toContain("known since");
    const [bound] = first.record.hosts[0]?.checks.filter(({ control }) => control === "RK-LIM-01") ?? [];
    expect(bound?.setting).toEqual({
      name: "maxmemory",
      wanted: "512mb",
      file: null,
      running: "0",
      pending: false,
    });
    const second = await night();
    expect(second.exitCode).toBe(6);
    expect(second.stdout).toMatch(inOneLine("RK-LIM-01"));
    expect(second.stdout).not.toMatch(inFull("RK-LIM-01"));
    const third = await night();
    const since = (night: Night) =>
      night.record.hosts[0]?.checks.find(({ control }) => control === "RK-LIM-01")?.since;
    expect([since(first), since(second), since(third)]).toEqual([
      undefined,
      first.record.startedAt,
      first.record.startedAt,
    ]);
    expect((await night({}, "-v")).stdout).toMatch(inFull("RK-LIM-01"));
  });

  it("shows a new failure in full beside a known one", async () => {
    const { night } = await startNights();
    await night();
    const { stdout } = await night(NO_KEEPALIVE);
    expect(stdout).toMatch(inFull("RK-NET-09"));
    expect(stdout).toMatch(inOneLine("RK-LIM-01"));
  });

  it("says what got better, and is one line the night after", async () => {
    const { night } = await startNights();
    await night(NO_KEEPALIVE);
    const better = await night();
    expect(better.stdout).toMatch(
      /Better \(1\)\n✔ RK-NET-09 .*\n?.*redis-01: fails: tcp-keepalive 0 → holds/,
    );
    const cured = await night(BOUNDED);
    expect(cured.exitCode).toBe(0);
    expect(cured.stdout).toContain("Better (1)");
    const quiet = await night(BOUNDED);
    expect(quiet.stdout).toMatch(/^1 host: .* 0 fail, .*exit 0\n$/);
  });

  it("calls a failure new where its check passed in between or it got worse", async () => {
    const { night } = await startNights();
    await night(NO_KEEPALIVE);
    await night();
    expect((await night(NO_KEEPALIVE)).stdout).toMatch(inFull("RK-NET-09"));
    const worse = await night({ running: withRunning("tcp-keepalive", "-1") });
    expect(worse.stdout).toMatch(inFull("RK-NET-09"));
  });

  it("neither forgets nor repeats a failure of a host that was unreachable for a night", async () => {
    const { night, unreachable } = await startNights();
    const first = await night();
    const away = await unreachable();
    expect(away.exitCode).toBe(4);
    expect(away.stdout).toContain("redis-01  unreachable: connect");
    const still = await unreachable();
    expect(still.stdout).toMatch(/✖ unreachable: connect: redis-01, known since/);
    expect(still.stdout).not.toContain("Found");
    const back = await night();
    expect(back.stdout).toMatch(/Better \(1\)\n✔ redis-01: unreachable/);
    expect(back.stdout).toMatch(inOneLine("RK-LIM-01"));
    const check = back.record.hosts[0]?.checks.find(({ control }) => control === "RK-LIM-01");
    expect(check?.since).toBe(first.record.startedAt);
  });

  it("does not compare with runs of another playbook or other tags", async () => {
    const { night } = await startNights();
    await night();
    expect((await night({}, "--skip-tags", "network")).stdout).toMatch(inFull("RK-LIM-01"));
    // The run with tags has broken no series.
    expect((await night()).stdout).toMatch(inOneLine("RK-LIM-01"));
  });

  it("shows every failure of a new host in full, beside a known host", async () => {
    const { night, withNewcomer } = await startNights();
    await night();
    const { stdout } = await withNewcomer();
    expect(stdout).toMatch(/✖ RK-LIM-01 [^✖?]*redis-02: [^✖?]*wanted/);
    expect(stdout).toMatch(inOneLine("RK-LIM-01"));
  });

  it("is one line where every failure is known and below --fail-on", async () => {
    const { night } = await startNights();
    await night({}, "--fail-on", "high");
    const { stdout, exitCode } = await night({}, "--fail-on", "high");
    expect(exitCode).toBe(0);
    expect(stdout.replaceAll("\n", " ")).toMatch(/^1 host: .*1 failure is below high.* exit 0 $/);
  });

  it("ends the same where its record cannot be kept, and says so", async () => {
    const { night } = await startNights();
    mkdirSync(join(made.directory.path, "state"), { mode: 0o700 });
    writeFileSync(join(made.directory.path, "state/runs"), "");
    const { exitCode, stdout, stderr } = await night();
    expect(exitCode).toBe(6);
    expect(stdout).toMatch(inFull("RK-LIM-01"));
    expect(stderr).toMatch(/warning: the next run has nothing to compare with.*runs/);
  });
});

describe("the run records that the controller keeps", () => {
  const seed = (name: string, record: Partial<RunRecord>) => {
    mkdirSync(join(made.directory.path, "state/runs"), { recursive: true, mode: 0o700 });
    writeFileSync(
      join(made.directory.path, "state/runs", name),
      JSON.stringify({ ...runRecord("verify", [hostRecord("redis-01")]), ...record }, null, 2),
    );
  };
  const name = (minute: number, rest: string) =>
    `2026-01-01T00-${String(minute).padStart(2, "0")}-00.000Z-${rest}.json`;

  it("are plain files: a pipe under a record's name does not make a run wait", async () => {
    const { night } = await startNights();
    const folder = join(made.directory.path, "state/runs");
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    await promisify(execFile)("mkfifo", [join(folder, name(0, "verify-00000a"))]);
    expect((await night()).stdout).toMatch(inFull("RK-LIM-01"));
  });

  it("are the newest 50 of each command and shard, and other files in the folder stay", async () => {
    const { night } = await startNights();
    for (let minute = 0; minute < 55; minute++) seed(name(minute, "verify-00000a"), {});
    seed(name(0, "verify-2of3-00000a"), {});
    seed(name(0, "apply-00000a"), { command: "apply" });
    seed("2026-01-01T00-00-00.000Z.json", { command: "apply" });
    const folder = join(made.directory.path, "state/runs");
    writeFileSync(join(folder, "notes.txt"), "mine");
    writeFileSync(join(folder, name(1, "verify-00000b")), "not a record");
    mkdirSync(join(folder, name(2, "verify-00000c")));
    await night();
    const left = kept();
    expect(left).toContain("notes.txt");
    expect(left).toContain(name(1, "verify-00000b"));
    expect(left).toContain(name(2, "verify-00000c"));
    expect(left).toContain(name(0, "verify-2of3-00000a"));
    expect(left).toContain(name(0, "apply-00000a"));
    expect(left).toContain("2026-01-01T00-00-00.000Z.json");
    const verifies = left.filter((file) => /^2026-01-01.*-verify-00000a/.test(file));
    expect(verifies).toHaveLength(49);
    expect(verifies[0]).toBe(name(6, "verify-00000a"));
  });

  it("never lose the last apply that left hosts as wanted, however many were refused after it", async () => {
    const ended = (status: "changed" | "refused") => runRecord("apply", [hostRecord("redis-01", { status })]);
    seed(name(0, "apply-00000a"), ended("changed"));
    seed(name(1, "apply-00000a"), ended("changed"));
    for (let minute = 2; minute < 53; minute++) seed(name(minute, "apply-00000a"), ended("refused"));
    await pruneRecords(await State.open("state", undefined, made.directory.path), "apply");
    expect(kept()).toHaveLength(51);
    expect(kept().slice(0, 2)).toEqual([name(1, "apply-00000a"), name(3, "apply-00000a")]);
  });

  it("are one for each apply, and none for a plan", async () => {
    const host = made.servers.use(await startActingHost());
    const args = writeProject(
      made.directory,
      { "redis-01": host },
      "limits: { maxmemory: 512mb, maxclients: 9000, nofile: 64 }",
    );
    const run = (...words: string[]) =>
      redkeep([...words, ...args, "--state", "state"], { cwd: made.directory.path });
    expect((await run("plan")).exitCode).toBe(2);
    expect(existsSync(join(made.directory.path, "state"))).toBe(false);
    expect((await run("apply", "--yes")).exitCode).toBe(0);
    expect(kept()).toEqual([expect.stringMatching(/^\d{4}-.*Z-apply-[0-9a-f]{6}\.json$/)]);
  });

  it("are pruned without an error by two runs at once", async () => {
    const { night } = await startNights();
    for (let minute = 0; minute < 59; minute++) seed(name(minute, "verify-00000a"), {});
    await Promise.all([night(), night()]);
    expect(kept()).toHaveLength(50);
  });
});
