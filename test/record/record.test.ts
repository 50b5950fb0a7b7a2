import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { runRecordJsonSchema } from "../../src/record/json-schema.ts";
import { readRunRecord } from "../../src/record/read-record.ts";
import type { RunRecord } from "../../src/record/record.ts";
import { earlierRun, fleetRun } from "../support/fleet.ts";
import { errorRecord, hostRecord, runRecord } from "../support/records.ts";

const published = JSON.parse(
  readFileSync(join(import.meta.dirname, "../../schema/run-record.schema.json"), "utf8"),
);

describe("the published schema", () => {
  it("is the one that the program reads records with: `npm run schema` writes it", () => {
    expect(published).toEqual(JSON.parse(JSON.stringify(runRecordJsonSchema())));
  });

  it("takes records, and those with keys of a later version", () => {
    const schema = z.fromJSONSchema(published);
    for (const record of [fleetRun(), earlierRun(), { ...fleetRun(), later: true }])
      expect(schema.safeParse(record).error).toBeUndefined();
  });

  it("refuses a record with an unknown outcome or without hosts", () => {
    const schema = z.fromJSONSchema(published);
    const text = JSON.stringify(fleetRun()).replace('"outcome":"pass"', '"outcome":"fine"');
    expect(schema.safeParse(JSON.parse(text)).success).toBe(false);
    expect(schema.safeParse({ ...fleetRun(), hosts: undefined }).success).toBe(false);
  });
});

describe("reading a record", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "redkeep-read-"));
  });
  afterAll(async () => await rm(folder, { recursive: true, force: true }));

  const text = JSON.stringify(fleetRun(), null, 2);
  async function read(content: string) {
    await writeFile(join(folder, "run.json"), content);
    return await readRunRecord("run.json", folder);
  }

  it("gives the status `restored` to a host that a rollback of an earlier version restored as asked", async () => {
    const hosts = [
      hostRecord("redis-01", { status: "rolled-back" }),
      hostRecord("redis-02", { status: "failed", error: errorRecord() }),
    ];
    const old = (command: RunRecord["command"]) => {
      const { summary, ...rest } = runRecord(command, hosts);
      const { restored, ...counts } = summary;
      return JSON.stringify({ ...rest, summary: counts });
    };
    const { hosts: after, summary } = await read(old("rollback"));
    expect(after.map(({ status }) => status)).toEqual(["restored", "failed"]);
    expect(summary).toMatchObject({ rolledBack: 0, restored: 1, failed: 1 });
    const apply = await read(old("apply"));
    expect(apply.hosts[0]?.status).toBe("rolled-back");
    expect(apply.summary).toMatchObject({ rolledBack: 1 });
  });

  it("returns the record that was written", async () => {
    expect(await read(text)).toEqual(fleetRun());
  });

  it.each([
    ["no JSON", "hello", "run.json  should be a run record, found no JSON"],
    [
      "a record that is cut off",
      text.slice(0, 5000),
      "run.json  should be a run record, found one that is cut off: its JSON does not end",
    ],
    [
      "another JSON file",
      '{"name":"x"}',
      'run.json  should be a run record (schema "redkeep.run/1"), found another JSON file',
    ],
    ["a list", "[]", 'run.json  should be a run record (schema "redkeep.run/1"), found another JSON file'],
    [
      "a newer schema",
      text.replace("redkeep.run/1", "redkeep.run/2"),
      "run.json  was written by another version of redkeep: this one reads redkeep.run/1, found redkeep.run/2",
    ],
    [
      "a wrong value",
      text.replace('"line": 5', '"line": "5"'),
      "run.json  hosts[0].place.line: should be a run record: expected number, found string",
    ],
  ])("refuses %s in one line", async (_, content, message) => {
    await expect(read(content)).rejects.toThrow(expect.objectContaining({ message }));
  });

  const withAccess = (commands: number, users: number) => {
    const record = fleetRun(1);
    const allowed = Array.from({ length: commands }, () => true);
    const access = {
      method: "ACL DRYRUN",
      commands: allowed.map((_, index) => ({ command: `C${index}`, dangerous: true })),
      users: Array.from({ length: users }, (_, index) => ({
        user: `u${index}`,
        enabled: true,
        nopass: false,
        allowed,
      })),
    };
    return { ...record, hosts: record.hosts.map((host) => ({ ...host, access })) };
  };
  const withControls = (count: number, times: number) => {
    const record = fleetRun(1);
    const [like] = fleetRun().hosts.flatMap(({ checks }) => checks);
    const checks = Array.from({ length: count * times }, (_, index) => ({
      ...like,
      control: `X-${index % count}`,
    }));
    return { ...record, hosts: record.hosts.map((host) => ({ ...host, checks })) };
  };
  it.each<[string, () => object, string]>([
    [
      "a run of ages",
      () => ({ ...fleetRun(1), durationMs: 1e300 }),
      "durationMs: should be a run record: Too big",
    ],
    [
      "more commands than there are",
      () => withAccess(3_000, 1),
      "hosts[0].access.commands: should be a run record",
    ],
    [
      "more users than there are",
      () => withAccess(1, 20_001),
      "hosts[0].access.users: should be a run record",
    ],
    [
      "a matrix that fits into no report",
      () => withAccess(200, 6_000),
      "at most 1000000 pairs of a user and a command",
    ],
    ["more checks than there are", () => withControls(1, 5_001), "hosts[0].checks: should be a run record"],
    [
      "more controls than there are",
      () => withControls(4_000, 1),
      "hosts: should be a run record: expected at most 500 controls",
    ],
  ])("refuses %s, which anybody may write", async (_, make, message) => {
    await expect(read(JSON.stringify(make()))).rejects.toThrow(message);
  });

  it("accepts the size of a record with many users and checks", async () => {
    await read(JSON.stringify(withAccess(40, 10_000)));
    await read(JSON.stringify(withControls(150, 10)));
  });

  it("refuses a file that is not there", async () => {
    await expect(readRunRecord("none.json", folder)).rejects.toThrow("none.json  does not exist");
  });

  it("accepts records far larger than a playbook may be", async () => {
    expect((await read(JSON.stringify(fleetRun(300)))).hosts).toHaveLength(300);
  });

  it("masks and escapes what somebody wrote into it", async () => {
    const record = await read(text.replace("as wanted", "\\u001b[2J"));
    expect(record.hosts[1]?.checks[1]?.observed).toBe("\\x1b[2J");
  });
});
