import { execFileSync } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ansibleSettings } from "../../src/inventory/ansible-settings.ts";
import { loadInventory } from "../../src/inventory/load-inventory.ts";
import { Secret } from "../../src/lib/secret.ts";
import { encrypt } from "../../src/vault/envelope.ts";
import { type VaultConfig, vaultSettings } from "../../src/vault/identities.ts";
import { Vault } from "../../src/vault/vault.ts";
import { directoryWith } from "../inventory/inventory-on-disk.ts";

/** The real ansible-vault, from Debian's ansible-core. */
const ansibleVault = (cwd: string, ...args: string[]) => ansible("ansible-vault", cwd, args);

function ansible(program: string, cwd: string, args: string[], env: NodeJS.ProcessEnv = {}): string {
  return execFileSync(program, args, {
    cwd,
    encoding: "utf8",
    env: { PATH: process.env.PATH, HOME: cwd, LC_ALL: "C.UTF-8", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
}

const TEXT = "redis_password: 'tröt$ \"x\"'\nlist: [1, 2]\n";

function vaultIn(cwd: string, ids: string[], env: NodeJS.ProcessEnv = {}, config?: VaultConfig): Vault {
  return new Vault(vaultSettings({ ids, passwordFiles: [], ask: false }, { cwd, env }, config), {
    env: {},
    interrupted: new AbortController().signal,
    ask: () => Promise.reject(new Error("nobody is asked")),
  });
}

describe("ansible-vault and redkeep", () => {
  it.each(["default", "prod"])("open what the other encrypts, id %s", async (id) => {
    const cwd = await directoryWith({ p: "pässword 1\n", "theirs.yml": TEXT });
    ansibleVault(cwd, "encrypt", "--vault-id", `${id}@p`, "--encrypt-vault-id", id, "theirs.yml");
    const theirs = await readFile(join(cwd, "theirs.yml"), "utf8");
    expect(theirs.startsWith("$ANSIBLE_VAULT")).toBe(true);
    const vault = vaultIn(cwd, [`${id}@p`]);
    expect((await vault.open({ text: theirs, place: { file: "theirs.yml" } })).text).toBe(TEXT);

    await writeFile(join(cwd, "ours.yml"), await encrypt(TEXT, new Secret("pässword 1"), id));
    expect(ansibleVault(cwd, "view", "--vault-id", `${id}@p`, "ours.yml")).toBe(TEXT);
  });

  it("read an inventory with encrypted parts alike: what wins, and of which type", async () => {
    const sealed = (text: string, password: string, id?: string) => encrypt(text, new Secret(password), id);
    const value = await sealed("single value", "two", "app");
    const cwd = await directoryWith({
      p: "one\n",
      q: "two\n",
      "hosts.yml": await sealed("g:\n  hosts: {h: {a: host}}\n  vars: {from_hosts: 1}\n", "one"),
      "group_vars/all/10.yml": "b: plain\nc: plain\nd: plain\n",
      "group_vars/all/20.yml": await sealed("b: 08\nc: [1, yes, ~, 1.0]\n", "two", "app"),
      "group_vars/all/30.yml": "c: plain again\n",
      "group_vars/g.yml": `e: !vault |\n${value.trim().replace(/^/gm, "  ")}\n`,
      "host_vars/h.json": await sealed('{"a": "vaulted", "f": {"deep": "{{ x }}"}}', "one", "other"),
    });
    const ids = ["main@p", "app@q"];
    const listed = ansible("ansible-inventory", cwd, [
      ...["-i", "hosts.yml", "--host", "h", "--vault-id", "main@p", "--vault-id", "app@q"],
    ]);
    const vault = vaultIn(cwd, ids);
    const closed = await loadInventory({ sources: ["hosts.yml"], vault, cwd });
    const inventory = await closed.unlock(["h"], vault);
    const ours = Object.fromEntries(
      [...(inventory.hosts.get("h")?.variables ?? [])].map(([name, variable]) => [name, variable.value]),
    );
    expect(JSON.parse(JSON.stringify(ours))).toEqual(JSON.parse(listed));
  });

  it.each([
    ["a byte order mark before it", "\ufeffone\n"],
    ["a space that no ASCII has", "one\u00a0\n"],
  ])("take a password file alike that has %s", async (_, password) => {
    const cwd = await directoryWith({ p: password, "x.yml": TEXT });
    ansibleVault(cwd, "encrypt", "--vault-password-file", "p", "x.yml");
    const text = await readFile(join(cwd, "x.yml"), "utf8");
    expect((await vaultIn(cwd, ["p"]).open({ text, place: { file: "x.yml" } })).text).toBe(TEXT);
  });

  it.each([
    ["ANSIBLE_VAULT_PASSWORD_FILE", "$KEYS/p"],
    ["ANSIBLE_VAULT_PASSWORD_FILE", "${KEYS}/../keys/p"],
    ["ANSIBLE_VAULT_PASSWORD_FILE", "~/keys/p"],
    ["ANSIBLE_VAULT_PASSWORD_FILE", "{{CWD}}/keys/p"],
    ["ANSIBLE_VAULT_IDENTITY_LIST", "$KEYS/p"],
    ["ANSIBLE_VAULT_IDENTITY_LIST", "a@~/keys/p"],
    ["ANSIBLE_VAULT_IDENTITY_LIST", "\"a@q\", 'b@keys/p',"],
    ["ANSIBLE_VAULT_IDENTITY_LIST", "'a@keys/p'"],
  ])("find the password alike by %s=%s", async (name, value) => {
    const cwd = await directoryWith({ "keys/p": "one\n", q: "two\n", "x.yml": TEXT });
    ansibleVault(cwd, "encrypt", "--vault-id", "b@keys/p", "x.yml");
    const env = { HOME: cwd, KEYS: "keys", [name]: value };
    expect(ansible("ansible-vault", cwd, ["view", "x.yml"], env)).toBe(TEXT);
    const { vault: config } = await ansibleSettings({ cwd, env }, true);
    const text = await readFile(join(cwd, "x.yml"), "utf8");
    const vault = vaultIn(cwd, [], env, config);
    expect((await vault.open({ text, place: { file: "x.yml" } })).text).toBe(TEXT);
  });

  it("open a single value as ansible-vault encrypt_string writes it", async () => {
    const cwd = await directoryWith({ p: "one\n" });
    const yaml = ansibleVault(cwd, "encrypt_string", "--vault-id", "prod@p", "--name", "x", "the value");
    const text = yaml.replace(/^x: !vault \|\n/, "").replace(/^ +/gm, "");
    expect((await vaultIn(cwd, ["prod@p"]).open({ text, place: { file: "x.yml" } })).text).toBe("the value");
  });
});
