import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { InputError } from "../../src/lib/errors.ts";
import type { Secret } from "../../src/lib/secret.ts";
import { parseSecretSource, readSecretSource, type SecretSource } from "../../src/lib/secret-source.ts";

let baseDir: string;
beforeAll(async () => {
  baseDir = await mkdtemp(join(tmpdir(), "redkeep-secret-"));
  await writeFile(join(baseDir, "good"), "from-file\n");
  await writeFile(join(baseDir, "windows"), "from-file\r\n");
  await writeFile(join(baseDir, "empty"), "\n");
  await writeFile(join(baseDir, "lines"), "one\ntwo\n");
});
afterAll(() => rm(baseDir, { recursive: true }));

const env = { PATH: process.env.PATH, APP_PASSWORD: "from-env", EMPTY: "", LINES: "a\nb" };
const read = (source: SecretSource) =>
  readSecretSource(source, { baseDir, env, place: { file: "play.yml", line: 3 }, key: "password" });

describe("a secret", () => {
  it.each<[SecretSource, string]>([
    [{ env: "APP_PASSWORD" }, "from-env"],
    [{ file: "good" }, "from-file"],
    [{ file: "windows" }, "from-file"],
    [{ command: ["echo", "from command"] }, "from command"],
    [{ command: ["sh", "-c", 'printf %s "$APP_PASSWORD"'] }, "from-env"],
    [{ command: ["cat", "good"] }, "from-file"],
  ])("comes from %j", async (source, value) => {
    expect((await read(source)).reveal()).toBe(value);
  });

  it.each<[SecretSource, string]>([
    [
      { env: "NOSUCH" },
      "the secret from the environment variable NOSUCH is not there: the variable is not set",
    ],
    [{ env: "EMPTY" }, "the secret from the environment variable EMPTY is empty"],
    [{ env: "LINES" }, "has a line break or a NUL in it, expected one line"],
    [{ file: "nosuch" }, "the secret from nosuch cannot be read: the file does not exist"],
    [{ file: "." }, "the file is a directory, expected a file"],
    [{ file: "empty" }, "the secret from empty is empty"],
    [{ file: "lines" }, "the secret from lines has a line break"],
    [
      { command: ["nosuch-program"] },
      "the secret from the command nosuch-program cannot be read: there is no such program",
    ],
    [
      { command: ["sh", "-c", "echo partial; echo no vault >&2; exit 3"] },
      'the secret from the command sh cannot be read: it ended with 3 ("no vault")',
    ],
    [{ command: ["true"] }, "the secret from the command true is empty"],
  ])("is refused from %j, with its place and key", async (source, message) => {
    const error = await read(source).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(InputError);
    expect(String(error)).toContain("play.yml:3  password: ");
    expect(String(error)).toContain(message);
    expect(String(error)).not.toContain("partial");
  });

  it("is read once for all who share a cache", async () => {
    const cache = new Map<string, Promise<Secret>>();
    const source = { command: ["sh", "-c", "echo x >> runs; wc -l < runs"] };
    const options = { baseDir, env, cache };
    await Promise.all([readSecretSource(source, options), readSecretSource(source, options)]);
    expect((await readSecretSource(source, options)).reveal()).toBe("1");
  });
});

describe("parseSecretSource", () => {
  it.each<unknown>([{ env: "A" }, { file: "a" }, { command: ["a", "b"] }])("takes %j", (value) => {
    expect(parseSecretSource(value)).toEqual(value);
  });

  it.each<[unknown, string]>([
    ["text", "expected { env: NAME }"],
    [null, "expected { env: NAME }"],
    [[], "expected { env: NAME }"],
    [{}, "found the keys of nothing"],
    [{ envv: "A" }, "found the keys envv"],
    [{ env: "A", file: "b" }, "found the keys env, file"],
    [{ env: 1 }, "expected env to be a text"],
    [{ file: "" }, "expected file to be a text that is not empty"],
    [{ command: "pass show x" }, "expected command to be a list of texts"],
    [{ command: [] }, "expected command to be a list of texts"],
    [{ command: ["a\0b"] }, "expected command to be a list of texts"],
  ])("refuses %j", (value, message) => {
    expect(parseSecretSource(value)).toContain(message);
  });
});
