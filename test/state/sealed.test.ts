import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, cp, mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { Secret } from "../../src/lib/secret.ts";
import { createAuthority, readAuthority } from "../../src/pki/authority.ts";
import { State } from "../../src/state/state.ts";
import { isVault } from "../../src/vault/envelope.ts";
import { vaultSettings } from "../../src/vault/identities.ts";
import { Vault } from "../../src/vault/vault.ts";
import { directoryWith, refusal } from "../inventory/inventory-on-disk.ts";

/** A vault with one password, which the test answers as a user would on a terminal. */
function vaultWith(password: string | undefined, id = "prod"): Vault {
  const ids = password === undefined ? [] : [`${id}@prompt`];
  return new Vault(vaultSettings({ ids, passwordFiles: [], ask: false }, { cwd: "/", env: {} }), {
    env: {},
    interrupted: new AbortController().signal,
    ask: async () => new Secret(password ?? ""),
  });
}

const newDirectory = async () => join(await directoryWith({}), ".redkeep");
const openAt = (directory: string, password?: string) =>
  State.open(directory, undefined, "/", vaultWith(password));
/** As messages name it, seen from the root. */
const nameOf = (directory: string) => directory.slice(1);
const textOf = (directory: string, name: string) => readFile(join(directory, name), "utf8");
const SECRET_FILES = ["secrets.yml", "pki/ca.key", "pki/clients/app.key"];

/** A state with each kind of secret. */
async function filledState(password?: string): Promise<{ directory: string; admin: string }> {
  const directory = await newDirectory();
  const state = await openAt(directory, password);
  await state.generatePassword("admin");
  await createAuthority(state, false);
  await state.write("pki/clients/app.key", "key of the client");
  await state.write("pki/clients/app.crt", "certificate of the client");
  await state.write("runs/a.json", "{}");
  return { directory, admin: state.password("admin")?.reveal() ?? "" };
}

describe("a new state with a vault password at hand", () => {
  it("encrypts its secrets, keeps what is public plain, and lets git take both and nothing else", async () => {
    const { directory, admin } = await filledState("one");
    for (const name of SECRET_FILES) {
      const text = await textOf(directory, name);
      expect(text, name).toMatch(/^\$ANSIBLE_VAULT;1\.2;AES256;prod\n/);
    }
    expect(await textOf(directory, "pki/ca.crt")).toMatch(/^-----BEGIN CERTIFICATE/);
    expect(await textOf(directory, "pki/clients/app.crt")).toBe("certificate of the client");
    const again = await openAt(directory, "one");
    expect(again.password("admin")?.reveal()).toBe(admin);
    expect((await readAuthority(again))?.key.reveal()).toContain("PRIVATE KEY");
    expect(await again.read("pki/clients/app.key")).toBe("key of the client");

    await writeFile(join(directory, "lock"), "");
    await writeFile(join(directory, "pki/ca.key.0badcafe"), "");
    await git(dirname(directory), "init", "-q");
    await git(dirname(directory), "add", ".");
    expect((await git(dirname(directory), "ls-files")).trim().split("\n")).toEqual([
      ".redkeep/.gitignore",
      ".redkeep/pki/ca.crt",
      ".redkeep/pki/ca.key",
      ".redkeep/pki/clients/app.crt",
      ".redkeep/pki/clients/app.key",
      ".redkeep/secrets.yml",
    ]);
  });

  it("keeps its password and its vault id, whatever id another controller gives that password", async () => {
    const { directory } = await filledState("one");
    const state = await State.open(directory, undefined, "/", vaultWith("one", "mine"));
    await state.generatePassword("metrics");
    await state.write("pki/clients/b.key", "b");
    for (const name of ["secrets.yml", "pki/clients/b.key"])
      expect(await textOf(directory, name)).toMatch(/^\$ANSIBLE_VAULT;1\.2;AES256;prod\n/);
  });

  it("may be read by others, as a clone of a repository is", async () => {
    const { directory } = await filledState("one");
    const clone = await newDirectory();
    const named = join(dirname(clone), "state");
    await cp(directory, named, { recursive: true });
    await chmod(named, 0o755);
    expect((await openAt(named, "one")).password("admin")).toBeDefined();
    await chmod(named, 0o777);
    expect(await refusal(openAt(named, "one"))).toContain("--state: should be closed to others");
  });

  it("is refused by name without the password", async () => {
    const { directory } = await filledState("one");
    expect(await refusal(openAt(directory))).toContain(
      `${directory}/secrets.yml  is encrypted with Ansible Vault (id prod), and there is no password: give the vault's password by --vault-password-file FILE`,
    );
    expect(await refusal(openAt(directory, "two"))).toContain(
      `${directory}/secrets.yml  is encrypted with Ansible Vault (id prod), and the password of prod (--vault-id) does not open it`,
    );
  });

  it("is refused where a merge conflict left its marks, with what to do", async () => {
    const { directory } = await filledState("one");
    const text = await textOf(directory, "secrets.yml");
    const [header = "", ...body] = text.split("\n");
    await writeFile(
      join(directory, "secrets.yml"),
      [header, "<<<<<<< HEAD", ...body, "=======", ...body, ">>>>>>> theirs", ""].join("\n"),
    );
    expect(await refusal(openAt(directory, "one"))).toBe(
      `${directory}/secrets.yml:2:1  has the marks of a merge conflict: two versions of it cannot be merged, so take one of them whole (git checkout --ours FILE, or --theirs)`,
    );
    await writeFile(join(directory, "secrets.yml"), `<<<<<<< HEAD\n${text}=======\n${text}>>>>>>> x\n`);
    expect(await refusal(openAt(directory, "one"))).toContain("secrets.yml:1:1  has the marks of a merge");
  });

  it("is refused where an editor put a byte order mark before it: it would be encrypted a second time", async () => {
    const { directory } = await filledState("one");
    await writeFile(join(directory, "secrets.yml"), `\ufeff${await textOf(directory, "secrets.yml")}`);
    const refused = `${directory}/secrets.yml:1  begins with a byte order mark, so that Ansible does not see that it is encrypted: save it as UTF-8 without one`;
    expect(await refusal(openAt(directory, "one"))).toBe(refused);
    expect(await refusal(State.find(directory, undefined, "/", vaultWith("one")))).toBe(refused);
  });

  it("writes no file with the old password once another process has changed it", async () => {
    const { directory } = await filledState("one");
    const state = await openAt(directory, "one");
    const vault = vaultWith("two");
    await (await State.find(directory, undefined, "/", vaultWith("one"))).convert({
      vault,
      identity: vault.writer,
    });
    const files = await readdir(join(directory, "pki/clients"));
    expect(await refusal(state.write("pki/clients/b.key", "b"))).toContain("does not open it");
    expect(await readdir(join(directory, "pki/clients"))).toEqual(files);
  });

  it("writes with the new password once another process has changed it, where both are at hand", async () => {
    const { directory } = await filledState("one");
    const both = new Vault(
      vaultSettings(
        { ids: ["prod@prompt", "next@prompt"], passwordFiles: [], ask: false },
        { cwd: "/", env: {} },
      ),
      {
        env: {},
        interrupted: new AbortController().signal,
        ask: async (question) => new Secret(question.includes("next") ? "two" : "one"),
      },
    );
    const state = await State.open(directory, undefined, "/", both);
    const vault = vaultWith("two", "next");
    const other = await State.find(directory, undefined, "/", vaultWith("one"));
    await other.convert({ vault, identity: vault.writer });
    await state.generatePassword("metrics");
    await state.write("pki/clients/b.key", "b");
    const after = await State.open(directory, undefined, "/", vaultWith("two", "next"));
    expect(after.password("metrics")).toBeDefined();
    expect(await after.read("pki/clients/b.key")).toBe("b");
  });

  it("gets no plain file from a process that opened it before it was encrypted", async () => {
    const { directory } = await filledState();
    const state = await openAt(directory, "one");
    const vault = vaultWith("one");
    await (await State.find(directory, undefined, "/", vault)).convert({ vault, identity: vault.writer });
    await state.generatePassword("metrics");
    await state.write("pki/clients/b.key", "b");
    for (const name of [...SECRET_FILES, "pki/clients/b.key"])
      expect(isVault(await textOf(directory, name)), name).toBe(true);
  });

  it("is refused where some of its secrets are plain: git would take them", async () => {
    const { directory } = await filledState("one");
    await writeFile(join(directory, "pki/clients/b.key"), "plain", { mode: 0o600 });
    expect(await refusal(openAt(directory, "one"))).toBe(
      `${directory}/pki/clients/b.key  is plain text, while other secrets beside it are encrypted: run redkeep state encrypt`,
    );
  });
});

describe("a plain state", () => {
  it("is never left to git, whatever .gitignore an earlier run or the user has left there", async () => {
    const directory = await newDirectory();
    await (await openAt(directory, "one")).pathFor("runs/a.json");
    expect(await textOf(directory, ".gitignore")).toContain("!secrets.yml");
    await (await openAt(directory)).generatePassword("admin");
    expect(await textOf(directory, ".gitignore")).toBe("*\n");

    const encrypted = await filledState("one");
    for (const name of SECRET_FILES)
      await cp(join(directory, "secrets.yml"), join(encrypted.directory, name));
    await openAt(encrypted.directory);
    expect(await textOf(encrypted.directory, ".gitignore")).toBe("*\n");
  });

  it("that holds records alone encrypts its first secret, and may then be committed", async () => {
    const directory = await newDirectory();
    await (await openAt(directory)).pathFor("runs/a.json");
    expect(await textOf(directory, ".gitignore")).toBe("*\n");
    await (await openAt(directory, "one")).generatePassword("admin");
    expect(await textOf(directory, ".gitignore")).toContain("!secrets.yml");
  });

  it("stays plain where a password is at hand", async () => {
    const { directory } = await filledState();
    const state = await openAt(directory, "one");
    await state.generatePassword("metrics");
    await state.write("pki/clients/b.key", "b");
    expect(await textOf(directory, "secrets.yml")).toContain("metrics:");
    expect(await textOf(directory, "pki/clients/b.key")).toBe("b");
    expect(await textOf(directory, ".gitignore")).toBe("*\n");
    expect((await stat(join(directory, "secrets.yml"))).mode & 0o777).toBe(0o600);
  });
});

describe("a plain state that a repository brings, with a vault password at hand,", () => {
  const commit = async (directory: string, ...options: string[]) => {
    await git(dirname(directory), "init", "-q");
    await git(dirname(directory), "add", ...options, ".");
  };

  it("is refused in the place of the encrypted one, and says the way back", async () => {
    const { directory } = await filledState("one");
    await commit(directory);
    expect((await openAt(directory, "one")).warnings).toEqual([]);
    const strangers = await filledState();
    for (const name of [...SECRET_FILES, ".gitignore"])
      await cp(join(strangers.directory, name), join(directory, name));
    expect(await refusal(openAt(directory, "one"))).toBe(
      `${directory}/pki/ca.key  is plain text, git has it, and there is a vault's password: somebody decrypted it by hand, or put another state in the place of yours. Take the encrypted one back (git log -- ${nameOf(directory)}). Where this one is yours, say redkeep state encrypt, or keep it out of git: git rm -r --cached ${nameOf(directory)}`,
    );
    const state = await State.find(directory, undefined, "/", vaultWith("one"));
    await state.convert({ vault: vaultWith("one"), identity: vaultWith("one").writer });
    expect((await openAt(directory, "one")).warnings).toEqual([]);
  });

  it("is taken where git does not have it: redkeep made it here", async () => {
    const { directory } = await filledState();
    await commit(directory);
    expect((await openAt(directory, "one")).warnings).toEqual([]);
  });

  it("is told where git cannot tell whose it is", async () => {
    const { directory } = await filledState();
    expect((await openAt(directory, "one")).warnings).toEqual([
      `${nameOf(directory)} is plain though there is a vault's password, and git cannot tell whether somebody put it in the place of an encrypted one: redkeep state encrypt takes it for yours`,
    ]);
    expect((await openAt(directory)).warnings).toEqual([]);
  });

  it("makes git run no program that the repository brings", async () => {
    const { directory } = await filledState();
    await git(directory, "init", "-q", "--bare", ".");
    const ran = join(dirname(directory), "ran");
    await git(directory, "config", "core.fsmonitor", `touch ${ran}; false`);
    await git(directory, "config", "core.worktree", directory);
    await git(directory, "config", "core.bare", "false");
    expect((await openAt(directory, "one")).warnings).toHaveLength(1);
    expect(await readdir(dirname(directory))).not.toContain("ran");
  });

  it("is refused also where the repository makes the folder look like a bare one", async () => {
    const { directory } = await filledState();
    await writeFile(join(directory, "HEAD"), "ref: refs/heads/main\n");
    for (const folder of ["objects", "refs"]) {
      await mkdir(join(directory, folder));
      await writeFile(join(directory, folder, "a"), "");
    }
    await commit(directory, "-f");
    expect(await refusal(openAt(directory, "one"))).toContain(
      "pki/ca.key  is plain text, git has it, and there is a vault's password",
    );
  });

  it.each([undefined, "one"])(
    "is refused where it lies there as a conversion to finish (password: %s)",
    async (password) => {
      const { directory } = await filledState(password);
      const own = await textOf(directory, "secrets.yml");
      const strangers = await filledState();
      await cp(join(strangers.directory, "secrets.yml"), join(directory, "next/secrets.yml"));
      await writeFile(join(directory, "next/ready"), "plain\n");
      await git(dirname(directory), "init", "-q");
      await git(dirname(directory), "add", "-f", ".redkeep/next");
      const path = `${nameOf(directory)}/next`;
      expect(await refusal(openAt(directory, "one"))).toBe(
        `${directory}/next  git has it, and it would replace the secrets here: only redkeep lays files there, and only for a moment. Look who committed it (git log -- ${path}), then take it out: git rm -r ${path}`,
      );
      expect(await textOf(directory, "secrets.yml")).toBe(own);
    },
  );

  it("is told without a password at hand", async () => {
    const { directory } = await filledState();
    await commit(directory, "-f");
    expect((await openAt(directory)).warnings).toEqual([
      `git has ${nameOf(directory)}/pki/ca.key in plain text: give a vault's password to redkeep state encrypt`,
    ]);
  });
});

describe("a state that is converted", () => {
  const convertTo = async (directory: string, from: string | undefined, to: string | undefined) => {
    const state = await State.find(directory, undefined, "/", vaultWith(from));
    const vault = vaultWith(to);
    await state.convert(to === undefined ? "plain" : { vault, identity: vault.writer });
  };
  /** Which password opens the state, if all of its files agree. */
  const openedBy = async (directory: string, passwords: readonly (string | undefined)[]) => {
    const found: (string | undefined)[] = [];
    for (const password of passwords) {
      const opens = await (async () => {
        const state = await openAt(directory, password);
        for (const name of SECRET_FILES) if ((await state.read(name)) === undefined) return "no file";
        return "accepted";
      })().catch((error: unknown) => (error instanceof Error ? error.message : "refused"));
      if (opens === "accepted") found.push(password);
    }
    return found;
  };

  it("holds the same secrets, and its .gitignore says what may be committed", async () => {
    const { directory, admin } = await filledState();
    await convertTo(directory, undefined, "one");
    for (const name of SECRET_FILES) expect(isVault(await textOf(directory, name)), name).toBe(true);
    expect((await openAt(directory, "one")).password("admin")?.reveal()).toBe(admin);
    expect(await textOf(directory, ".gitignore")).toContain("!secrets.yml");

    await convertTo(directory, "one", "two");
    expect(await openedBy(directory, [undefined, "one", "two"])).toEqual(["two"]);

    await convertTo(directory, "two", undefined);
    expect((await openAt(directory)).password("admin")?.reveal()).toBe(admin);
    expect(await textOf(directory, ".gitignore")).toBe("*\n");
    expect((await stat(join(directory, "pki/ca.key"))).mode & 0o777).toBe(0o600);
    expect((await readdir(directory)).toSorted()).toEqual([".gitignore", "pki", "runs", "secrets.yml"]);
  });

  it("leaves the user's own .gitignore alone", async () => {
    const { directory } = await filledState();
    await writeFile(join(directory, ".gitignore"), "runs\n");
    await convertTo(directory, undefined, "one");
    expect(await textOf(directory, ".gitignore")).toBe("runs\n");
  });

  it.each([0, 1, 2, 3])(
    "is all old or all new where it was killed after %i files took their places",
    async (done) => {
      const { directory } = await filledState("one");
      const after = await newDirectory();
      await cp(directory, after, { recursive: true });
      await convertTo(after, "one", "two");
      // The conversion lays them down in this form.
      const next = join(directory, "next");
      await mkdir(join(next, "pki/clients"), { recursive: true });
      await cp(join(after, "secrets.yml"), join(next, "secrets.yml"));
      expect(await openedBy(directory, ["one", "two"])).toEqual(["one"]);
      for (const name of SECRET_FILES) await cp(join(after, name), join(next, name));
      expect(await openedBy(directory, ["one", "two"])).toEqual(["one"]);
      await writeFile(join(next, "ready"), "encrypted\n");
      for (const name of SECRET_FILES.slice(0, done)) await rename(join(next, name), join(directory, name));
      expect(await openedBy(directory, ["one", "two"])).toEqual(["two"]);
      expect((await readdir(directory)).toSorted()).toEqual([".gitignore", "pki", "runs", "secrets.yml"]);
    },
  );

  it("is all old or all new whichever step of it is the last before it is killed", async () => {
    const { directory } = await filledState("one");
    const module = (path: string) => JSON.stringify(join(import.meta.dirname, "../../src", path));
    const script = join(await directoryWith({}), "rekey.ts");
    await writeFile(
      script,
      `import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { State } from ${module("state/state.ts")};
import { vaultSettings } from ${module("vault/identities.ts")};
import { Vault } from ${module("vault/vault.ts")};
import { Secret } from ${module("lib/secret.ts")};
const [directory, from, to, steps] = process.argv.slice(2);
const vaultWith = (password) => new Vault(
  vaultSettings({ ids: ["prod@prompt"], passwordFiles: [], ask: false }, { cwd: "/", env: {} }),
  { env: {}, interrupted: new AbortController().signal, ask: async () => new Secret(password) },
);
const state = await State.find(directory, undefined, "/", vaultWith(from));
const vault = vaultWith(to);
let left = Number(steps);
for (const name of ["open", "rename", "rm"]) {
  const own = fs.promises[name];
  fs.promises[name] = async (...given) => {
    if (left-- === 0) process.kill(process.pid, "SIGKILL");
    return await own(...given);
  };
}
syncBuiltinESMExports();
await state.convert({ vault, identity: vault.writer });
`,
    );
    let now = "one";
    const seen = new Set<string>();
    for (let steps = 0, isWhole = false; !isWhole; steps++) {
      const other = now === "one" ? "two" : "one";
      const child = spawn(process.execPath, [script, directory, now, other, `${steps}`], {
        stdio: "inherit",
      });
      const [status, signal] = await once(child, "exit");
      isWhole = status === 0;
      if (!isWhole) expect(signal).toBe("SIGKILL");
      await rm(join(directory, "lock"), { force: true });
      const [opens, ...more] = await openedBy(directory, ["one", "two"]);
      expect(opens).toBeDefined();
      expect(more).toEqual([]);
      seen.add(opens === now ? "old" : "new");
      now = opens ?? now;
    }
    expect([...seen].toSorted()).toEqual(["new", "old"]);
    // A process for each step.
  }, 300_000);
});

describe("the lock of a state", () => {
  afterEach(() => void vi.useRealTimers());

  it("names who holds it", async () => {
    const { directory } = await filledState();
    const state = await openAt(directory);
    await state.exclusively(async () => {
      const other = await openAt(directory);
      expect(await refusal(other.generatePassword("x"))).toMatch(
        new RegExp(
          `^${directory}/lock  process ${process.pid} on ${hostname()} has held this lock since \\d{4}-\\S+: wait until it ends; if it no longer runs there, remove the file$`,
        ),
      );
    });
    await state.generatePassword("x");
  });

  it("is recognised without waiting where a process that has died left it", async () => {
    const { directory } = await filledState();
    const child = spawn(process.execPath, ["-e", ""]);
    await once(child, "exit");
    await writeFile(join(directory, "lock"), `${child.pid} ${hostname()} 2026-11-30T00:00:00.000Z\n`);
    // A clock that stands still: whoever waited for the lock would wait for ever.
    vi.useFakeTimers({ toFake: ["Date"] });
    expect(await refusal((await openAt(directory)).generatePassword("x"))).toBe(
      `${directory}/lock  process ${child.pid} on this machine took this lock at 2026-11-30T00:00:00.000Z and was killed; nobody holds it now: remove the file`,
    );
  });

  it("is not taken for a dead process's where another machine holds it", async () => {
    const { directory } = await filledState();
    await writeFile(join(directory, "lock"), "999999999 elsewhere 2026-11-30T00:00:00.000Z\n");
    expect(await refusal((await openAt(directory)).generatePassword("x"))).toContain(
      "process 999999999 on elsewhere has held this lock since 2026-11-30T00:00:00.000Z",
    );
  });
});

describe("the generation of a state", () => {
  it("grows with each secret that is made, and with nothing else", async () => {
    const directory = await newDirectory();
    const state = await openAt(directory);
    expect(state.mark).toBe("");
    await state.generatePassword("a");
    await state.generatePassword("a");
    await state.generateServerKey("admin");
    await state.noteServers("admin", ["h"]);
    await state.forgetPassword("a");
    expect(state.generation?.number).toBe(2);
    await state.replaceServerKey("admin");
    await createAuthority(state, false);
    await createAuthority(state, false);
    expect((await openAt(directory)).generation?.number).toBe(4);
  });

  it("shows a copy that it is older than the mark on a host, and tells nothing to another state", async () => {
    const { directory } = await filledState();
    const copy = await newDirectory();
    await cp(directory, copy, { recursive: true });
    const state = await openAt(directory);
    await state.replacePassword("admin");
    const old = await openAt(copy);
    expect(old.newerOn([old.mark])).toBeUndefined();
    expect(state.newerOn([old.mark])).toBeUndefined();
    expect(old.newerOn([old.mark, state.mark])).toBe(state.generation?.number);
    const stranger = await openAt((await filledState()).directory);
    for (let again = 0; again < 3; again++) await stranger.replacePassword("admin");
    expect(old.newerOn([stranger.mark, "", "9 abc", "x"])).toBeUndefined();
  });

  it("cannot be raised by a host, whose mark holds no secret", async () => {
    const { directory } = await filledState();
    const state = await openAt(directory);
    const [number = "", signed = ""] = state.mark.split(" ");
    expect(state.newerOn([`${Number(number) + 1} ${signed}`])).toBeUndefined();
    expect(state.mark).not.toContain(state.generation?.id.reveal());
  });
});

async function git(cwd: string, ...args: string[]): Promise<string> {
  const child = spawn("git", args, { cwd, stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  child.stdout.on("data", (chunk) => {
    text += chunk;
  });
  const [code] = await once(child, "close");
  expect(code).toBe(0);
  return text;
}
