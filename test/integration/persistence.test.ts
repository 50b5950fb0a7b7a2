import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type LabHost, startHost } from "./support/lab.ts";
import { fill, onHost, redisProcess } from "./support/observe.ts";
import { openProject, type Project } from "./support/project.ts";

const KEYS = 10_000;
const harden = readFileSync(join(import.meta.dirname, "../../playbooks/harden.yml"), "utf8");

/** Only what decides which data the next start loads; Redis keeps its open default user. */
function playbookFor(project: Project, mode: string, ...tasks: Record<string, unknown>[]): string {
  return project.playbook(`playbooks/${mode}${tasks.length}.yml`, [...tasks, { persistence: { mode } }]);
}
/** A start-only setting: the run needs a restart. */
const restarting = { "rename-command": { commands: { DEBUG: "disable" } } };

/** After a start by systemd, as after a package upgrade or a reboot. */
async function keysAfterRestart(host: LabHost): Promise<string> {
  await onHost(host, "systemctl restart redis-server");
  await expect.poll(() => host.redis("PING").catch(String)).toBe("PONG");
  return await host.redis("DBSIZE");
}

/** What a start without an AOF would load. */
async function snapshots(host: LabHost): Promise<string> {
  return await onHost(host, "find /var/lib/redis -maxdepth 1 -name '*.rdb'");
}

describe("10 000 keys", () => {
  let host: LabHost;
  let project: Project;
  beforeAll(async () => {
    host = await startHost();
    project = openProject({ "redis-01": host });
    await fill(host, "app", KEYS);
  });
  afterAll(async () => {
    project?.[Symbol.dispose]();
    await host?.[Symbol.asyncDispose]();
  });

  // Guide trap 1: persistence switched on in the file, then a restart: 10 000 keys become 0.
  it.each(["rdb", "rdb+aof", "aof", "rdb"])(
    "survive the change to %s, and a restart after it",
    async (mode) => {
      const run = await project.run("apply", playbookFor(project, mode), "--yes");
      expect(run.stdout).not.toContain("rolled back");
      expect(run.status).toBe(0);
      expect(await host.redis("DBSIZE")).toBe(`${KEYS}`);
      expect(await host.redis("CONFIG", "GET", "appendonly")).toContain(mode.includes("aof") ? "yes" : "no");
      expect(await host.redis("CONFIG", "GET", "save")).toMatch(mode.includes("rdb") ? /\d/ : /^save\n?$/);
      expect(await keysAfterRestart(host)).toBe(`${KEYS}`);
      expect(await host.redis("GET", `app:${KEYS}`)).toBe(`value ${KEYS}`);
      const again = await project.run("apply", playbookFor(project, mode), "--yes");
      expect(again.record.summary).toMatchObject({ unchanged: 1, changes: 0 });
    },
  );

  // Guide trap 7: after `save ""` and a restart an old snapshot returns and newer writes vanish.
  it("survive the change to none in a run that restarts, and no stale dump remains", async () => {
    await host.redis("SET", "late", "yes");
    const run = await project.run("apply", playbookFor(project, "none", restarting), "--yes");
    expect(run.stdout).not.toContain("rolled back");
    expect(run.status).toBe(0);
    expect(run.host("redis-01").restart.needed).toBe(true);
    expect(await host.redis("DBSIZE")).toBe(`${KEYS + 1}`);
    expect(await host.redis("GET", "late")).toBe("yes");
    expect(await host.redis("CONFIG", "GET", "save")).toMatch(/^save\n?$/);
    expect(await snapshots(host)).toBe("");
  });

  it("survive another run's restart while nothing is written to disk", async () => {
    const more = { "rename-command": { commands: { DEBUG: "disable", SWAPDB: "disable" } } };
    const run = await project.run("apply", playbookFor(project, "keep", more), "--yes");
    expect(run.status).toBe(0);
    expect(run.host("redis-01").restart.needed).toBe(true);
    expect(await host.redis("DBSIZE")).toBe(`${KEYS + 1}`);
    expect(await snapshots(host)).toBe("");
  });

  it.each(["aof", "rdb"])("survive the way back to %s", async (mode) => {
    const run = await project.run("apply", playbookFor(project, mode), "--yes");
    expect(run.status).toBe(0);
    expect(await keysAfterRestart(host)).toBe(`${KEYS + 1}`);
  });

  // Guide trap 8: another `dir` or `appendonly no` in the file of an AOF-only server is 0 keys after a restart.
  it("are not put at risk where redis.conf and the running server differ", async () => {
    await host.redis("CONFIG", "SET", "appendonly", "yes");
    await expect.poll(() => host.redis("INFO", "persistence")).toContain("aof_rewrite_in_progress:0");
    const playbook = project.playbook("playbooks/differs.yml", [
      { "rename-command": { commands: { MONITOR: "disable" } } },
    ]);
    const run = await project.run("apply", playbook, "--yes");
    expect(run.status).toBe(3);
    expect(run.host("redis-01").error).toMatchObject({ guards: ["persistence-differs"] });
    expect(await host.redis("DBSIZE")).toBe(`${KEYS + 1}`);
  });
});

describe.concurrent("the run that hardens a stock host", () => {
  // Guide traps 1 and 14 together: new persistence, a restart, and a FLUSHALL that the new server no longer knows.
  it.each(["none", "aof"])("keeps 10 000 keys on the way to %s", async (mode) => {
    await using host = await startHost();
    using project = openProject({ "redis-01": host });
    await fill(host, "old", 10);
    await host.redis("FLUSHALL");
    await fill(host, "app", KEYS);
    const playbook = project.write("playbooks/mode.yml", harden.replace("mode: keep", `mode: ${mode}`));
    const run = await project.run("apply", playbook, "--yes");
    expect(run.host("redis-01")).toMatchObject({ status: "changed", error: null });
    expect(await project.asAdmin(host, "DBSIZE")).toBe(`${KEYS}`);
    const again = await project.run("apply", playbook, "--yes");
    expect(again.record.summary).toMatchObject({ unchanged: 1, changes: 0 });
    if (mode === "none") expect(await snapshots(host)).toBe("");
  });
});

describe("a host that is to write nothing to disk", () => {
  // Guide trap 7, without a restart in the run: the snapshot that is there would come back at a later start.
  it("does not load an old dump at a later start", async () => {
    await using host = await startHost();
    using project = openProject({ "redis-01": host });
    await fill(host, "app", 10);
    await host.redis("SAVE");
    await host.redis("FLUSHALL");
    await host.redis("SET", "newer", "1");
    const run = await project.run("apply", playbookFor(project, "none"), "--yes");
    expect(run.status).toBe(0);
    expect(run.host("redis-01").restart.needed).toBe(false);
    expect(await host.redis("GET", "newer")).toBe("1");
    expect(await snapshots(host)).toBe("");
    expect(await keysAfterRestart(host)).toBe("0");
  });
});

describe("commands in an AOF", () => {
  // Guide trap 14: the server refuses to start with a name in its AOF that it no longer knows.
  it("a FLUSHALL in the AOF does not stop a start after FLUSHALL was disabled", async () => {
    await using host = await startHost();
    using project = openProject({ "redis-01": host });
    await host.redis("CONFIG", "SET", "appendonly", "yes");
    await onHost(host, "sed -i 's/^appendonly .*/appendonly yes/' /etc/redis/redis.conf");
    await expect.poll(() => host.redis("INFO", "persistence")).toContain("aof_rewrite_in_progress:0");
    await host.redis("SET", "before", "1");
    await host.redis("FLUSHALL");
    await host.redis("SET", "after", "1");
    expect(await onHost(host, "cat /var/lib/redis/appendonlydir/*.incr.aof")).toContain("FLUSHALL");
    const playbook = project.playbook("rename.yml", [{ "rename-command": {} }]);
    const run = await project.run("apply", playbook, "--yes");
    expect(run.stdout).not.toContain("rolled back");
    expect(run.status).toBe(0);
    expect(await keysAfterRestart(host)).toBe("1");
    expect(await host.redis("FLUSHALL")).toContain("unknown command");
  });

  // Replayed with the rights of the default user: redis/redis#14541.
  it("transactions and writes of scripts are replayed from the AOF although the default user is off", async () => {
    await using host = await startHost();
    using project = openProject({ "redis-01": host });
    await onHost(
      host,
      "sed -i 's/^appendonly .*/appendonly yes/' /etc/redis/redis.conf; systemctl restart redis-server",
    );
    const playbook = project.playbook("acl.yml", [
      { bind: {} },
      { acl: { users: [{ name: "admin", preset: "admin", password: { generate: true } }] } },
    ]);
    const run = await project.run("apply", playbook, "--yes");
    expect(run.status).toBe(0);
    await project.asAdmin(host, `EVAL "redis.call('SET', 'a', 1) redis.call('SET', 'b', 2)" 0`);
    expect(await onHost(host, "cat /var/lib/redis/appendonlydir/*.incr.aof")).toContain("EXEC");
    await onHost(host, "systemctl restart redis-server");
    expect(await project.asAdmin(host, "MGET a b")).toBe("1\n2");
    expect((await project.run("apply", playbook, "--yes")).record.summary.unchanged).toBe(1);
  });

  it("a client that sends FLUSHDB again and again does not stop the start", async () => {
    await using host = await startHost();
    using project = openProject({ "redis-01": host });
    await host.redis("CONFIG", "SET", "appendonly", "yes");
    await onHost(host, "sed -i 's/^appendonly .*/appendonly yes/' /etc/redis/redis.conf");
    await expect.poll(() => host.redis("INFO", "persistence")).toContain("aof_rewrite_in_progress:0");
    await onHost(
      host,
      `systemd-run -q --unit=client sh -c 'while :; do echo "SET app:1 x"; echo FLUSHDB; sleep 0.01; done | redis-cli'`,
    );
    const process = await redisProcess(host);
    const playbook = project.playbook("rename.yml", [{ "rename-command": {} }]);
    const run = await project.run("apply", playbook, "--yes");
    expect(run.host("redis-01")).toMatchObject({
      status: "rolled-back",
      error: { found: expect.stringContaining("a client uses FLUSHDB again and again") },
    });
    expect(await redisProcess(host)).toBe(process);
    expect(await host.redis("FLUSHDB")).toBe("OK");
  });
});
