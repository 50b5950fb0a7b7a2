import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { timeless } from "../../src/history/compare.ts";
import type { RunRecord } from "../../src/record/record.ts";
import { type Directory, temporaryDirectory } from "../connection/support/server.ts";
import { type Outcome, redkeep } from "../support/cli.ts";
import { earlierRun, fleetRun } from "../support/fleet.ts";
import { writeProject } from "../support/project.ts";
import { startRecordedHost } from "../support/recorded-host.ts";

let directory: Directory;
beforeEach(() => {
  directory = temporaryDirectory();
});
afterEach(() => directory[Symbol.dispose]());

const run = (...args: string[]): Promise<Outcome> => redkeep(args, { cwd: directory.path });
const write = (name: string, record: RunRecord) =>
  writeFileSync(join(directory.path, name), JSON.stringify(record));
const read = (name: string) => readFileSync(join(directory.path, name), "utf8");

describe("redkeep report", () => {
  it("writes every format that is asked for, and ends with 0 whatever the run found", async () => {
    write("run.json", fleetRun());
    const files = {
      html: /^<!doctype html>/,
      junit: /^<\?xml/,
      sarif: /^\{"\$schema"/,
      markdown: /^## redkeep/,
      prometheus: /^# HELP/,
      json: /^\{\n {2}"schema"/,
    };
    const formats = Object.keys(files);
    const { exitCode, stdout, stderr } = await run(
      "report",
      "run.json",
      ...formats.flatMap((format) => [`--${format}`, `out.${format}`]),
    );
    expect({ exitCode, stdout, stderr }).toEqual({ exitCode: 0, stdout: "", stderr: "" });
    for (const [format, begin] of Object.entries(files)) expect(read(`out.${format}`)).toMatch(begin);
    expect(JSON.parse(read("out.json"))).toEqual(fleetRun());
    // The record is its owner's; a collector that runs as somebody else has to read the metrics.
    expect(statSync(join(directory.path, "out.json")).mode & 0o077).toBe(0);
    expect(statSync(join(directory.path, "out.prometheus")).mode & 0o600).toBe(0o600);
  });

  it("writes to stdout for -", async () => {
    write("run.json", fleetRun());
    const { stdout } = await run("report", "run.json", "--junit", "-");
    expect(stdout).toMatch(/^<\?xml[\s\S]*<\/testsuites>\n$/);
  });

  it("prints the merged run as text where no format is asked for, with the hosts of all shards", async () => {
    const whole = fleetRun();
    write("a.json", { ...whole, hosts: whole.hosts.slice(0, 6) });
    write("b.json", { ...whole, startedAt: "2026-11-24T06:30:13.000Z", hosts: whole.hosts.slice(6) });
    const { exitCode, stdout } = await run("report", "a.json", "b.json");
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(
      /^12 hosts \(11 × Redis 7\.0\.15|^12 hosts \(Redis 7\.0\.15, Debian GNU\/Linux 12 \(bookworm\)\), 68 controls\n/,
    );
    expect(stdout).toMatch(/exit 3\n$/);
  });

  it.each([
    ["a record that is none", ["report", "odd.json", "--html", "-"], /odd\.json {2}should be a run record/],
    ["a record that is not there", ["report", "none.json"], /none\.json {2}does not exist/],
    ["no record", ["report"], /missing required argument/],
    [
      "one file for two formats",
      ["report", "run.json", "--html", "x", "--junit", "x"],
      /--junit: would be written over what --html writes: both name x/,
    ],
    [
      "one file for two formats, named in two ways",
      ["report", "run.json", "--html", "x", "--junit", "./x"],
      /--junit: would be written over what --html writes/,
    ],
    [
      "to write over the record that it reads",
      ["report", "run.json", "--html", "./run.json"],
      /--html: would be written over the run record \.\/run\.json/,
    ],
    [
      "to write a comparison over one of its records",
      ["diff", "run.json", "run.json", "--json", "run.json"],
      /--json: would be written over the run record run\.json/,
    ],
    ["a record that is a part of none", ["report", "part.json"], /part\.json {2}shard: .*from 1 to N/],
    ["a folder that is not there", ["report", "run.json", "--html", "none/x.html"], /none/],
    ["half a comparison", ["diff", "run.json"], /missing required argument/],
  ])("refuses %s with exit code 1", async (_, args, message) => {
    write("run.json", fleetRun());
    writeFileSync(join(directory.path, "odd.json"), "{}");
    write("part.json", { ...fleetRun(), shard: { index: 9, count: 3 } });
    const { exitCode, stdout, stderr } = await run(...args);
    expect(stderr).toMatch(message);
    expect(exitCode).toBe(1);
    expect(stdout).toBe("");
    expect(JSON.parse(read("run.json"))).toEqual(fleetRun());
  });

  it("refuses a record with more shards than --shard takes, since listing the missing ones would fill the memory", async () => {
    write("run.json", { ...fleetRun(), shard: { index: 1, count: 1_000_000_000 } });
    const { exitCode, stderr } = await run("report", "run.json");
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/run\.json {2}shard\.count: should be a run record: Too big/);
  });
});

describe("redkeep diff", () => {
  beforeEach(() => {
    write("before.json", earlierRun());
    write("after.json", fleetRun());
  });

  it("ends with 6 where something got worse, and with 0 where nothing did", async () => {
    expect((await run("diff", "before.json", "after.json")).exitCode).toBe(6);
    expect(await run("diff", "after.json", "after.json")).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining("Nothing differs."),
    });
  });

  it("writes the differences as JSON, the text then to stderr", async () => {
    const { stdout, stderr } = await run("diff", "before.json", "after.json", "--json", "-");
    expect(JSON.parse(stdout)).toMatchObject({
      schema: "redkeep.diff/1",
      counts: { worse: 1, better: 1 },
      differences: [{ direction: "worse", control: "RK-NET-02", host: "redis-03" }, { direction: "better" }],
    });
    expect(stderr).toContain("Worse (1)");
  });
});

describe("shards of one run, merged", () => {
  it("are the record of the whole run: the same hosts in the same order, counts and exit code", async () => {
    await using stack = new AsyncDisposableStack();
    const hosts: Parameters<typeof writeProject>[1] = {};
    for (const [index, kind] of ["stock", "hardened", "stock", "redis-8-stock", "aof"].entries())
      hosts[`redis-0${index + 1}`] = stack.use(await startRecordedHost(kind));
    const args = writeProject(directory, { ...hosts, "redis-06": { port: 9 } });
    const verify = async (file: string, ...more: string[]) =>
      (await run("verify", ...args, "--state", `state-${file}`, "--json", file, ...more)).exitCode;
    const whole = await verify("whole.json");
    const shards = [1, 2, 3].map((index) => `shard-${index}.json`);
    const codes = await Promise.all(shards.map((file, index) => verify(file, "--shard", `${index + 1}/3`)));
    expect(shards.map((file) => JSON.parse(read(file)).hosts.length).sort()).not.toContain(6);
    const merged = await run("report", "--exit-code", ...shards.toReversed(), "--json", "merged.json");
    expect(merged).toMatchObject({ exitCode: whole, stderr: "" });
    expect(codes).toContain(whole);
    expect(steady(read("merged.json"))).toEqual(steady(read("whole.json")));
  });

  it("end with 3 where the record of one shard is missing, and name it", async () => {
    await using host = await startRecordedHost("stock");
    const args = writeProject(directory, { "redis-01": host });
    for (const index of [1, 2])
      await run("verify", ...args, "--shard", `${index}/3`, "--json", `shard-${index}.json`);
    const { exitCode, stderr, stdout } = await run(
      "report",
      "--exit-code",
      "shard-1.json",
      "shard-2.json",
      "--markdown",
      "-",
    );
    expect(exitCode).toBe(3);
    expect(stderr).toBe("warning: Shard 3 is missing: its hosts are not here.\n");
    expect(stdout).toContain("Shard 3 is missing: its hosts are not here.");
  });
});

/** A record without what no two runs have alike: times, and the days that they say. */
function steady(text: string): unknown {
  const times = ["startedAt", "durationMs", "shard"];
  return JSON.parse(text, (key, value) => {
    if (times.includes(key)) return undefined;
    return key === "observed" || key === "reason" ? timeless(value ?? "") : value;
  });
}

it("a run record says where the inventory names a host and what runs there", async () => {
  await using host = await startRecordedHost("stock");
  const { stdout } = await run(
    "plan",
    ...writeProject(directory, { "redis-01": host, "redis-02": { port: 9 } }),
    "--json",
    "-",
  );
  const { hosts }: RunRecord = JSON.parse(stdout);
  expect(hosts.map(({ place }) => place)).toEqual([
    { file: "hosts.yml", line: 3 },
    { file: "hosts.yml", line: 4 },
  ]);
  expect(hosts.map(({ server }) => server)).toEqual([
    { product: "Redis", version: "7.0.15", system: "Debian GNU/Linux 12 (bookworm)", role: "master" },
    undefined,
  ]);
  writeFileSync(join(directory.path, "run.json"), stdout);
  expect((await run("report", "run.json", "--html", "-")).stdout).toContain("hosts.yml:3");
});
