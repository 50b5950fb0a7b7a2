import { fork } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { State } from "../src/state.ts";
import { parseYaml } from "../src/yaml.ts";
import { directoryWith, refusal } from "./inventory/inventory-on-disk.ts";

const modeOf = async (path: string) => ((await stat(path)).mode & 0o777).toString(8);
const openAt = (directory: string) => State.open(directory, undefined, "/");

describe("where the state lies", () => {
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

  it("is where --state says", async () => {
    expect((await State.open("elsewhere", "hosts.yml", "/srv")).directory).toBe("/srv/elsewhere");
  });
});

describe("generated passwords", () => {
  it("are not there, and nothing is created, before one is asked for", async () => {
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

  it("lie in a file for the owner alone, in a folder for the owner alone that git leaves out", async () => {
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

  it("close a folder that others could read", async () => {
    const directory = await directoryWith({});
    await chmod(directory, 0o755);
    await (await openAt(directory)).generatePassword("admin");
    expect(await modeOf(directory)).toBe("700");
  });

  it("leave a .gitignore of the user's own alone", async () => {
    const directory = await directoryWith({ ".gitignore": "node_modules\n" });
    await (await openAt(directory)).generatePassword("admin");
    expect(await readFile(join(directory, ".gitignore"), "utf8")).toBe("node_modules\n");
  });

  it("stay when they are asked for again, and change when they are replaced", async () => {
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
    "keep the name %j",
    async (name) => {
      const directory = await directoryWith({});
      const state = await openAt(directory);
      await state.generatePassword(name);
      expect((await openAt(directory)).password(name)?.reveal()).toBe(state.password(name)?.reveal());
    },
  );

  it("are not lost when many states write at once, and one name has one value for all", async () => {
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
      `import { State } from ${JSON.stringify(join(import.meta.dirname, "../src/state.ts"))};
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

  it("are refused with the place of the lock where a run was cut off while it wrote", async () => {
    const directory = await directoryWith({ lock: "1\n" });
    const state = await openAt(directory);
    expect(await refusal(state.generatePassword("admin"))).toBe(
      `${directory}/lock  another run holds it; where none is going, it was cut off: remove the file`,
    );
  }, 15_000);

  it("say where the state cannot be read or written", async () => {
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
    ["# c\npasswords: {}\npasswort: {}", "3:1  passwort: unknown key, expected only passwords"],
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

describe("files of the state", () => {
  it("are read back as written, and absent ones are undefined", async () => {
    const state = await openAt(await directoryWith({}));
    await state.write("runs/a.json", "one");
    await state.write("runs/a.json", "two");
    expect(await state.read("runs/a.json")).toBe("two");
    expect(await state.read("runs/b.json")).toBeUndefined();
    expect(await state.list("runs")).toEqual(["a.json"]);
    expect(await state.list("pki")).toEqual([]);
    expect(await readdir(join(state.directory, "runs"))).toEqual(["a.json"]);
  });

  it("leave the old file whole, and no part of a new one, where writing fails", async () => {
    const directory = await directoryWith({});
    const state = await openAt(directory);
    await mkdir(join(directory, "taken", "below"), { recursive: true });
    expect(await refusal(state.write("taken", "text"))).toContain(`${directory}/taken  cannot be written`);
    expect((await readdir(directory)).sort()).toEqual([".gitignore", "taken"]);
  });

  it("say in secrets.yml what it is for", async () => {
    const state = await openAt(await directoryWith({}));
    await state.generatePassword("admin");
    const text = await readFile(join(state.directory, "secrets.yml"), "utf8");
    expect(text).toMatch(/^# Passwords that redkeep generated\./);
    expect(parseYaml(text, "secrets.yml").value).toEqual({
      passwords: { admin: state.password("admin")?.reveal() },
    });
  });
});
