import { chmod } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ansibleSettings } from "../../src/inventory/ansible-settings.ts";
import { Secret } from "../../src/lib/secret.ts";
import { encrypt, isVault, parseEnvelope, VaultDamage } from "../../src/vault/envelope.ts";
import { type VaultConfig, type VaultOptions, vaultSettings } from "../../src/vault/identities.ts";
import { Vault } from "../../src/vault/vault.ts";
import { directoryWith, type Files, refusal } from "../inventory/inventory-on-disk.ts";

const NONE: VaultOptions = { ids: [], passwordFiles: [], ask: false };

interface Given {
  files?: Files;
  options?: Partial<VaultOptions>;
  env?: NodeJS.ProcessEnv;
  config?: VaultConfig;
  answers?: string[];
}

/** A vault as the command line, the environment and an ansible.cfg describe it, and the questions that it asks. */
async function vaultOf({ files = {}, options = {}, env = {}, config, answers = [] }: Given) {
  const cwd = await directoryWith(files);
  const asked: string[] = [];
  const { vault: said } = await ansibleSettings({ cwd, env }, true);
  const vault = new Vault(vaultSettings({ ...NONE, ...options }, { cwd, env }, { ...said, ...config }), {
    env: { PATH: process.env.PATH },
    interrupted: new AbortController().signal,
    ask: async (question) => {
      asked.push(question);
      return new Secret(answers[asked.length - 1] ?? "");
    },
  });
  return { vault, asked, cwd };
}

const PLACE = { file: "group_vars/all.yml" };
const sealed = async (password: string, id?: string, text = "the text") => ({
  text: await encrypt(text, new Secret(password), id),
  place: PLACE,
});

describe("the password of a vault", () => {
  it.each<[string, Given]>([
    [
      "a file, without the white space around it",
      { files: { p: " one \n" }, options: { passwordFiles: ["p"] } },
    ],
    [
      "a program that prints it",
      { files: { p: "#!/bin/sh\necho one\n" }, options: { passwordFiles: ["p"] } },
    ],
    ["--vault-id with a file alone", { files: { p: "one" }, options: { ids: ["p"] } }],
    ["--vault-id ID@FILE", { files: { p: "one" }, options: { ids: ["prod@p"] } }],
    ["--vault-password-file ID@FILE", { files: { p: "one" }, options: { passwordFiles: ["prod@p"] } }],
    ["a file with an @ in its name", { files: { "a@p": "one" }, options: { passwordFiles: ["a@p"] } }],
    ["an answer", { options: { ask: true }, answers: ["one"] }],
    ["an answer for an id", { options: { ids: ["prod@prompt"] }, answers: ["one"] }],
    ["ANSIBLE_VAULT_PASSWORD_FILE", { files: { p: "one" }, env: { ANSIBLE_VAULT_PASSWORD_FILE: "p" } }],
    [
      "ANSIBLE_VAULT_IDENTITY_LIST",
      { files: { p: "one", q: "two" }, env: { ANSIBLE_VAULT_IDENTITY_LIST: "a@q, b@p" } },
    ],
    [
      "ANSIBLE_VAULT_PASSWORD_FILE with a variable in it",
      { files: { "keys/p": "one" }, env: { KEYS: "keys", ANSIBLE_VAULT_PASSWORD_FILE: "$KEYS/p" } },
    ],
    [
      "ANSIBLE_VAULT_IDENTITY_LIST with quotes and a variable",
      {
        files: { "keys/p": "one", q: "two" },
        env: { KEYS: "keys", ANSIBLE_VAULT_IDENTITY_LIST: "\"a@$KEYS/p\",'b@q'" },
      },
    ],
  ])("comes from %s", async (_, given) => {
    const { vault } = await vaultOf(given);
    expect((await vault.open(await sealed("one"))).text).toBe("the text");
  });

  it("comes from an ansible.cfg, unless the environment names another", async () => {
    const files = { "ansible.cfg": "[defaults]\nvault_password_file = cfg\n", cfg: "one", env: "two" };
    const { vault } = await vaultOf({ files });
    expect((await vault.open(await sealed("one"))).text).toBe("the text");
    const other = await vaultOf({ files, env: { ANSIBLE_VAULT_PASSWORD_FILE: "env" } });
    expect((await other.vault.open(await sealed("two"))).text).toBe("the text");
  });

  it("comes from a client program that is told the id", async () => {
    const client = '#!/bin/sh\n[ "$1" = --vault-id ] && echo "of-$2"\n';
    const { vault } = await vaultOf({
      files: { "keys-client.sh": client },
      options: { ids: ["prod@keys-client.sh"] },
    });
    expect((await vault.open(await sealed("of-prod", "prod"))).text).toBe("the text");
  });

  it("may lie in an encrypted file that a password named before it opens", async () => {
    const inner = await encrypt("inner\n", new Secret("outer"));
    const { vault } = await vaultOf({
      files: { o: "outer", i: inner },
      options: { ids: ["a@o", "b@i"] },
    });
    expect((await vault.open(await sealed("inner", "b"))).text).toBe("the text");
  });

  it("is first looked for under the vault's own id, so that nobody is asked for another", async () => {
    const { vault, asked } = await vaultOf({
      files: { p: "one" },
      options: { ids: ["dev@prompt", "prod@p"] },
    });
    expect((await vault.open(await sealed("one", "prod"))).identity.id).toBe("prod");
    expect(asked).toEqual([]);
  });

  it("may be that of another id, as with Ansible, unless vault_id_match says no", async () => {
    const given = { files: { p: "one" }, options: { ids: ["dev@p"] } };
    const { vault } = await vaultOf(given);
    expect((await vault.open(await sealed("one", "prod"))).text).toBe("the text");
    const { vault: strict } = await vaultOf({ ...given, config: { idMatch: true } });
    expect(await refusal(strict.open(await sealed("one", "prod")))).toBe(
      "group_vars/all.yml  is encrypted with the vault id prod, and vault_id_match allows no other password; redkeep has those of dev (--vault-id)",
    );
  });

  it("is asked for once, and only when a vault needs it", async () => {
    const { vault, asked } = await vaultOf({ options: { ask: true }, answers: ["one"] });
    expect(asked).toEqual([]);
    await vault.open(await sealed("one"));
    await vault.open(await sealed("one"));
    expect(asked).toEqual(["Vault password: "]);
  });
});

describe("a vault that cannot be opened", () => {
  const refusalOf = async (given: Given, what: { text: string; place: { file: string }; key?: string }) =>
    await refusal((await vaultOf(given)).vault.open(what));

  it("is named with the ways to give a password, where there is none", async () => {
    expect(await refusalOf({}, await sealed("one"))).toBe(
      "group_vars/all.yml  is encrypted with Ansible Vault (id default), and there is no password: give the vault's password by --vault-password-file FILE, --vault-id ID@FILE, --ask-vault-pass, ANSIBLE_VAULT_PASSWORD_FILE or ansible.cfg",
    );
  });

  it("is named with the passwords that were tried", async () => {
    const given = { files: { p: "two" }, options: { passwordFiles: ["p"] } };
    expect(await refusalOf(given, await sealed("one", "prod"))).toBe(
      "group_vars/all.yml  is encrypted with Ansible Vault (id prod), and the password of default (--vault-password-file) does not open it: it needs another, or is damaged",
    );
  });

  it.each<[string, (text: string) => string, string]>([
    [
      "a digit that is none",
      (text) => text.replace(/\n(.)/, "\nx"),
      "vars.yml:2:1  is damaged: should be hexadecimal digits",
    ],
    [
      "its end cut off",
      (text) => text.slice(0, -90),
      "vars.yml:4:1  is damaged: it is cut off, or a part of it is missing",
    ],
    [
      "nothing behind the header",
      (text) => text.split("\n")[0] ?? "",
      "vars.yml:1:1  is damaged: it is cut off, or a part of it is missing",
    ],
    [
      "another version",
      (text) => text.replace("1.1", "1.0"),
      'vars.yml:1:1  should be of version 1.1 or 1.2 of Ansible Vault, found "1.0"',
    ],
    [
      "another cipher",
      (text) => text.replace("AES256", "ROT13"),
      'vars.yml:1:1  should be encrypted by AES256, found "ROT13"',
    ],
    [
      "a merge conflict",
      (text) => text.replace("\n", "\n<<<<<<< HEAD\n"),
      "vars.yml:2:1  has the marks of a merge conflict: two versions of it cannot be merged, so take one of them whole (git checkout --ours FILE, or --theirs)",
    ],
  ])("is refused with what is wrong where it has %s", async (_, change, expected) => {
    const { text } = await sealed("one");
    expect(await refusalOf({}, { text: change(text), place: { file: "vars.yml" } })).toBe(expected);
  });

  it("with a changed digit looks like one with another password", async () => {
    const { text } = await sealed("one");
    const changed = text.replace(/..\n$/, (digit) => (digit === "30\n" ? "31\n" : "30\n"));
    const given = { files: { p: "one" }, options: { passwordFiles: ["p"] } };
    expect(changed).not.toBe(text);
    expect(await refusalOf(given, { text: changed, place: { file: "vars.yml" } })).toContain(
      "it needs another, or is damaged",
    );
  });

  it.each<[string, string, string]>([
    ["fails", "#!/bin/sh\nexit 3\n", "gave no password: it ended with 3"],
    ["prints nothing", "#!/bin/sh\n", "printed no password"],
    ["prints without end", "#!/bin/sh\nexec yes\n", "printed more than 64 KiB, expected a password"],
    ["is no program", "#!/nowhere\n", "if it holds the password itself, take its executable bit away"],
  ])("is refused where the password's program %s", async (_, program, expected) => {
    const given = { files: { p: program }, options: { passwordFiles: ["p"] } };
    const message = await refusalOf(given, await sealed("one"));
    expect(message).toContain(
      "group_vars/all.yml  is encrypted with Ansible Vault, and its password cannot be had\n",
    );
    expect(message).toContain(expected);
  });

  it("does not make redkeep run a password program that every user may write to", async () => {
    const { vault, cwd } = await vaultOf({
      files: { p: "#!/bin/sh\necho one\n" },
      options: { passwordFiles: ["p"] },
    });
    await chmod(join(cwd, "p"), 0o757);
    expect(await refusal(vault.open(await sealed("one")))).toContain(
      `${cwd}/p  --vault-password-file: is not run, as every user may write to it: say chmod o-w ${cwd}/p`,
    );
  });

  it("is refused where a client program does not know the id", async () => {
    const given = {
      files: { "x-client": "#!/bin/sh\nexit 2\n" },
      options: { ids: ["prod@x-client"] },
    };
    expect(await refusalOf(given, await sealed("one", "prod"))).toContain(
      "knows no password for the vault id prod (it ended with 2)",
    );
  });

  it("is refused where the password's file or the answer is empty", async () => {
    const empty = { files: { p: " \n" }, options: { passwordFiles: ["p"] } };
    expect(await refusalOf(empty, await sealed("one"))).toContain("is empty, expected the vault's password");
    expect(await refusalOf({ options: { ask: true } }, await sealed("one"))).toContain(
      "--ask-vault-pass: the vault's password was left empty",
    );
  });
});

describe("options that cannot be meant", () => {
  it.each<[Partial<VaultOptions>, string]>([
    [
      { passwordFiles: ["missing"] },
      '--vault-password-file: expected a file with the vault\'s password, or a program that prints it; found no file "missing"',
    ],
    [
      { ids: ["prod@"] },
      "--vault-id: expected a file with the vault's password, or a program that prints it; found nothing",
    ],
    [{ ids: ["a;b@prompt"] }, '--vault-id: expected ID@FILE with an id of one word, found the id "a;b"'],
    [{ ids: ["-x@prompt"] }, '--vault-id: expected ID@FILE with an id of one word, found the id "-x"'],
  ])("%j is refused", async (options, expected) => {
    expect(await refusal(vaultOf({ options }))).toBe(expected);
  });
});

describe("what redkeep encrypts", () => {
  it.each(["", "x", "fifteen letters", "sixteen letters!", "ü\n".repeat(5000)])(
    "comes back as it was (%#)",
    async (text) => {
      const { vault } = await vaultOf({ files: { p: "one" }, options: { ids: ["prod@p"] } });
      const encrypted = await vault.seal(text, vault.writer);
      expect(isVault(encrypted)).toBe(true);
      expect(encrypted).toMatch(/^\$ANSIBLE_VAULT;1\.2;AES256;prod\n/);
      expect((await vault.open({ text: encrypted, place: PLACE })).text).toBe(text);
      expect((await vault.open({ text: encrypted.replaceAll("\n", "\r\n"), place: PLACE })).text).toBe(text);
    },
  );

  it("is another text each time", async () => {
    expect(await encrypt("x", new Secret("one"))).not.toBe(await encrypt("x", new Secret("one")));
  });

  it("takes the id that vault_encrypt_identity names", async () => {
    const given = { files: { p: "one" }, options: { ids: ["a@p", "b@p"] } };
    const { vault } = await vaultOf({ ...given, config: { encryptIdentity: "b" } });
    expect(vault.writer.id).toBe("b");
    const { vault: wrong } = await vaultOf({ ...given, config: { encryptIdentity: "c" } });
    expect(() => wrong.writer).toThrow('there is no vault id "c", found a (--vault-id), b (--vault-id)');
  });
});

it("a text that is no vault is recognised", () => {
  expect(() => parseEnvelope("passwords: {}\n")).toThrow(VaultDamage);
});

it("a password file that is not executable is read, even where it begins as a program does", async () => {
  const { vault, cwd } = await vaultOf({ files: { p: "#!/bin/sh" }, options: { passwordFiles: ["p"] } });
  await chmod(join(cwd, "p"), 0o644);
  expect((await vault.open(await sealed("#!/bin/sh"))).text).toBe("the text");
});
