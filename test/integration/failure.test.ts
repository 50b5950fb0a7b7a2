import { cpSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { shellQuote } from "../../src/shell/quote.ts";
import { type LabHost, startHost } from "./support/lab.ts";
import { asSoonAs, filesOf, fill, onHost, redisProcess, residueOf } from "./support/observe.ts";
import { openProject, type Project } from "./support/project.ts";

const repository = join(import.meta.dirname, "../..");
const harden = readFileSync(join(repository, "playbooks/harden.yml"), "utf8");

/** All that redkeep could have left changed on a host. */
async function stateOf(host: LabHost): Promise<{ files: string; firewall: string; keys: string }> {
  return {
    files: await filesOf(host),
    firewall: await onHost(host, "ufw status"),
    keys: await host.redis("DBSIZE"),
  };
}

const withoutRecovery = (text: string): string =>
  text
    .split("\n")
    .filter((line) => !/redkeep-recover\.service|\/var\/lib\/redkeep/.test(line))
    .join("\n");

describe.concurrent("a host on which apply fails", () => {
  it("a restart that fails puts the old state back, byte for byte", async ({ expect }) => {
    await using host = await startHost();
    using project = openProject({ "redis-01": host });
    await fill(host, "app", 1000);
    await onHost(
      host,
      `mkdir -p /etc/systemd/system/redis-server.service.d
       printf '[Service]\\nExecStartPre=+/bin/sh -c "test ! -e /etc/redis/users.acl"\\n' >/etc/systemd/system/redis-server.service.d/site.conf
       systemctl daemon-reload`,
    );
    const before = await stateOf(host);
    const run = await project.run("apply", "--yes");
    const { error } = run.host("redis-01");
    expect(run.host("redis-01")).toMatchObject({ status: "rolled-back", checks: [], error });
    expect(error).toMatchObject({ where: "restart redis-server.service" });
    expect(error?.state).toContain("put back as it was found; Redis answers, 1000 keys");
    expect(run.status).toBe(5);
    const after = await stateOf(host);
    expect(withoutRecovery(after.files)).toBe(withoutRecovery(before.files));
    expect(after).toMatchObject({ firewall: before.firewall, keys: "1000" });
    expect(before.firewall).toContain("inactive");
    expect(await host.redis("GET", "app:1000")).toBe("value 1000");
    expect(await residueOf(host)).toBe("");
    expect(await onHost(host, "systemctl is-failed redis-server || true")).toBe("active");
  });

  it("a new server that dies right after its start is put back too", async ({ expect }) => {
    await using host = await startHost();
    using project = openProject({ "redis-01": host });
    await fill(host, "app", 10);
    await onHost(
      host,
      `mkdir -p /etc/systemd/system/redis-server.service.d
       printf '[Service]\\nExecStartPost=+/bin/sh -c "if test -e /etc/redis/users.acl; then kill -KILL $MAINPID; fi"\\n' >/etc/systemd/system/redis-server.service.d/site.conf
       systemctl daemon-reload`,
    );
    const before = await stateOf(host);
    const run = await project.run("apply", "--yes");
    expect(run.host("redis-01")).toMatchObject({ status: "rolled-back", error: {} });
    expect(run.status).toBe(5);
    const after = await stateOf(host);
    expect(withoutRecovery(after.files)).toBe(withoutRecovery(before.files));
    expect(after).toMatchObject({ firewall: before.firewall, keys: "10" });
    expect(await residueOf(host)).toBe("");
  });

  it("a server that does not start with the old configuration either is left to the operator, with its data set aside", async ({
    expect,
  }) => {
    await using host = await startHost();
    using project = openProject({ "redis-01": host });
    await fill(host, "app", 1000);
    await host.redis("SAVE");
    await onHost(
      host,
      `mkdir -p /etc/systemd/system/redis-server.service.d
       printf '[Service]\nExecStartPre=+/bin/sh -c "if test -e /etc/redis/users.acl; then touch /run/broken; fi; test ! -e /run/broken"\n' >/etc/systemd/system/redis-server.service.d/site.conf
       systemctl daemon-reload`,
    );
    const run = await project.run("apply", "--yes");
    expect(run.status).toBe(3);
    expect(run.host("redis-01")).toMatchObject({ status: "failed", error: { where: "needs_human" } });
    const [, old = ""] =
      /The data files from before a restart lie in \S+ and (\S+\.old)$/.exec(
        run.host("redis-01").error?.state ?? "",
      ) ?? [];
    expect(await onHost(host, `redis-check-rdb ${shellQuote(`${old}/dump.rdb`)}`)).toContain(
      "1000 keys read",
    );
  });

  it("a configuration that Redis refuses is found by the scratch server, before any change", async ({
    expect,
  }) => {
    await using host = await startHost();
    using project = openProject({ "redis-01": host });
    await fill(host, "app", 10);
    cpSync(join(repository, "templates"), project.path("playbooks/templates"), { recursive: true });
    cpSync(join(repository, "playbooks/harden.yml"), project.path("playbooks/harden.yml"));
    project.write(
      "playbooks/templates/limits.conf.ejs",
      "maxmemory 64mb\nmaxmemory-policy allkeys-nonsense\n",
    );
    const before = await stateOf(host);
    const process = await redisProcess(host);
    const run = await project.run("apply", "playbooks/harden.yml", "--yes", "--accept", "evicts-stored-keys");
    expect(run.status).toBe(3);
    expect(run.host("redis-01")).toMatchObject({ status: "failed", error: { where: "validate" } });
    expect(run.host("redis-01").error?.found).toContain("allkeys-lru, allkeys-lfu");
    const after = await stateOf(host);
    expect(withoutRecovery(after.files)).toBe(withoutRecovery(before.files));
    expect(await redisProcess(host)).toBe(process);
    expect(await residueOf(host)).toBe("");
  });

  it("a candidate whose output somebody floods fills no disk, and the change is made", async ({ expect }) => {
    await using host = await startHost();
    using project = openProject({ "redis-01": host });
    await fill(host, "app", 10);
    // All servers but the service itself, which listens at port 6379, and those that only say their version.
    const flood = `
import ctypes, os, re, subprocess
libc = ctypes.CDLL(None)
while True:
    found = subprocess.run(["pgrep", "-a", "-u", "redis", "-x", "redis-server"], capture_output=True, text=True)
    for server in found.stdout.splitlines():
        output = -1 if re.search("6379|--version", server) else libc.syscall(438, libc.syscall(434, int(server.split()[0]), 0), 1, 0)
        for block in range(1000 if output >= 0 else 0):
            try: os.write(output, b"x" * 65536)
            except OSError: break
`;
    await onHost(
      host,
      `systemd-run -q --unit=flood -p User=redis -p CPUQuota=30% python3 -c ${shellQuote(flood)}`,
    );
    const run = await project.run("apply", "--yes");
    expect(run.host("redis-01")).toMatchObject({ status: "changed", error: null });
    expect(Number(await onHost(host, "stat -c %s /var/lib/redkeep/txn/*/scratch.log"))).toBe(65_536);
  });

  // What the transaction itself finds well, fresh facts do not: the firewall is off again before anybody can log in anew.
  it("a host on which the changes do not hold is rolled back after verify", async ({ expect }) => {
    await using host = await startHost();
    using project = openProject({ "redis-01": host });
    await fill(host, "app", 10);
    const before = await stateOf(host);
    const undone = asSoonAs(
      host,
      "ls /var/lib/redkeep/txn 2>/dev/null | grep -q .",
      `sshd=$(systemctl show -p MainPID --value ssh); kill -STOP $sshd
       until grep -qE '^(applied|rolled_back)' /var/lib/redkeep/txn/*/state 2>/dev/null; do :; done
       ufw disable; kill -CONT $sshd`,
    );
    const run = await project.run("apply", "--yes");
    await undone;
    expect(run.host("redis-01")).toMatchObject({ status: "rolled-back", error: { where: "verify" } });
    expect(run.status).toBe(5);
    expect(run.host("redis-01").error?.found).toContain("ufw:status");
    const after = await stateOf(host);
    expect(withoutRecovery(after.files)).toBe(withoutRecovery(before.files));
    expect(after.keys).toBe("10");
  });
});

describe("two runs, or a run and somebody else, on one host", () => {
  let host: LabHost;
  let project: Project;
  beforeAll(async () => {
    host = await startHost();
    project = openProject({ "redis-01": host });
    await fill(host, "app", 10);
  });
  afterAll(async () => {
    project?.[Symbol.dispose]();
    await host?.[Symbol.asyncDispose]();
  });

  it("a file that was edited between plan and change makes the plan stale, and keeps the edit", async () => {
    // The folder of the transaction is there before its first look at the files.
    const edited = asSoonAs(
      host,
      "ls /var/lib/redkeep/txn 2>/dev/null | grep -q .",
      "echo '# edited meanwhile' >>/etc/redis/redis.conf",
    );
    const run = await project.run("apply", "--yes");
    await edited;
    expect(run.status).toBe(3);
    expect(run.host("redis-01")).toMatchObject({ status: "refused", error: { where: "stale plan" } });
    expect(run.host("redis-01").error?.found).toContain("/etc/redis/redis.conf");
    expect(await onHost(host, "tail -n 1 /etc/redis/redis.conf; ls /etc/redis")).toBe(
      "# edited meanwhile\nredis.conf",
    );
    expect(await residueOf(host)).toBe("");
  });

  it("of two applies at once one wins, and the other names it", async () => {
    const runs = await Promise.all([project.run("apply", "--yes"), project.run("apply", "--yes")]);
    const outcomes = runs.map((run) => run.host("redis-01")).map(({ status, error }) => ({ status, error }));
    expect(outcomes).toContainEqual({ status: "changed", error: null });
    expect(outcomes).toContainEqual({ status: "refused", error: expect.anything() });
    const refused = runs.find((run) => run.host("redis-01").status === "refused");
    expect(refused?.status).toBe(3);
    expect(refused?.host("redis-01").error?.found).toMatch(/another|changed since|restarted since/);
    expect((await project.run("verify")).status).toBe(0);
  });

  it("a connection lost during apply does not stop the host, and its true end is reported", async () => {
    const playbook = project.write(
      "playbooks/swapdb.yml",
      harden.replace("DEBUG: disable\n", "DEBUG: disable\n          SWAPDB: disable\n"),
    );
    const cut = asSoonAs(host, "ls /run | grep -q '^redkeep-'", "pkill -KILL -f '^sshd: root' && echo cut");
    const run = await project.run("apply", playbook, "--yes");
    expect(await cut).toContain("cut");
    expect(run.host("redis-01")).toMatchObject({ status: "changed", error: null });
    expect(run.status).toBe(0);
    expect(await project.asAdmin(host, "SWAPDB 0 1")).toContain("unknown command");
    expect((await project.run("verify", playbook)).status).toBe(0);
    await expect.poll(() => residueOf(host)).toBe("");
  });

  it("an interruption lets hosts in progress come to their end, and the record says so", async () => {
    const playbook = project.write(
      "playbooks/limits.yml",
      harden.replace("maxmemory: 512mb", "maxmemory: 600mb"),
    );
    const stop = new AbortController();
    const begun = asSoonAs(host, "ls /run | grep -q '^redkeep-'", "true").then(() => stop.abort());
    const run = await project.runWith({ interrupt: stop.signal }, "apply", playbook, "--yes");
    await begun;
    expect(run.status).toBe(130);
    expect(run.host("redis-01")).toMatchObject({ status: "changed", error: null });
    expect(await project.configGet(host, "maxmemory")).toBe(`${600 * 1024 * 1024}`);
    expect(await residueOf(host)).toBe("");
  });
});
