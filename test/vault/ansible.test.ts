import { execFileSync } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Secret } from "../../src/lib/secret.ts";
import { encrypt } from "../../src/vault/envelope.ts";
import { vaultSettings } from "../../src/vault/identities.ts";
import { Vault } from "../../src/vault/vault.ts";
import { directoryWith } from "../inventory/inventory-on-disk.ts";

/** The real one, of Debian's ansible-core. */
function ansibleVault(cwd: string, ...args: string[]): string {
  return execFileSync("ansible-vault", args, {
    cwd,
    encoding: "utf8",
    env: { PATH: process.env.PATH, HOME: cwd, LC_ALL: "C.UTF-8" },
    stdio: ["ignore", "pipe", "pipe"],
  });
}

const TEXT = "redis_password: 'tröt$ \"x\"'\nlist: [1, 2]\n";

function vaultIn(cwd: string, ids: string[]): Vault {
  return new Vault(vaultSettings({ ids, passwordFiles: [], ask: false }, {}, cwd), {
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

  it("open a single value as ansible-vault encrypt_string writes it", async () => {
    const cwd = await directoryWith({ p: "one\n" });
    const yaml = ansibleVault(cwd, "encrypt_string", "--vault-id", "prod@p", "--name", "x", "the value");
    const text = yaml.replace(/^x: !vault \|\n/, "").replace(/^ +/gm, "");
    expect((await vaultIn(cwd, ["prod@p"]).open({ text, place: { file: "x.yml" } })).text).toBe("the value");
  });
});
