import { execFile, execFileSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Directory, temporaryDirectory } from "./connection/support/server.ts";
import { writeProject } from "./support/project.ts";
import { type RecordedHost, startRecordedHost } from "./support/recorded-host.ts";

const repository = resolve(import.meta.dirname, "..");

/** The files that npm would publish, away from the repository: nothing of its node_modules can be found from there. */
let installed: Directory;
let project: Directory;
beforeAll(() => {
  installed = temporaryDirectory();
  project = temporaryDirectory();
  const { files } = JSON.parse(readFileSync(join(repository, "package.json"), "utf8"));
  for (const file of ["package.json", ...files.filter((name: string) => name !== "dist")])
    cpSync(join(repository, file), join(installed.path, file), { recursive: true });
  const config = join(repository, "rolldown.config.ts");
  execFileSync(
    join(repository, "node_modules/.bin/rolldown"),
    ["-c", config, "--dir", join(installed.path, "dist"), "--logLevel", "warn"],
    { cwd: repository },
  );
}, 120_000);
afterAll(() => {
  installed?.[Symbol.dispose]();
  project?.[Symbol.dispose]();
});

function redkeep(args: readonly string[], home = project.path, more: Record<string, string> = {}) {
  const env = {
    PATH: process.env.PATH,
    HOME: home,
    NO_COLOR: "1",
    APP_PASSWORD: "k5Tq8vWz2RbN7mXc",
    ...more,
  };
  const words = [join(installed.path, "dist/cli.js"), ...args];
  return new Promise<{ status: number; stdout: string; stderr: string }>((resolve) => {
    execFile(process.execPath, words, { cwd: project.path, env }, (error, stdout, stderr) =>
      resolve({ status: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
  });
}

describe("the built package", () => {
  it("plans on a host with nothing beside it: libraries, tasks, playbook and templates are inside", async () => {
    await using host: RecordedHost = await startRecordedHost("stock");
    const options = writeProject(project, { "redis-01": host }).slice(1);
    // The group that the playbook in the package is for.
    project.write(
      "hosts.yml",
      readFileSync(join(project.path, "hosts.yml"), "utf8").replace("all:", "redis:"),
    );
    const { status, stdout, stderr } = await redkeep(["plan", ...options, "--state", "state"]);
    expect(stderr).toContain("redis-01: would change");
    expect(stdout).toContain("Listen only on loopback");
    expect(status).toBe(2);
  });

  it("names the licence of each library that it holds", () => {
    const text = readFileSync(join(installed.path, "dist/THIRD-PARTY-LICENCES.txt"), "utf8");
    for (const library of ["commander", "diff", "ejs", "ipaddr.js", "js-yaml", "listr2", "ssh2", "zod"])
      expect(text).toMatch(new RegExp(`^${library} \\d+\\.\\d+\\.\\d+$`, "m"));
  });
});

describe("what V8 compiled", () => {
  const version = (home: string) => redkeep(["--version"], home);
  const cacheOf = (home: string) => join(home, ".cache/redkeep");
  /** The one folder that Node makes for its version, and the files in it. */
  const filesIn = (cache: string): string[] =>
    readdirSync(cache).flatMap((folder) =>
      readdirSync(join(cache, folder)).map((file) => join(cache, folder, file)),
    );

  it("is kept in the user's own cache, which nobody else can read or write", async () => {
    const home = join(project.path, "home");
    mkdirSync(home);
    expect((await version(home)).status).toBe(0);
    expect(statSync(cacheOf(home)).mode & 0o777).toBe(0o700);
    const files = filesIn(cacheOf(home));
    expect(files).not.toEqual([]);
    for (const file of files) expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it.each<[string, (content: Buffer) => Buffer]>([
    ["damaged", (content) => content.fill(0x55, content.length / 2)],
    ["cut off", (content) => content.subarray(0, content.length / 2)],
    ["empty", () => Buffer.alloc(0)],
  ])("is not run where it is %s", async (name, spoil) => {
    const home = join(project.path, name.replaceAll(" ", "-"));
    mkdirSync(home);
    await version(home);
    for (const file of filesIn(cacheOf(home))) writeFileSync(file, spoil(readFileSync(file)));
    const { status, stdout, stderr } = await version(home);
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: "0.1.0\n", stderr: "" });
  });

  it("is not kept where Node is told to keep nothing", async () => {
    const home = join(project.path, "switched-off");
    mkdirSync(home);
    expect((await redkeep(["--version"], home, { NODE_DISABLE_COMPILE_CACHE: "1" })).status).toBe(0);
    expect(readdirSync(home)).toEqual([]);
  });

  it("is not taken from a folder that others may write to", async () => {
    const home = join(project.path, "shared");
    const cache = cacheOf(home);
    mkdirSync(cache, { recursive: true });
    chmodSync(cache, 0o777);
    expect((await version(home)).status).toBe(0);
    expect(readdirSync(cache)).toEqual([]);
  });

  it.each([[".cache"], [""]])(
    "is not taken from below a folder that others may write to (~/%s): they could put theirs in its place",
    async (open) => {
      const home = join(project.path, `open-${open}`);
      const cache = cacheOf(home);
      mkdirSync(cache, { recursive: true, mode: 0o700 });
      chmodSync(join(home, open), 0o777);
      expect((await version(home)).status).toBe(0);
      expect(readdirSync(cache)).toEqual([]);
    },
  );

  it("is not taken through a link to a folder that others may write to", async () => {
    const home = join(project.path, "linked");
    const elsewhere = join(project.path, "elsewhere");
    mkdirSync(join(home, ".cache"), { recursive: true, mode: 0o700 });
    mkdirSync(elsewhere);
    chmodSync(elsewhere, 0o777);
    symlinkSync(elsewhere, cacheOf(home));
    expect((await version(home)).stdout).toBe("0.1.0\n");
    expect(readdirSync(elsewhere)).toEqual([]);
  });

  it("is not kept where the user has no home folder", async () => {
    const { status, stdout } = await redkeep(["--version"], "/proc/nowhere");
    expect(stdout).toBe("0.1.0\n");
    expect(status).toBe(0);
  });
});
