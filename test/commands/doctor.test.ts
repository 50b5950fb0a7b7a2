import { chmodSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { Secret } from "../../src/lib/secret.ts";
import { encrypt } from "../../src/vault/envelope.ts";
import { redkeep } from "../support/cli.ts";
import { perTest } from "../support/per-test.ts";
import { writeProject } from "../support/project.ts";
import { startRecordedHost } from "../support/recorded-host.ts";

const made = perTest();

beforeEach(() => {
  vi.stubEnv("HOME", made.directory.path);
});

const doctor = (args: readonly string[], env: Record<string, string> = {}) =>
  redkeep(["doctor", ...args], { cwd: made.directory.path, env });

describe("doctor on this machine", () => {
  it("says what is there, reaches no host and makes nothing", async () => {
    mkdirSync(join(made.directory.path, ".ssh"));
    made.directory.write(
      ".ssh/known_hosts",
      "# mine\nredis-01 ssh-ed25519 AAAA\n\nredis-02 ssh-ed25519 AAAA\n",
    );
    made.directory.write(".ssh/id_ed25519", "");
    const { exitCode, stdout, stderr } = await doctor([]);
    expect([exitCode, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^ {2}✔ Node {10}\d+\.\d+\.\d+$/m);
    expect(stdout).toMatch(/^ {2}✔ ssh {11}OpenSSH_/m);
    expect(stdout).toContain("✔ login keys    ~/.ssh/id_ed25519; no agent");
    expect(stdout).toContain("✔ host keys     2 keys in ");
    expect(stdout).toContain("✔ state         .redkeep is not there yet");
    expect(stdout).toContain("Nothing stands in the way. Nothing was changed.");
    expect(readdirSync(made.directory.path)).toEqual([".ssh"]);
  });

  it("says what is not there, and what to do about it", async () => {
    const { exitCode, stdout } = await doctor([], { PATH: "/nonexistent" });
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/! ssh {11}not found\n +Install OpenSSH's client/);
    expect(stdout).toMatch(/! login keys {4}no key in ~\/\.ssh; no agent .*\n +Name a key/);
    expect(stdout).toMatch(/! host keys {5}none: .*known_hosts is not there\n +Log in to each host once/);
  });

  it("is content with an encrypted state, for which it needs no password", async () => {
    mkdirSync(join(made.directory.path, ".redkeep"));
    const text = await encrypt("passwords: {}\n", new Secret("one"));
    made.directory.write(".redkeep/secrets.yml", text);
    const { exitCode, stdout } = await doctor([]);
    expect(stdout).toContain("✔ state         .redkeep, encrypted with Ansible Vault");
    expect(exitCode).toBe(0);
  });

  it("is not content with an agent that does not answer, or a state that others may enter", async () => {
    const open = join(made.directory.path, "open");
    mkdirSync(open);
    chmodSync(open, 0o755);
    const { exitCode, stdout } = await doctor(["--state", "open"], { SSH_AUTH_SOCK: "/nonexistent/agent" });
    expect(exitCode).toBe(3);
    expect(stdout).toContain("✖ login keys    the agent at /nonexistent/agent does not answer");
    expect(stdout).toMatch(/✖ state {9}.*should be closed to others/);
    expect(stdout).toContain("2 things in the way. Nothing was changed.");
  });
});

describe("doctor on a host", () => {
  it("says what a sound host has, after one login and one round trip", async () => {
    const host = made.servers.use(await startRecordedHost("stock"));
    const options = writeProject(made.directory, { "redis-01": host }).slice(1);
    const { exitCode, stdout } = await doctor(["redis-01", ...options]);
    expect(exitCode).toBe(0);
    expect(stdout).toContain("✔ login         as root, in 1 connection, 1 round trip");
    expect(stdout).toMatch(/✔ system {8}Debian .*with all tools/);
    expect(stdout).toMatch(/✔ server {8}Redis 7\.0\.\d+, redis-server\.service/);
    expect(stdout).toContain("✔ openssl");
    expect(stdout).toMatch(/! firewall {6}ufw is installed and off\n +The firewall task/);
  });

  it("says why it could not be asked", async () => {
    made.directory.write(
      "hosts.yml",
      "all: { hosts: { h1: { ansible_host: 127.0.0.1, ansible_port: 1 } } }\n",
    );
    const { exitCode, stdout } = await doctor(["h1", "-i", "hosts.yml"]);
    expect(exitCode).toBe(4);
    expect(stdout).toMatch(/^h1\n {2}✖ connect {7}connection refused by 127\.0\.0\.1:1/m);
  });

  it("that the inventory does not have is refused, and none is reached", async () => {
    made.directory.write(
      "hosts.yml",
      "all: { hosts: { h1: { ansible_host: 127.0.0.1, ansible_port: 1 } } }\n",
    );
    const { exitCode, stderr } = await doctor(["h2", "-i", "hosts.yml"]);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('no host or group of the inventory matches "h2"');
  });
});
