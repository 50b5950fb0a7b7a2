import { fork } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { parseYaml } from "../../src/lib/yaml.ts";
import { State } from "../../src/state/state.ts";
import { directoryWith, refusal } from "../inventory/inventory-on-disk.ts";

const modeOf = async (path: string) => ((await stat(path)).mode & 0o777).toString(8);
const openAt = (directory: string) => State.open(directory, undefined, "/");

describe("the place of the state", () => {
  it.each([
    ["beside the inventory file", "inventory/hosts.yml", "inventory/.redkeep"],
    ["inside the inventory directory", "inventory", "inventory/.redkeep"],
    ["in the current directory for a list of hosts", "a,b,", ".redkeep"],
    ["in the current directory without an inventory", undefined, ".redkeep"],
    ["beside a file that has a comma in its name", "inventory/a,b.yml", "inventory/.redkeep"],
  ])("%s", async (_, inventory, expected) => {
    const cwd = await directoryWith({ "inventory/hosts.yml": "", "inventory/a,b.yml": "" });
    expect((await State.open(undefined, inventory, cwd)).directory).toBe(join(cwd, expected));
  });

  it("is not where a link in a repository leads: redkeep changes no mode there", async () => {
    const cwd = await directoryWith({ "target/file": "" });
    await chmod(join(cwd, "target"), 0o755);
    await symlink(join(cwd, "target"), join(cwd, ".redkeep"));
    const opening = (async () => (await State.open(undefined, undefined, cwd)).generatePassword("admin"))();
    expect(await refusal(opening)).toContain("should be closed to others (mode 0700), found mode 0755");
    expect(await modeOf(join(cwd, "target"))).toBe("755");
    expect(await readdir(join(cwd, "target"))).toEqual(["file"]);
  });

  it("is the folder that --state names", async () => {
    expect((await State.open("elsewhere", "hosts.yml", "/srv")).directory).toBe("/srv/elsewhere");
  });
});

describe("generated passwords", () => {
  it("do not exist before one is asked for, and neither does any file", async () => {
    const cwd = await directoryWith({});
    const state = await State.open(undefined, undefined, cwd);
    expect(state.password("admin")).toBeUndefined();
    expect(await readdir(cwd)).toEqual([]);
  });

  it("are long, random and the same for whoever opens the state later", async () => {
    const directory = join(await directoryWith({}), ".redkeep");
    const state = await openAt(directory);
    await state.generatePassword("admin");
    await state.generatePassword("metrics");
    const admin = state.password("admin")?.reveal();
    expect(admin).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect(state.password("metrics")?.reveal()).not.toBe(admin);
    expect((await openAt(directory)).password("admin")?.reveal()).toBe(admin);
  });

  it("lie where only their owner can read them, in a folder that git leaves out", async () => {
    const directory = join(await directoryWith({}), "a", ".redkeep");
    const state = await openAt(directory);
    await state.generatePassword("admin");
    await state.write("pki/clients/app.key", "key");
    expect(await modeOf(directory)).toBe("700");
    expect(await modeOf(join(directory, "secrets.yml"))).toBe("600");
    expect(await modeOf(join(directory, "pki", "clients"))).toBe("700");
    expect(await modeOf(join(directory, "pki", "clients", "app.key"))).toBe("600");
    expect(await readFile(join(directory, ".gitignore"), "utf8")).toBe("*\n");
    expect((await readdir(directory)).sort()).toEqual([".gitignore", "pki", "secrets.yml"]);
  });

  it("make redkeep close its own folder, which a CI job may have restored open", async () => {
    const directory = join(await directoryWith({}), ".redkeep");
    await mkdir(directory, { mode: 0o755 });
    await (await openAt(directory)).generatePassword("admin");
    expect(await modeOf(directory)).toBe("700");
  });

  it("make redkeep close its own folder at the first look where plain ones lie open, and say so", async () => {
    const directory = join(await directoryWith({}), ".redkeep");
    await (await openAt(directory)).generatePassword("admin");
    await chmod(directory, 0o755);
    const state = await openAt(directory);
    expect(state.password("admin")).toBeDefined();
    expect(await modeOf(directory)).toBe("700");
    expect(state.warnings).toEqual([
      `${directory.slice(1)} lies open to others (mode 0755) with plain secrets in it: whoever can log in to this machine may have read them. redkeep closed it now`,
    ]);
    expect((await openAt(directory)).warnings).toEqual([]);
  });

  it.each([0o755, 0o1777, 0o2770, 0o701])(
    "are not kept in a folder with mode %o that redkeep did not make, and that folder stays as it is",
    async (mode) => {
      const directory = await directoryWith({});
      await chmod(directory, mode);
      expect(await refusal(openAt(directory))).toBe(
        `${directory}  --state: should be closed to others (mode 0700), found mode ${mode.toString(8).padStart(4, "0")}: name a folder that redkeep can make, or run chmod 700 if nobody else needs it`,
      );
      expect((await stat(directory)).mode & 0o7777).toBe(mode);
      expect(await readdir(directory)).toEqual([]);
    },
  );

  it("are refused where the folder cannot be read, with its path", async () => {
    const directory = join(await directoryWith({}), "loop");
    await symlink(directory, directory);
    expect(await refusal(openAt(directory))).toContain(`${directory}  `);
  });

  it("are not kept in another user's folder", async () => {
    const directory = await directoryWith({});
    await (await openAt(directory)).generatePassword("admin");
    vi.spyOn(process, "getuid").mockReturnValue(12345);
    expect(await refusal(openAt(directory))).toContain(
      "--state: should belong to you (uid 12345), found uid",
    );
    vi.restoreAllMocks();
  });

  it("are kept in a folder that is closed already, without changing it", async () => {
    const directory = await directoryWith({});
    await chmod(directory, 0o500);
    expect((await openAt(directory)).password("admin")).toBeUndefined();
    await chmod(directory, 0o700);
    await (await openAt(directory)).generatePassword("admin");
    expect(await modeOf(directory)).toBe("700");
  });

  it("leave the user's own .gitignore alone", async () => {
    const directory = await directoryWith({ ".gitignore": "node_modules\n" });
    await (await openAt(directory)).generatePassword("admin");
    expect(await readFile(join(directory, ".gitignore"), "utf8")).toBe("node_modules\n");
  });

  it("stay the same when they are asked for again, and change when they are replaced", async () => {
    const directory = await directoryWith({});
    const state = await openAt(directory);
    await state.generatePassword("admin");
    const first = state.password("admin")?.reveal();
    await state.generatePassword("admin");
    expect(state.password("admin")?.reveal()).toBe(first);
    await state.replacePassword("admin");
    expect(state.password("admin")?.reveal()).not.toBe(first);
    expect((await openAt(directory)).password("admin")?.reveal()).toBe(state.password("admin")?.reveal());
  });

  it.each(["__proto__", "constructor", "on", "010", "1e3", "null", "a: b", "# c"])(
    "may be stored under the name %j",
    async (name) => {
      const directory = await directoryWith({});
      const state = await openAt(directory);
      await state.generatePassword(name);
      expect((await openAt(directory)).password(name)?.reveal()).toBe(state.password(name)?.reveal());
    },
  );

  it("are not lost when many states write at once, and have one value for a name", async () => {
    const directory = await directoryWith({});
    const states = await Promise.all(Array.from({ length: 12 }, () => openAt(directory)));
    await Promise.all(
      states.flatMap((state, i) => [state.generatePassword("shared"), state.generatePassword(`own-${i}`)]),
    );
    const stored = await openAt(directory);
    for (const [i, state] of states.entries()) {
      expect(state.password("shared")?.reveal()).toBe(stored.password("shared")?.reveal());
      expect(stored.password(`own-${i}`)?.reveal()).toBe(state.password(`own-${i}`)?.reveal());
    }
  });

  it("are not lost when several processes write at once", async () => {
    const directory = await directoryWith({});
    const script = join(await directoryWith({}), "generate.ts");
    await writeFile(
      script,
      `import { State } from ${JSON.stringify(join(import.meta.dirname, "../../src/state/state.ts"))};
       const [directory, ...names] = process.argv.slice(2);
       const state = await State.open(directory, undefined, "/");
       for (const name of names) await state.generatePassword(name);`,
    );
    const names = (run: number) => ["shared", ...Array.from({ length: 5 }, (_, i) => `run-${run}-${i}`)];
    const runs = [0, 1, 2].map((run) => fork(script, [directory, ...names(run)]));
    const codes = await Promise.all(runs.map(async (run) => (await once(run, "exit"))[0]));
    expect(codes).toEqual([0, 0, 0]);
    const stored = await openAt(directory);
    for (const name of [0, 1, 2].flatMap(names)) expect(stored.password(name), name).toBeDefined();
  });

  it("are refused with the lock's path where a run was killed while it wrote", async () => {
    const directory = await directoryWith({ lock: "1\n" });
    const state = await openAt(directory);
    expect(await refusal(state.generatePassword("admin"))).toBe(
      `${directory}/lock  another run holds this lock; if none is running, one was killed: remove the file`,
    );
  });

  it("are refused with the path of what cannot be read or written", async () => {
    const file = join(await directoryWith({ file: "" }), "file");
    expect(await refusal(openAt(file))).toBe(
      `${file}/secrets.yml  lies below something that is no directory`,
    );
    const directory = join(await directoryWith({}), ".redkeep");
    const state = await openAt(directory);
    await writeFile(directory, "");
    expect(await refusal(state.generatePassword("admin"))).toBe(
      `${directory}/lock  cannot be written (ENOTDIR)`,
    );
  });
});

describe("a broken secrets.yml is refused with its place", () => {
  it.each([
    ["passwords: {admin: 12345}", "1:13  passwords.admin: should be one line of text, in quotes"],
    ['passwords: {admin: ""}', "1:13  passwords.admin: should be one line of text, in quotes"],
    ['passwords: {admin: "a\\nb"}', "1:13  passwords.admin: should be one line of text, in quotes"],
    ["passwords: [a]", "1:1  passwords: should be a mapping of names to passwords"],
    ["", "1:1  passwords: should be a mapping of names to passwords"],
    ["# c\npasswords: {}\npasswort: {}", "3:1  passwort: unknown key, expected only passwords and servers"],
    ["passwords: {}\nservers: [a]", "2:1  servers: should be a mapping of users to keys"],
    ...[
      "{key: x}",
      "{names: []}",
      "{key: 1, names: []}",
      "{key: x, names: [1]}",
      "{key: x, names: [], replacedIn: {a: 1}}",
      "x",
    ].map((server) => [
      `passwords: {}\nservers: {admin: ${server}}`,
      "2:11  servers.admin: should be { key: TEXT, names: [NAME, …] }",
    ]),
    ["passwords: {a: x\n", "2:1  "],
  ])("%j", async (text, expected) => {
    const directory = await directoryWith({ "secrets.yml": text });
    expect(await refusal(openAt(directory))).toContain(`${directory}/secrets.yml:${expected}`);
  });

  it("without showing a password", async () => {
    const directory = await directoryWith({ "secrets.yml": "passwords: {admin: [hunter2hunter2]}" });
    expect(await refusal(openAt(directory))).not.toContain("hunter2");
  });
});

describe("the key of the servers' own passwords", () => {
  it("is the same for whoever opens the state later, and another one after it was replaced", async () => {
    const directory = await directoryWith({});
    const state = await openAt(directory);
    await Promise.all([
      state.generateServerKey("admin"),
      (await openAt(directory)).generateServerKey("admin"),
    ]);
    const key = (await openAt(directory)).serverKey("admin")?.key.reveal();
    expect(key).toMatch(/^[A-Za-z0-9_-]{43}$/);
    await state.generateServerKey("admin");
    expect(state.serverKey("admin")?.key.reveal()).toBe(key);
    await state.replaceServerKey("admin");
    expect((await openAt(directory)).serverKey("admin")?.key.reveal()).not.toBe(key);
    const previous = async () =>
      (await openAt(directory)).serverKey("admin")?.previous.map((one) => one.reveal());
    expect(await previous()).toEqual([key]);
    for (let again = 0; again < 3; again++) await state.replaceServerKey("admin");
    expect(await previous()).toHaveLength(3);
    expect(await previous()).not.toContain(key);
    expect(state.password("admin")).toBeUndefined();
  });

  it("is kept with the names of the servers that use it, even when two runs note them at once", async () => {
    const directory = await directoryWith({});
    const [state, other] = [await openAt(directory), await openAt(directory)];
    await state.generateServerKey("admin");
    await other.generateServerKey("admin");
    await Promise.all([state.noteServers("admin", ["b", "a"]), other.noteServers("admin", ["c"])]);
    const names = async () => [...((await openAt(directory)).serverKey("admin")?.names ?? [])];
    expect(await names()).toEqual(["a", "b", "c"]);
    await state.noteServers("admin", [], ["b", "unknown"]);
    expect(await names()).toEqual(["a", "c"]);
    await state.noteServers("nobody", ["a"]);
    expect((await openAt(directory)).serverUsers()).toEqual(["admin"]);
  });

  it("is kept with the transaction that gave a server its own password, until that is undone or no longer needed", async () => {
    const directory = await directoryWith({ "secrets.yml": "passwords: { admin: old }\n" });
    const state = await openAt(directory);
    await state.generateServerKey("admin");
    await state.noteServers("admin", ["a", "b"]);
    await state.noteServers(
      "admin",
      ["a", "b"],
      [],
      new Map([
        ["a", "txn-1"],
        ["b", "txn-2"],
      ]),
    );
    const noted = async () =>
      Object.fromEntries((await openAt(directory)).serverKey("admin")?.replacedIn ?? []);
    expect(await noted()).toEqual({ a: "txn-1", b: "txn-2" });
    await state.noteServers("admin", [], ["b"]);
    expect(await noted()).toEqual({ a: "txn-1" });
    await state.forgetPassword("admin");
    expect(await noted()).toEqual({});
  });

  it("stays when a password is removed", async () => {
    const directory = await directoryWith({ "secrets.yml": "passwords: { admin: old, metrics: kept }\n" });
    const state = await openAt(directory);
    await state.generateServerKey("admin");
    await state.forgetPassword("admin");
    const again = await openAt(directory);
    expect(again.password("admin")).toBeUndefined();
    expect(again.password("metrics")?.reveal()).toBe("kept");
    expect(again.serverKey("admin")).toBeDefined();
  });
});

describe("files of the state", () => {
  it("are read back as written; one that is not there is undefined", async () => {
    const state = await openAt(await directoryWith({}));
    await state.write("runs/a.json", "one");
    await state.write("runs/a.json", "two");
    expect(await state.read("runs/a.json")).toBe("two");
    expect(await state.read("runs/b.json")).toBeUndefined();
    expect(await state.list("runs")).toEqual(["a.json"]);
    expect(await state.list("pki")).toEqual([]);
    expect(await readdir(join(state.directory, "runs"))).toEqual(["a.json"]);
  });

  it("keep the old file whole, and no part of a new one, where writing fails", async () => {
    const directory = await directoryWith({});
    const state = await openAt(directory);
    await mkdir(join(directory, "taken", "below"), { recursive: true });
    expect(await refusal(state.write("taken", "text"))).toContain(`${directory}/taken  cannot be written`);
    expect((await readdir(directory)).sort()).toEqual([".gitignore", "taken"]);
  });

  it("begin with an explanation in secrets.yml", async () => {
    const state = await openAt(await directoryWith({}));
    await state.generatePassword("admin");
    const text = await readFile(join(state.directory, "secrets.yml"), "utf8");
    expect(text).toMatch(/^# Passwords that redkeep generated\./);
    expect(parseYaml(text, "secrets.yml").value).toEqual({
      generation: { id: expect.stringMatching(/^[\w-]{43}$/), number: 1 },
      passwords: { admin: state.password("admin")?.reveal() },
    });
  });
});
