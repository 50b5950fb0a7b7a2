import { chmodSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
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

  it("takes the inventory and the key from ansible.cfg", async () => {
    made.directory.write("fleet_key", "");
    made.directory.write("hosts", "h1\n");
    made.directory.write("ansible.cfg", "[defaults]\ninventory = hosts\nprivate_key_file = fleet_key\n");
    const { exitCode, stdout } = await doctor(["--state", "kept"]);
    expect(exitCode).toBe(0);
    expect(stdout).toContain("✔ login keys    ~/fleet_key, as named");
    const missing = await doctor(["--private-key", "gone"]);
    expect(missing.exitCode).toBe(3);
    expect(missing.stdout).toMatch(/✖ login keys {4}~\/gone is not there\n +Correct --private-key\./);
    expect(missing.stderr).toContain("inventory: hosts, from ansible.cfg:2 (inventory)");
  });

  it("says what is not there, and what to do about it", async () => {
    const { exitCode, stdout } = await doctor([], { PATH: "/nonexistent" });
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/! ssh {11}not found\n +Install OpenSSH's client/);
    expect(stdout).toMatch(/! login keys {4}no key in ~\/\.ssh; no agent .*\n +Name a key/);
    expect(stdout).toMatch(/! host keys {5}none: .*known_hosts is not there\n +Log in to each host once/);
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

describe("doctor on what is encrypted here", () => {
  const lineOf = (stdout: string, what: string) =>
    stdout.replace(/\n {3,}/g, " ").match(new RegExp(`^ {2}. ${what} .*$`, "m"))?.[0];

  beforeEach(async () => {
    made.directory.write("password", "one\n");
    made.directory.write("other", "two\n");
    made.directory.write("hosts.yml", "all: { hosts: { h1: {}, h2: {} } }\n");
    const vaulted = await encrypt("topsecret: value-of-all\n", new Secret("one"));
    mkdirSync(join(made.directory.path, "group_vars"));
    made.directory.write("group_vars/all.yml", vaulted);
    mkdirSync(join(made.directory.path, ".redkeep"), { mode: 0o755 });
    made.directory.write(".redkeep/secrets.yml", await encrypt("passwords: {}\n", new Secret("one")));
  });

  it("says which password opens all of it", async () => {
    const value = (await encrypt("value-of-h1", new Secret("one"))).trim().replaceAll("\n", "\n  ");
    mkdirSync(join(made.directory.path, "host_vars"));
    made.directory.write("host_vars/h1.yml", `pw: !vault |\n  ${value}\n`);
    const { exitCode, stdout } = await doctor(["-i", "hosts.yml", "--vault-password-file", "password"]);
    expect(lineOf(stdout, "vault")).toBe(
      "  ✔ vault         default (--vault-password-file) opens what is encrypted here (3 texts)",
    );
    expect(stdout).toContain("✔ inventory     2 hosts in hosts.yml");
    expect(stdout).toContain("✔ state         .redkeep, encrypted");
    expect(exitCode).toBe(0);
  });

  it("takes inventory and password from ansible.cfg", async () => {
    made.directory.write(
      "ansible.cfg",
      "[defaults]\ninventory = hosts.yml\nvault_password_file = password\n",
    );
    const { exitCode, stdout } = await doctor([]);
    expect(lineOf(stdout, "vault")).toContain("✔ vault         default (ansible.cfg:3) opens");
    expect(exitCode).toBe(0);
  });

  it.each([
    { args: [], says: "there is no password: give the vault's password by" },
    {
      args: ["--vault-password-file", "other"],
      says: "the password of default (--vault-password-file) does not open it",
    },
  ])("is not content where $says", async ({ args, says }) => {
    const { exitCode, stdout } = await doctor(["-i", "hosts.yml", ...args]);
    const line = lineOf(stdout, "vault");
    expect(line).toContain(
      "✖ vault         group_vars/all.yml  is encrypted with Ansible Vault (id default)",
    );
    expect(line).toContain(".redkeep/secrets.yml");
    expect(line).toContain(says);
    expect(stdout.includes("Ask your team for the present password.")).toBe(args.length > 0);
    expect(stdout).toContain("1 thing in the way.");
    expect(exitCode).toBe(3);
  });

  it("does not blame the password for a merge conflict", async () => {
    const text = readFileSync(join(made.directory.path, ".redkeep/secrets.yml"), "utf8");
    made.directory.write(".redkeep/secrets.yml", `<<<<<<< ours\n${text}=======\n${text}>>>>>>> theirs\n`);
    const { exitCode, stdout } = await doctor(["-i", "hosts.yml", "--vault-password-file", "password"]);
    expect(lineOf(stdout, "vault")).toContain("has the marks of a merge conflict");
    expect(stdout).not.toContain("Ask your team");
    expect(exitCode).toBe(3);
  });

  it("looks at the state alone where nobody names an inventory", async () => {
    const { exitCode, stdout } = await doctor([], { ANSIBLE_VAULT_PASSWORD_FILE: "other" });
    expect(lineOf(stdout, "vault")).toMatch(
      /✖ vault .*secrets\.yml .*\(ANSIBLE_VAULT_PASSWORD_FILE\) does not/,
    );
    expect(stdout).not.toContain("inventory");
    expect(exitCode).toBe(3);
  });

  it("says before it goes to a host why it cannot", async () => {
    const { exitCode, stdout, stderr } = await doctor(["h1", "-i", "hosts.yml"]);
    expect(lineOf(stdout, "vault")).toContain("✖ vault");
    expect(stderr).toContain("No host was touched.");
    expect(exitCode).toBe(1);
  });

  it("tries a password that nothing needs yet", async () => {
    const args = ["--state", "new", "--vault-password-file"];
    made.directory.write("failing", "#!/bin/sh\nexit 7\n");
    chmodSync(join(made.directory.path, "failing"), 0o700);
    const failing = await doctor([...args, "failing"]);
    expect(lineOf(failing.stdout, "vault")).toContain("gave no password: it ended with 7");
    expect(failing.exitCode).toBe(3);
    expect((await doctor([...args, "password"])).stdout).toContain(
      "✔ vault         default (--vault-password-file) is at hand; nothing is encrypted here",
    );
  });

  it("tells an inventory that cannot be read from a password that does not fit", async () => {
    made.directory.write("hosts.yml", "all: { host: { h1: {} } }\n");
    const { stdout } = await doctor(["-i", "hosts.yml", "--vault-password-file", "password"]);
    expect(lineOf(stdout, "inventory")).toContain(
      '✖ inventory     hosts.yml:1:8  all.host: unknown key "host"',
    );
    expect(lineOf(stdout, "vault")).toContain("✔ vault");
  });
});

describe("doctor on a host", () => {
  it("says what a sound host has, after one login and one round trip", async () => {
    const host = made.servers.use(await startRecordedHost("stock"));
    const options = writeProject(made.directory, { "redis-01": host }).slice(1);
    const { exitCode, stdout, stderr } = await doctor(["redis-01", ...options]);
    expect(exitCode).toBe(0);
    expect(stderr).toBe("Looking: 1 host\nredis-01: asking\nredis-01: has answered\n");
    expect(stdout).toContain("✔ login         as root, in 1 connection, 1 round trip");
    expect(stdout).toMatch(/✔ system {8}Debian .*with all tools/);
    expect(stdout).toMatch(/✔ server {8}Redis 7\.0\.\d+, redis-server\.service/);
    expect(stdout).toContain("✔ openssl");
    expect(stdout).toMatch(/! firewall {6}ufw is installed and off\n +The firewall task/);
    const other = await doctor(["redis-01", ...options, "-e", "ansible_user=deploy"]);
    expect(other.stdout).toContain("✔ login         as deploy, with root's rights, in 1 connection");
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
