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
import { dirname, join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Directory, temporaryDirectory } from "./connection/support/server.ts";
import { writeProject } from "./support/project.ts";
import { type RecordedHost, startRecordedHost } from "./support/recorded-host.ts";

const repository = resolve(import.meta.dirname, "..");

/** What `npm install` makes of the package in an empty folder: nothing of the repository's node_modules can be found from there. */
let installed: Directory;
let project: Directory;
let published: string[];
beforeAll(() => {
  installed = temporaryDirectory();
  project = temporaryDirectory();
  using folder = temporaryDirectory();
  const { files } = JSON.parse(readFileSync(join(repository, "package.json"), "utf8"));
  for (const file of ["package.json", "README.md", ...files.filter((name: string) => name !== "dist")])
    cpSync(join(repository, file), join(folder.path, file), { recursive: true });
  const config = join(repository, "rolldown.config.ts");
  run("rolldown", ["-c", config, "--dir", join(folder.path, "dist"), "--logLevel", "warn"], repository);
  // Built already: npm's own build would write into the repository.
  const [packed] = JSON.parse(run("npm", ["pack", "--ignore-scripts", "--json"], folder.path));
  published = packed.files.map(({ path }: { path: string }) => path);
  const options = ["--offline", "--no-audit", "--no-fund", "--loglevel=error"];
  run("npm", ["install", ...options, join(folder.path, packed.filename)], installed.path);
}, 120_000);
afterAll(() => {
  installed?.[Symbol.dispose]();
  project?.[Symbol.dispose]();
});

function run(program: string, args: readonly string[], cwd: string): string {
  return execFileSync(program, args, { cwd, env: { ...process.env, PATH: searchPath() }, encoding: "utf8" });
}

/** The Node that runs this test is the first that the package finds, whichever npm's scripts have. */
function searchPath(): string {
  return [dirname(process.execPath), join(repository, "node_modules/.bin"), process.env.PATH].join(":");
}

function redkeep(args: readonly string[], home = project.path, more: Record<string, string> = {}) {
  const env = {
    PATH: searchPath(),
    HOME: home,
    NO_COLOR: "1",
    APP_PASSWORD: "k5Tq8vWz2RbN7mXc",
    ...more,
  };
  const program = join(installed.path, "node_modules/.bin/redkeep");
  return new Promise<{ status: number; stdout: string; stderr: string }>((resolve) => {
    execFile(program, args, { cwd: project.path, env }, (error, stdout, stderr) =>
      resolve({ status: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
  });
}

describe("the installed package", () => {
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

  it("takes a new user from init to a plan that says why it cannot go on", async () => {
    const { version } = JSON.parse(readFileSync(join(repository, "package.json"), "utf8"));
    expect(await redkeep(["--version"])).toEqual({ status: 0, stdout: `${version}\n`, stderr: "" });
    const { status, stdout } = await redkeep(["init", "fleet"]);
    expect([status, stdout]).toEqual([0, expect.stringContaining("fleet/inventory/hosts.yml")]);
    project.write(
      "port-of-nobody.yml",
      "redis: { hosts: { redis-01: { ansible_host: 127.0.0.1, ansible_port: 1 } } }\n",
    );
    const graph = await redkeep(["inventory", "-i", "port-of-nobody.yml", "--graph"]);
    expect([graph.status, graph.stdout]).toEqual([0, expect.stringContaining("|--redis-01")]);
    project.write("redis.conf", "bind 0.0.0.0\nprotected-mode no\n");
    const lint = await redkeep(["lint", "redis.conf"]);
    expect([lint.status, lint.stdout]).toEqual([6, expect.stringContaining("RK-NET-02")]);
    const plan = await redkeep(["plan", "-i", "port-of-nobody.yml"]);
    expect([plan.status, plan.stderr + plan.stdout]).toEqual([4, expect.stringContaining("127.0.0.1")]);
  });

  it("holds what its programs and pages need, and nothing else", () => {
    const kinds = [...new Set(published.map((path) => path.replace(/\/[^/]*$/, "/*")))].toSorted();
    expect(kinds).toEqual([
      "CHANGELOG.md",
      "CONTRIBUTING.md",
      "LICENSE",
      "README.md",
      "SECURITY.md",
      "dist/*",
      "docs/*",
      "package.json",
      "playbooks/*",
      "schema/*",
      "src/shell/*",
      "src/shell/probe/*",
      "src/shell/transaction/*",
      "templates/*",
    ]);
  });

  it("names the licence of each library that it holds", () => {
    const text = readFileSync(
      join(installed.path, "node_modules/redkeep/dist/THIRD-PARTY-LICENCES.txt"),
      "utf8",
    );
    for (const library of [
      "@peculiar/asn1-x509",
      "asn1js",
      "commander",
      "diff",
      "ejs",
      "ipaddr.js",
      "js-yaml",
      "listr2",
      "ssh2",
      "zod",
    ])
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
