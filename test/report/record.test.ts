import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { runRecordJsonSchema } from "../../src/report/json-schema.ts";
import { readRunRecord } from "../../src/report/read-record.ts";
import { earlierRun, fleetRun } from "../support/fleet.ts";

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

  it("takes no record with an outcome that there is none of, or without hosts", () => {
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

  it("gives what was written", async () => {
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

  it("refuses a file that is not there", async () => {
    await expect(readRunRecord("none.json", folder)).rejects.toThrow("none.json  does not exist");
  });

  it("takes records that are far larger than a playbook", async () => {
    expect((await read(JSON.stringify(fleetRun(300)))).hosts).toHaveLength(300);
  });

  it("makes safe what somebody wrote into it", async () => {
    const record = await read(text.replace("as wanted", "\\u001b[2J"));
    expect(record.hosts[1]?.checks[1]?.observed).toBe("\\x1b[2J");
  });
});
