import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Secret } from "../../src/lib/secret.ts";
import { printRecord, writeRecord } from "../../src/record/json.ts";
import { errorRecord, hostRecord, runRecord } from "../support/records.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "redkeep-json-"));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

const record = runRecord("plan", [hostRecord("redis-01")]);

describe("the record as a file", () => {
  it("holds the whole record, is readable by its owner alone, and leaves no other file behind", async () => {
    const path = join(folder, "run.json");
    await writeRecord(record, path);
    expect(JSON.parse(await readFile(path, "utf8"))).toEqual(record);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readdir(folder)).toEqual(["run.json"]);
  });

  it("replaces an older record, and takes its wider mode away", async () => {
    const path = join(folder, "run.json");
    await writeFile(path, "old", { mode: 0o644 });
    await writeRecord(record, path);
    expect(JSON.parse(await readFile(path, "utf8"))).toEqual(record);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  it("names the path and leaves nothing behind where the record cannot be put in place", async () => {
    await expect(writeRecord(record, join(folder, "missing", "run.json"))).rejects.toThrow("missing");
    await expect(writeRecord(record, join(folder, "x".repeat(300)))).rejects.toThrow("xxx");
    expect(await readdir(folder)).toEqual([]);
  });

  it("writes through a link to the file it points to", async () => {
    await writeFile(join(folder, "real.json"), "old");
    await symlink("real.json", join(folder, "link.json"));
    await writeRecord(record, join(folder, "link.json"));
    expect(JSON.parse(await readFile(join(folder, "real.json"), "utf8"))).toEqual(record);
  });

  it("writes into a named pipe instead of replacing it", async () => {
    const pipe = join(folder, "pipe");
    await promisify(execFile)("mkfifo", [pipe]);
    const [, json] = await Promise.all([writeRecord(record, pipe), readFile(pipe, "utf8")]);
    expect(JSON.parse(json)).toEqual(record);
    expect((await stat(pipe)).isFIFO()).toBe(true);
  });

  it("holds no secret, whoever put it into the record", async () => {
    const secret = new Secret("never-in-a-record");
    const path = join(folder, "run.json");
    const host = hostRecord("redis-01", { error: errorRecord({ found: `AUTH ${secret.reveal()} failed` }) });
    await writeRecord(runRecord("apply", [host]), path);
    expect(await readFile(path, "utf8")).toContain("AUTH •••• failed");
  });
});

it("the record goes to a stream as one JSON document", async () => {
  const stream = new PassThrough();
  const printed = text(stream);
  await printRecord(record, stream);
  stream.end();
  expect(JSON.parse(await printed)).toEqual(record);
});
