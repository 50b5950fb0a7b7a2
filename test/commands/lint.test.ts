import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Directory, temporaryDirectory } from "../connection/support/server.ts";
import { redkeep } from "../support/cli.ts";

let directory: Directory;
beforeEach(() => {
  directory = temporaryDirectory();
});
afterEach(() => directory[Symbol.dispose]());

const lint = (...args: string[]) => redkeep(["lint", ...args], { cwd: directory.path });

describe("redkeep lint", () => {
  it("says for each finding where it is, how severe it is and what to do, and ends with 6", async () => {
    directory.write("redis.conf", "bind 10.0.0.5\nprotected-mode no\naclfile x\ntls-port 6380\nport 0\n");
    const { exitCode, stdout } = await lint("redis.conf", "--ignore", "RK-LIM-01", "--ignore", "RK-FILE-01");
    expect(stdout).toBe(
      "redis.conf:2:1 high RK-NET-02 protected mode is off: a server without a password answers everybody (protected-mode yes)\n" +
        "1 file: 1 finding (1 high).        exit 6\n",
    );
    expect(exitCode).toBe(6);
  });

  it("ends with 0 for files without a finding, and for findings below --fail-on", async () => {
    directory.write("limits.conf", "timeout 0\ntimeout 300\n");
    expect(await lint("limits.conf", "--fail-on", "medium")).toMatchObject({ exitCode: 0 });
    expect(await lint("limits.conf")).toMatchObject({ exitCode: 6 });
    directory.write("limits.conf", "timeout 300\n");
    expect(await lint("limits.conf")).toEqual({
      exitCode: 0,
      stdout: "1 file: no findings.        exit 0\n",
      stderr: "",
    });
  });

  it("reads the included files and the ACL file of a redis.conf, where they exist", async () => {
    directory.write(
      "redis.conf",
      "include conf.d/*.conf\ninclude /nowhere/x.conf\naclfile users.acl\nport 0\n",
    );
    mkdirSync(join(directory.path, "conf.d"));
    directory.write("conf.d/net.conf", "bind *\ntls-port 6380\nmaxmemory 1gb\nmaxmemory-policy noeviction\n");
    directory.write("users.acl", "# users\n");
    const { stdout } = await lint("redis.conf", "conf.d/net.conf", "--ignore", "RK-FILE-01");
    expect(stdout.split("\n").map((line) => line.split(" ").slice(0, 3).join(" "))).toEqual([
      "conf.d/net.conf:1:1 critical RK-NET-01",
      "users.acl:1:1 critical RK-ACL-04",
      "users.acl:1:1 critical RK-ACL-01",
      "3 files: 3",
      "",
    ]);
  });

  it("gives its findings as JSON and as SARIF", async () => {
    directory.write("users.acl", "user default off nopass\n");
    const { exitCode, stdout } = await lint("users.acl", "--json", "--sarif", "lint.sarif");
    expect(exitCode).toBe(6);
    expect(JSON.parse(stdout)).toMatchObject({
      schema: "redkeep.lint/1",
      exitCode: 6,
      files: ["users.acl"],
      findings: [{ file: "users.acl", line: 1, column: 18, control: "RK-ACL-01", severity: "critical" }],
    });
    const sarif = JSON.parse(readFileSync(join(directory.path, "lint.sarif"), "utf8"));
    expect(sarif.runs[0]).toMatchObject({
      tool: { driver: { rules: [{ id: "RK-ACL-01", properties: { "security-severity": "9.5" } }] } },
      results: [
        {
          ruleId: "RK-ACL-01",
          ruleIndex: 0,
          level: "error",
          locations: [
            {
              physicalLocation: {
                artifactLocation: { uri: "users.acl" },
                region: { startLine: 1, startColumn: 18 },
              },
            },
          ],
        },
      ],
    });
  });

  it.each([
    ["a file that is not there", "none.conf", "none.conf  does not exist"],
    ["a directory", ".", ".  is a directory, expected a file"],
    ["a file of another kind", "values.yml", "values.yml  is neither a redis.conf nor an ACL file"],
    ["no text", "redis.bin", "redis.bin  is no"],
  ])("ends with 1 for %s", async (_, file, message) => {
    directory.write("values.yml", "redis:\n  image: redis:7\n");
    directory.write("redis.bin", "port 0\0\n");
    const { exitCode, stderr } = await lint(file);
    expect(exitCode).toBe(1);
    expect(stderr).toContain(message);
  });

  it("ends with 1 for a control that does not exist", async () => {
    directory.write("redis.conf", "timeout 0\n");
    const { exitCode, stderr } = await lint("redis.conf", "--ignore", "RK-NET-1");
    expect(exitCode).toBe(1);
    expect(stderr).toContain('--ignore: there is no control "RK-NET-1". Did you mean "RK-NET-01"?');
  });

  it("lets no file steer the terminal", async () => {
    directory.write("redis.conf", "port 0\n\x1b[2Jevil 1\n::set-output x\n");
    const { stdout } = await lint("redis.conf");
    expect(stdout).not.toMatch(/[^\P{Cc}\n]|^\s*::/mu);
  });
});
