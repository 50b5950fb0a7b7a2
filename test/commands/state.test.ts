import { mkdirSync, readFileSync } from "node:fs";
import { chmod } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Secret } from "../../src/lib/secret.ts";
import { encrypt } from "../../src/vault/envelope.ts";
import { redkeep } from "../support/cli.ts";
import { perTest } from "../support/per-test.ts";

const made = perTest();

const KEY = "key-of-the-servers-of-this-test";
const SECRETS = `passwords: { metrics: metrics-password-of-this-test }
servers: { admin: { key: ${KEY}, previous: [old-key-of-the-servers], names: [redis-01] } }
generation: { id: ${"i".repeat(43)}, number: 3 }
`;

async function state(...args: string[]) {
  made.directory.write("hosts.yml", "all: { hosts: { redis-01: {}, redis-02: {} } }\n");
  made.directory.write("one", "one\n");
  made.directory.write("two", "two\n");
  return await redkeep(["state", ...args, "-i", "hosts.yml", "--state", "."], { cwd: made.directory.path });
}

const plainState = () => {
  made.directory.write("secrets.yml", SECRETS);
  mkdirSync(join(made.directory.path, "pki/clients"), { recursive: true });
  made.directory.write("pki/clients/app.key", "key of the client");
};
const ONE = ["--vault-password-file", "one"];

describe("redkeep state show", () => {
  it("tells who has what, and no secret", async () => {
    plainState();
    const { exitCode, stdout } = await state("show");
    expect(exitCode).toBe(0);
    expect(stdout).toBe(`State       ${made.directory.path}
Secrets     plain
            secrets.yml: plain
            pki/clients/app.key: plain
Generation  3
Passwords   metrics: the same on all servers
            admin: one for each server, in use on 1, 1 earlier
`);
  });

  it("tells what is encrypted without the password, and the rest with it", async () => {
    plainState();
    await state("encrypt", "--vault-id", "prod@one");
    const without = await state("show");
    expect(without.stdout).toContain("Secrets  encrypted, vault id prod\n");
    expect(without.stdout).toContain("Inside   give the vault's password to see who has what\n");
    expect((await state("show", ...ONE)).stdout).toContain("Generation  3\n");
  });

  it("says so where there is no secret", async () => {
    expect(await state("show")).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining("has no secrets: the first apply makes them"),
    });
  });
});

describe("redkeep state encrypt, rekey and decrypt", () => {
  const read = (name: string) => readFileSync(join(made.directory.path, name), "utf8");

  it("move the state from plain to encrypted, to another password and back", async () => {
    plainState();
    const before = read("secrets.yml");
    expect((await state("encrypt", ...ONE)).stdout).toContain("Encrypted 2 files of ");
    expect(read("secrets.yml")).toMatch(/^\$ANSIBLE_VAULT;1\.1;AES256\n/);
    expect((await state("encrypt", ...ONE)).stdout).toContain("is encrypted already");

    const rekeyed = await state("rekey", ...ONE, "--new-vault-password-file", "two");
    expect(rekeyed.stdout).toContain("Encrypted 2 files of ");
    expect((await state("show", ...ONE)).stderr).toContain("does not open it");
    expect((await state("show", "--vault-password-file", "two")).exitCode).toBe(0);

    expect((await state("decrypt", ...ONE)).exitCode).toBe(1);
    const decrypted = await state("decrypt", "--vault-password-file", "two");
    expect(decrypted.stdout).toContain("git rm -r --cached");
    expect(read("secrets.yml")).toBe(before);
    expect(read("pki/clients/app.key")).toBe("key of the client");
    expect((await state("decrypt")).stdout).toContain("is plain already");
  });

  it("encrypt the rest where some is encrypted, with the same password", async () => {
    plainState();
    await state("encrypt", ...ONE);
    made.directory.write("pki/clients/b.key", "plain");
    expect((await state("encrypt", "--vault-id", "other@two", ...ONE)).exitCode).toBe(0);
    expect((await state("show", ...ONE)).stdout).toContain("pki/clients/b.key: encrypted, vault id default");
  });

  it.each<[string[], string]>([
    [["encrypt"], "there is no password: give the vault's password by --vault-password-file FILE"],
    [["rekey", ...ONE], "is plain: redkeep state encrypt gives it a password"],
    [
      ["encrypt", ...ONE, "--new-vault-password-file", "two"],
      "--new-vault-password-file: is for redkeep state rekey",
    ],
    [["melt"], "Allowed choices are show, encrypt, decrypt, rekey."],
  ])("refuse %j", async (args, expected) => {
    plainState();
    const { exitCode, stderr } = await state(...args);
    expect(exitCode).toBe(1);
    expect(stderr).toContain(expected);
    expect(read("secrets.yml")).toBe(SECRETS);
  });

  it("need a new password to rekey, whatever the environment says of the old one", async () => {
    plainState();
    await state("encrypt", ...ONE);
    const { exitCode, stderr } = await redkeep(["state", "rekey", "--state", "."], {
      cwd: made.directory.path,
      env: { ANSIBLE_VAULT_PASSWORD_FILE: "one" },
    });
    expect(exitCode).toBe(1);
    expect(stderr).toContain("--new-vault-password-file: is needed");
  });
});

describe("the options of vaults", () => {
  const vaulted = async () => {
    made.directory.write("hosts.yml", "redis: { hosts: { redis-01: } }\n");
    made.directory.write("one", "one\n");
    mkdirSync(join(made.directory.path, "group_vars"));
    made.directory.write("group_vars/redis.yml", await encrypt("ansible_port: 2222\n", new Secret("one")));
    return { cwd: made.directory.path };
  };

  it.each([
    ["plan", "-i", "hosts.yml"],
    ["apply", "--yes", "-i", "hosts.yml"],
    ["verify", "-i", "hosts.yml"],
    ["rollback", "--yes", "-i", "hosts.yml"],
    ["eject", "--yes", "-i", "hosts.yml"],
    ["adopt", "-i", "hosts.yml"],
    ["inventory", "-i", "hosts.yml"],
    ["password", "redis-01", "-i", "hosts.yml"],
  ])("are known to %s, which reaches no host without a password", async (...args) => {
    const { exitCode, stdout, stderr } = await redkeep(args, await vaulted());
    expect(exitCode).toBe(1);
    expect(stdout).toBe("");
    expect(stderr).toContain(
      "group_vars/redis.yml  is encrypted with Ansible Vault (id default), and there is no password",
    );
    expect(stderr).toContain("No host was touched.");
  });

  it("open what inventory lists, and no value is printed", async () => {
    const { cwd } = await vaulted();
    const { exitCode, stdout } = await redkeep(["inventory", "-i", "hosts.yml", ...ONE], { cwd });
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)._meta.hostvars).toEqual({ "redis-01": { ansible_port: "••••" } });
  });

  it("leave nothing of what was encrypted in a record or on the terminal", async () => {
    const { cwd } = await vaulted();
    made.directory.write("site.yml", "- hosts: all\n  tasks: [limits: { nofile: 64 }]\n");
    const secret = "host-that-only-the-vault-names.invalid";
    made.directory.write(
      "group_vars/redis.yml",
      await encrypt(`ansible_host: ${secret}\n`, new Secret("one")),
    );
    const run = await redkeep(["plan", "site.yml", "-i", "hosts.yml", "--json", "run.json", ...ONE], { cwd });
    expect(run.exitCode).toBe(4);
    expect(run.stdout).toContain("••••");
    const everything = run.stdout + run.stderr + readFileSync(join(cwd, "run.json"), "utf8");
    expect(everything).not.toContain("only-the-vault-names");
  });

  it("do not ask for a password that the limit makes needless", async () => {
    const { cwd } = await vaulted();
    made.directory.write("hosts.yml", "redis: { hosts: { redis-01: } }\nother: { hosts: { web-01: } }\n");
    const { exitCode, stdout } = await redkeep(["inventory", "-i", "hosts.yml", "-l", "web-01", "-J"], {
      cwd,
    });
    expect(exitCode).toBe(0);
    expect(stdout).toContain("web-01");
  });

  it("are needless where an ansible.cfg says all of it, also of the state", async () => {
    const { cwd } = await vaulted();
    made.directory.write("ansible.cfg", "[defaults]\ninventory = hosts.yml\nvault_password_file = one\n");
    expect((await redkeep(["inventory"], { cwd })).exitCode).toBe(0);
    mkdirSync(join(cwd, ".redkeep"), { mode: 0o700 });
    made.directory.write(".redkeep/secrets.yml", SECRETS);
    expect((await redkeep(["state", "encrypt"], { cwd })).exitCode).toBe(0);
    expect(readFileSync(join(cwd, ".redkeep/secrets.yml"), "utf8")).toMatch(/^\$ANSIBLE_VAULT;1\.1;AES256\n/);
    expect((await redkeep(["state", "show"], { cwd })).stdout).toContain("Generation  3\n");
  });

  it("run a program for the password", async () => {
    const { cwd } = await vaulted();
    const program = made.directory.write("get-password", "#!/bin/sh\necho one\n");
    await chmod(program, 0o700);
    const env = { ANSIBLE_VAULT_PASSWORD_FILE: "get-password" };
    expect((await redkeep(["inventory", "-i", "hosts.yml"], { cwd, env })).exitCode).toBe(0);
  });

  it("need a terminal to ask on", async () => {
    const { cwd } = await vaulted();
    const { exitCode, stderr } = await redkeep(["inventory", "-i", "hosts.yml", "--ask-vault-pass"], { cwd });
    expect(exitCode).toBe(1);
    expect(stderr).toContain("--ask-vault-pass: needs a terminal to ask on");
  });
});
