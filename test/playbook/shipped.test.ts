import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import ejs from "ejs";
import { describe, expect, it } from "vitest";
import { matchHosts } from "../../src/inventory/host-pattern.ts";
import { loadInventory } from "../../src/inventory/load-inventory.ts";
import { readSecretSource } from "../../src/lib/secret-source.ts";
import { hostTasks } from "../../src/playbook/host-tasks.ts";
import { loadPlaybook } from "../../src/playbook/load-playbook.ts";
import { loadTask, taskNames } from "../../src/playbook/task-files.ts";
import { refusal } from "../inventory/inventory-on-disk.ts";

const cwd = join(import.meta.dirname, "../..");
const filesIn = (directory: string) =>
  readdirSync(join(cwd, directory)).map((name) => `${directory}/${name}`);
/** The guide's steps. A task that is none of them may stand anywhere in harden.yml. */
const GUIDE = [
  "bind",
  "acl",
  "rename-command",
  "tls",
  "service-user",
  "permissions",
  "limits",
  "persistence",
  "firewall",
];

async function example() {
  const playbook = await loadPlaybook("playbooks/harden.yml", cwd);
  const inventory = await loadInventory({
    sources: ["inventory/example.yml"],
    playbookDir: playbook.directory,
    cwd,
  });
  const [play] = playbook.plays;
  if (play === undefined) throw new Error("no play");
  const everything = { only: [], skip: [] };
  return {
    play,
    inventory,
    tasksOf: (host: string) => hostTasks(inventory, host, play, everything, undefined),
  };
}

describe("what is shipped is valid", () => {
  it.each(filesIn("playbooks"))("%s", async (path) => {
    await expect(loadPlaybook(path, cwd)).resolves.toBeDefined();
  });

  it.each(filesIn("inventory"))("%s", async (path) => {
    await expect(loadInventory({ sources: [path], cwd })).resolves.toBeDefined();
  });

  it.each(filesIn("templates").filter((path) => path.endsWith(".ejs")))("%s", (path) => {
    const text = readFileSync(join(cwd, path), "utf8");
    expect(() => ejs.compile(text, { strict: true })).not.toThrow();
    expect(text).not.toContain("<%-");
    expect(text.endsWith("\n")).toBe(true);
  });
});

describe("a task of src/tasks", () => {
  it.each(taskNames())("%s has its file's name", async (name) => {
    expect((await loadTask(name)).name).toBe(name);
  });

  it.each(["harden.yml", "adopt.yml"])("is listed once in playbooks/%s", async (file) => {
    const { plays } = await loadPlaybook(`playbooks/${file}`, cwd);
    const named = plays.flatMap(({ tasks }) => tasks.map(({ task }) => task));
    expect(named.toSorted(), `playbooks/${file} needs each task of src/tasks, once`).toEqual(taskNames());
  });
});

describe("inventory/example.yml with playbooks/harden.yml", () => {
  it("gives each host the same tasks, in the guide's order", async () => {
    const { inventory, play, tasksOf } = await example();
    const { hosts } = matchHosts(inventory, play.hosts, play.place);
    expect(hosts).toEqual(["redis-01", "redis-02", "redis-03"]);
    for (const host of hosts) {
      const { tasks, skipped, needsFacts } = tasksOf(host);
      const named = tasks.map(({ task }) => task);
      expect(named.filter((task) => GUIDE.includes(task))).toEqual(GUIDE);
      expect({ skipped, needsFacts }).toEqual({ skipped: [], needsFacts: false });
    }
  });

  it("tags each task with its name", async () => {
    const { play } = await example();
    for (const { task, tags } of play.tasks) expect(tags).toContain(task);
  });

  it("needs one secret from the user: APP_PASSWORD", async () => {
    const { tasksOf } = await example();
    const sources = tasksOf("redis-01").tasks.flatMap(({ definition, params }) => [
      ...(definition.secrets?.(params) ?? []),
    ]);
    expect(Object.fromEntries(sources)).toEqual({
      app: { env: "APP_PASSWORD" },
      metrics: { generate: true },
      admin: { generate: true },
    });
    const read = (env: NodeJS.ProcessEnv) => readSecretSource({ env: "APP_PASSWORD" }, { baseDir: cwd, env });
    expect((await read({ APP_PASSWORD: "a password that is long" })).reveal()).toBe(
      "a password that is long",
    );
    expect(await refusal(read({}))).toContain("APP_PASSWORD");
  });

  it("gives each host its own address and all the same network", async () => {
    const { tasksOf } = await example();
    const paramsOf = (host: string, name: string) =>
      tasksOf(host).tasks.find(({ task }) => task === name)?.params;
    expect(paramsOf("redis-02", "bind")).toMatchObject({ addresses: ["127.0.0.1", "-::1", "10.0.0.12"] });
    expect(paramsOf("redis-02", "firewall")).toMatchObject({ allow: ["10.0.0.0/24"] });
  });

  it("changes one host first, then a tenth, then the rest", async () => {
    const { play } = await example();
    expect(play.serial).toEqual([{ count: 1 }, { percent: 10 }, { percent: 100 }]);
    expect(play.become).toBe(true);
  });

  it("writes out every parameter, at its default save those that it sets on purpose", async () => {
    const { play } = await example();
    const written = Object.fromEntries(
      play.tasks.map(({ task, params }) => [task, Object.keys(params as object)]),
    );
    for (const { task, definition } of play.tasks) {
      const defaults = Object.keys(definition.params.parse({}) as object);
      expect(written[task], task).toEqual(expect.arrayContaining(defaults));
    }
    expect(written.limits).toEqual(["maxmemory", "maxmemory_policy", "lazyfree", "maxclients", "nofile"]);
    // The others say what no default could know, such as a host's own addresses.
    const other = ["bind", "acl", "limits", "firewall"];
    for (const { task, definition, params } of play.tasks.filter(({ task }) => !other.includes(task))) {
      expect(definition.params.parse(params), task).toEqual(definition.params.parse({}));
    }
  });
});
