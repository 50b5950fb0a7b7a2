import { mkdirSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Directory, temporaryDirectory } from "../connection/support/server.ts";
import { redkeep } from "../support/cli.ts";

let directory: Directory;
beforeEach(() => {
  directory = temporaryDirectory();
  // Port 1 refuses at once: the run gets as far as the host, and no further.
  directory.write("hosts.yml", "all: { hosts: { h1: { ansible_host: 127.0.0.1, ansible_port: 1 } } }\n");
  directory.write(
    "site.yml",
    "- hosts: all\n  tasks:\n    - acl: { users: [{ name: admin, preset: admin, password: { generate: true } }] }\n      tags: [users]\n",
  );
});
afterEach(() => directory[Symbol.dispose]());

const plan = (...more: string[]) =>
  redkeep(["plan", "site.yml", "-i", "hosts.yml", ...more], { cwd: directory.path });

describe("options that no host has to be reached for", () => {
  it.each(["gone/run.json", "folder"])("refuse --json %s before the run, not after it", async (path) => {
    mkdirSync(`${directory.path}/folder`);
    const { exitCode, stderr } = await plan("--json", path);
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`${path}  --json: `);
    expect(stderr).toContain("No host was touched");
  });

  it("refuse --rotate for a secret that redkeep does not generate, and suggest the nearest one", async () => {
    const { exitCode, stderr } = await plan("--rotate", "admn");
    expect(exitCode).toBe(1);
    expect(stderr).toContain('"admn" for these tasks. Did you mean "admin"? It generates admin');
  });

  it.each(["--private-key", "--known-hosts"])("refuse %s with a file that does not exist", async (option) => {
    const { exitCode, stderr } = await plan(option, "nofile");
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`nofile  ${option}: does not exist`);
    expect(stderr).toContain("No host was touched");
  });

  it.each(["/dev/null", "/dev/zero"])(
    "refuse --known-hosts %s, which would forget every host key",
    async (file) => {
      const { exitCode, stderr } = await plan("--known-hosts", file);
      expect(exitCode).toBe(1);
      expect(stderr).toContain(
        `${file}  --known-hosts: is not a regular file, so every host key would be forgotten`,
      );
      expect(stderr).toContain("No host was touched");
    },
  );

  it("warn of a tag that no task has, and suggest the nearest one", async () => {
    const { stderr } = await plan("--tags", "users,user");
    expect(stderr).toContain('no task has the tag "user". Did you mean "users"?');
  });

  it.each([
    ["--tags", "user", '--tags: leaves no task of the playbook. Did you mean "users"?'],
    ["--skip-tags", "users", "--skip-tags: leaves no task of the playbook."],
  ])("refuse %s %s, which leaves no task to do", async (option, tag, message) => {
    const { exitCode, stderr } = await plan(option, tag);
    expect(exitCode).toBe(1);
    expect(stderr).toContain(message);
  });

  it("never suggest the tag that was given, where --skip-tags excludes it again", async () => {
    const { exitCode, stderr } = await plan("--tags", "users", "--skip-tags", "users");
    expect(exitCode).toBe(1);
    expect(stderr).toContain("--tags: leaves no task of the playbook, together with --skip-tags.\n");
  });

  it("are all kept in the command that redkeep offers next", async () => {
    const choice = [
      "--shard",
      "1/1",
      "--rotate",
      "admin",
      "--user",
      "deploy",
      "--become",
      "--state",
      "state",
    ];
    directory.write("known", "");
    const { exitCode, stdout } = await plan(...choice, "--known-hosts", "known");
    expect(exitCode).toBe(4);
    const next =
      stdout.split("\n").find((line) => line.startsWith("Then: ") && line.includes(" plan site.yml")) ?? "";
    for (const word of [...choice, "--known-hosts"]) expect(next.split(/\s+/)).toContain(word);
  });
});
