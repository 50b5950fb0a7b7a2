import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type LabHost, startHost } from "./support/lab.ts";
import { asSoonAs, fill, onHost, redisProcess } from "./support/observe.ts";
import { changesOf, openProject, type Project, type ProjectRun } from "./support/project.ts";
import { type Endpoint, RespClient } from "./support/resp.ts";

const harden = readFileSync(join(import.meta.dirname, "../../playbooks/harden.yml"), "utf8");

/** Redis over TLS, as the application sees it. The tests come from Docker's gateway, which is in app_subnet. */
function asApplication(project: Project, host: LabHost, more: Partial<Endpoint> = {}): Endpoint {
  const read = (name: string): string => readFileSync(project.path(`.redkeep/pki/${name}`), "utf8");
  const tls = { ca: read("ca.crt"), cert: read("clients/app.crt"), key: read("clients/app.key") };
  return { host: host.ip, port: 6380, tls, user: "app", password: project.appPassword, ...more };
}

describe("a hardened host in use", () => {
  let host: LabHost;
  let project: Project;
  beforeAll(async () => {
    host = await startHost();
    project = openProject({ "redis-01": host });
    expect((await project.run("apply", "--yes")).status).toBe(0);
  });
  afterAll(async () => {
    project?.[Symbol.dispose]();
    await host?.[Symbol.asyncDispose]();
  });

  it("trap 27: serves ten clients without an error through a run that needs no restart", async () => {
    const process = await redisProcess(host);
    const clients = await Promise.all(
      Array.from({ length: 10 }, () => RespClient.open(asApplication(project, host))),
    );
    await expect(clients[0]?.command("EVAL", "return 1", "0")).rejects.toThrow("NOPERM");
    // ACL LOAD would close every one of them before 7.4 (C21).
    const quiet = await Promise.all(
      Array.from({ length: 40 }, () => RespClient.open(asApplication(project, host))),
    );
    let isOver = false;
    const counts = clients.map(async (client, number) => {
      let count = 0;
      for (; !isOver; count++) {
        expect(await client.command("SET", `app:live:${number}`, `${count}`)).toBe("OK");
        expect(await client.command("GET", `app:live:${number}`)).toBe(`${count}`);
      }
      return count;
    });
    const playbook = project.write(
      "playbooks/wider.yml",
      harden
        .replace("maxmemory: 512mb", "maxmemory: 600mb")
        .replace("preset: application,", 'preset: application, allow: ["+eval"],'),
    );
    try {
      const run = await project.run("apply", playbook, "--yes");
      expect(run.status).toBe(0);
      expect(run.host("redis-01")).toMatchObject({
        status: "changed",
        restart: { needed: false, unavailableMs: 0 },
      });
    } finally {
      isOver = true;
    }
    for (const count of await Promise.all(counts)) expect(count).toBeGreaterThan(100);
    expect(await redisProcess(host)).toBe(process);
    expect(await project.configGet(host, "maxmemory")).toBe(`${600 * 1024 * 1024}`);
    expect(await clients[0]?.command("EVAL", "return 1", "0")).toBe(1);
    for (const client of quiet) expect(await client.command("PING")).toBe("PONG");
    for (const client of [...clients, ...quiet]) client[Symbol.dispose]();
    // What was changed on the running server holds after the next start too.
    await onHost(host, "systemctl restart redis-server");
    await expect.poll(() => project.configGet(host, "maxmemory")).toBe(`${600 * 1024 * 1024}`);
    expect((await project.run("apply", playbook, "--yes")).record.summary).toMatchObject({ unchanged: 1 });
    expect((await project.run("apply", "--yes")).record.summary).toMatchObject({ changed: 1 });
  });

  // Guide trap 11: sockets that are open already keep full access.
  it("closes a session of the default user at apply, without a restart", async () => {
    const process = await redisProcess(host);
    await project.asAdmin(host, "ACL SETUSER default on '>password-of-an-intruder' '~*' '&*' +@all");
    using intruder = await RespClient.open(
      asApplication(project, host, { user: "default", password: "password-of-an-intruder" }),
    );
    using application = await RespClient.open(asApplication(project, host));
    expect(await intruder.command("SET", "other:x", "1")).toBe("OK");
    const run = await project.run("apply", "--yes");
    expect(run.status).toBe(0);
    expect(run.host("redis-01")).toMatchObject({ status: "changed", restart: { needed: false } });
    await expect.poll(() => intruder.isClosed).toBe(true);
    expect(await application.command("PING")).toBe("PONG");
    expect(await redisProcess(host)).toBe(process);
    await project.asAdmin(host, "DEL other:x");
  });

  it("closes the sessions of an old password and lets clients in with the new one", async () => {
    using old = await RespClient.open(asApplication(project, host));
    const password = "another-password-of-the-app";
    const run = await project.runWith({ env: { APP_PASSWORD: password } }, "apply", "--yes");
    expect(run.status).toBe(0);
    expect(run.host("redis-01")).toMatchObject({ status: "changed", restart: { needed: false } });
    await expect.poll(() => old.isClosed).toBe(true);
    await expect(RespClient.open(asApplication(project, host))).rejects.toThrow("WRONGPASS");
    using fresh = await RespClient.open(asApplication(project, host, { password }));
    expect(await fresh.command("PING")).toBe("PONG");
    expect((await project.run("apply", "--yes")).status).toBe(0);
  });

  it("serves a certificate with a missing name, or one of a new CA, without a restart", async () => {
    const process = await redisProcess(host);
    const playbook = project.write(
      "playbooks/names.yml",
      harden.replace("names: []", "names: [db.example.org]"),
    );
    for (const [args, serverName] of [
      [[playbook], "db.example.org"],
      [["--rotate", "ca"], "localhost"],
    ] as const) {
      const run = await project.run("apply", "--yes", ...args);
      expect(run.status).toBe(0);
      expect(run.host("redis-01")).toMatchObject({ status: "changed", restart: { needed: false } });
      using client = await RespClient.open(asApplication(project, host, { serverName }));
      expect(await client.command("PING")).toBe("PONG");
    }
    expect(await redisProcess(host)).toBe(process);
  });

  it.each([
    [
      "a setting changed on the running server alone",
      () => project.config(host, "SET protected-mode no"),
      "redis.conf:protected-mode update",
    ],
    [
      "a setting changed in the file alone",
      () => onHost(host, "sed -i 's/^maxmemory .*/maxmemory 1mb/' /etc/redis/redis.conf"),
      "redis.conf:maxmemory update",
    ],
    [
      "a file opened to others",
      () => onHost(host, "chmod 644 /etc/redis/users.acl"),
      "file:/etc/redis/users.acl update",
    ],
    ["a firewall that was switched off", () => onHost(host, "ufw disable"), "ufw:status update"],
    ["a wider firewall rule", () => onHost(host, "ufw allow 6380"), "ufw:allow 6380 delete"],
  ])("with %s fails verify and is corrected by apply", async (_situation, drift, change) => {
    await drift();
    const verified = await project.run("verify");
    expect(verified.status).toBe(6);
    const applied = await project.run("apply", "--yes");
    expect(applied.status).toBe(0);
    const changes = applied
      .host("redis-01")
      .tasks.flatMap(({ changes }) => changes.map(({ address, action }) => `${address} ${action}`));
    expect(changes).toContain(change);
    expect((await project.run("verify")).status).toBe(0);
  });
});

/** A playbook that needs a restart, and nothing else. */
function restarting(project: Project): string {
  return project.playbook("playbooks/restart.yml", [
    { "rename-command": { commands: { SWAPDB: "disable" } } },
  ]);
}

describe.concurrent("traps of the guide that only a real server shows", () => {
  // Guide trap 2: `default off nopass` with protected-mode yes answers DENIED to every remote client before AUTH.
  it("a remote client without TLS is asked for a login, not turned away by protected mode", async ({
    expect,
  }) => {
    await using host = await startHost();
    using project = openProject({ "redis-01": host });
    const playbook = project.write(
      "playbooks/plain.yml",
      harden.replace("plain_port: 0", "plain_port: 6379"),
    );
    expect((await project.run("apply", playbook, "--yes")).status).toBe(0);
    const { tls: _tls, ...plain } = asApplication(project, host, { port: 6379 });
    const { user: _user, password: _password, ...anonymous } = plain;
    using stranger = await RespClient.open(anonymous);
    await expect(stranger.command("PING")).rejects.toThrow("NOAUTH");
    using application = await RespClient.open(plain);
    expect(await application.command("SET", "app:1", "x")).toBe("OK");
    expect(await project.configGet(host, "protected-mode")).toBe("yes");
    const told = (run: ProjectRun) =>
      run
        .host("redis-01")
        .checks.filter(({ control, outcome }) => control === "RK-TLS-01" && outcome !== "pass")
        .map(({ outcome, observed, allowed }) => `${outcome}: ${allowed?.parameter ?? observed}`);

    // The playbook asks for the plain port: that is told, and is neither a pass nor a failure.
    const allowed = await project.run("verify", playbook);
    expect(told(allowed)).toEqual(["skip: tls.plain_port: 6379"]);
    expect(allowed.record.summary.checks.allowed).toBe(1);
    expect(allowed.status).toBe(0);
    expect(allowed.stdout).toMatch(/^1 host: .* 0 fail, .*\(1 allowed by the playbook\)\./);

    // Its day has come: it fails, apply keeps what the playbook says, and no host is put back for it.
    const ended = project.write(
      "playbooks/ended.yml",
      harden
        .replace("plain_port: 0", "plain_port: 6379\n        plain_port_until: 2026-01-31")
        .replace("ciphersuites: [TLS_AES_256_GCM_SHA384, ", "ciphersuites: ["),
    );
    const kept = await project.run("apply", ended, "--yes");
    expect(kept.status).toBe(6);
    expect(kept.host("redis-01")).toMatchObject({ status: "changed", error: null });
    expect(told(kept)).toEqual(["fail: tls.plain_port: 6379"]);
    expect(await application.command("PING")).toBe("PONG");

    stranger[Symbol.dispose]();
    // A port that closes on the running server leaves whoever is connected where it is, in clear text.
    const closed = await project.run("apply", "--yes");
    expect(closed.host("redis-01")).toMatchObject({
      status: "changed",
      error: null,
      restart: { needed: false },
    });
    const left = expect.stringMatching(/^fail: still connected: \S+ user app on port 6379$/);
    expect(told(closed)).toEqual([left]);
    expect(closed.host("redis-01").impact).toContainEqual(
      expect.objectContaining({
        kind: "client-refused",
        detail: expect.stringContaining("port 6379 closes"),
      }),
    );
    expect(told(await project.run("verify"))).toEqual([left]);
    application[Symbol.dispose]();
    const isTold = async () => told(await project.run("verify"));
    await expect.poll(isTold, { timeout: 60_000 }).toEqual([]);
  });

  // Guide trap 22: five starts in ten seconds lock the unit.
  it("a unit that is about to reach its start limit survives the one restart", async ({ expect }) => {
    await using host = await startHost();
    using project = openProject({ "redis-01": host });
    // A daemon-reload would start the count anew, so this is a run that needs none.
    expect((await project.run("apply", "--yes")).status).toBe(0);
    await onHost(
      host,
      `printf '[Unit]\\nStartLimitIntervalSec=600\\nStartLimitBurst=5\\n' >/etc/systemd/system/redis-server.service.d/limit.conf
       systemctl daemon-reload; systemctl reset-failed redis-server
       for i in 1 2 3 4 5; do systemctl restart redis-server; done`,
    );
    const starts = () =>
      onHost(host, "journalctl --no-pager -u redis-server | grep -c 'Started redis-server'");
    const before = Number(await starts());
    const playbook = project.write(
      "playbooks/swapdb.yml",
      harden.replace("DEBUG: disable\n", "DEBUG: disable\n          SWAPDB: disable\n"),
    );
    const run = await project.run("apply", playbook, "--yes");
    expect(run.host("redis-01")).toMatchObject({ status: "changed", error: null, restart: { needed: true } });
    expect(Number(await starts())).toBe(before + 1);
  });

  it("C16: a save in progress is waited for, before and after the plan, and no key is lost", async ({
    expect,
  }) => {
    await using host = await startHost();
    using project = openProject({ "redis-01": host });
    await fill(host, "app", 5000);
    // Microseconds for each key: a snapshot takes longer than any run. It is ended below.
    await host.redis("CONFIG", "SET", "rdb-key-save-delay", "40000");
    const process = await redisProcess(host);
    await host.redis("BGSAVE");
    const refused = await project.run("apply", "--yes", restarting(project));
    expect(refused.host("redis-01").error?.found).toContain("Redis is busy: rdb_bgsave_in_progress");
    expect(refused.host("redis-01").status).toBe("refused");
    expect(await redisProcess(host)).toBe(process);
    // Not for that long: the one under way is ended, and a quick one leaves no trace of it.
    const saved = (field: string) => `redis-cli info persistence | grep -q ${field}`;
    await onHost(host, "kill -KILL $(pgrep -P $(systemctl show -p MainPID --value redis-server))");
    await asSoonAs(host, saved("rdb_last_bgsave_status:err"), "redis-cli config set rdb-key-save-delay 0");
    await host.redis("BGSAVE");
    await asSoonAs(host, saved("rdb_last_bgsave_status:ok"), "redis-cli config set rdb-key-save-delay 200");
    const begun = "ls /var/lib/redkeep/txn/*/state >/dev/null 2>&1";
    const started = asSoonAs(host, begun, "redis-cli set app:late 1; redis-cli bgsave");
    const run = await project.run("apply", "--yes", restarting(project));
    expect(await started).toContain("Background saving started");
    expect(run.host("redis-01")).toMatchObject({ status: "changed", error: null, restart: { needed: true } });
    expect(await host.redis("DBSIZE")).toBe("5001");
  });

  it("C19: a start longer than systemd's timeout gets the time for it, and does not loop", async ({
    expect,
  }) => {
    await using host = await startHost();
    using project = openProject({ "redis-01": host });
    await fill(host, "app", 5000);
    // Two seconds for 5000 keys, as the last start shows; the next one has twice as many.
    await onHost(
      host,
      `echo 'key-load-delay 400' >>/etc/redis/redis.conf; systemctl restart redis-server
       printf '[Service]\\nTimeoutStartSec=3s\\n' >/etc/systemd/system/redis-server.service.d/override.conf
       systemctl daemon-reload`,
    );
    await fill(host, "more", 5000);
    const run = await project.run("apply", "--yes", restarting(project));
    expect(run.host("redis-01")).toMatchObject({ status: "changed", error: null, restart: { needed: true } });
    expect(changesOf(run.host("redis-01"))).toContain("unit:TimeoutStartSec update");
    expect(run.host("redis-01").restart.unavailableMs).toBeGreaterThan(3000);
    expect(await host.redis("DBSIZE")).toBe("10000");
    expect(await redisProcess(host)).toContain("NRestarts=0");
  });

  // Guide trap 32: a data directory outside the unit's writable paths starts, then MISCONF and a hanging restart.
  it("a data directory of the operator's own stays writable in the tighter sandbox", async ({ expect }) => {
    await using host = await startHost();
    using project = openProject({ "redis-01": host });
    await onHost(
      host,
      `mkdir -p /srv/redis /etc/systemd/system/redis-server.service.d; chown redis:redis /srv/redis
       printf '[Service]\\nReadWritePaths=/srv/redis\\n' >/etc/systemd/system/redis-server.service.d/data.conf
       sed -i 's|^dir .*|dir /srv/redis|' /etc/redis/redis.conf; systemctl daemon-reload; systemctl restart redis-server`,
    );
    await fill(host, "app", 100);
    expect((await project.run("apply", "--yes")).status).toBe(0);
    expect(await project.asAdmin(host, "SAVE")).toBe("OK");
    await onHost(host, "systemctl restart redis-server");
    await expect.poll(() => project.asAdmin(host, "DBSIZE")).toBe("100");
    expect(await onHost(host, "stat -c '%U:%G %a' /srv/redis /srv/redis/dump.rdb")).toMatch(
      /^redis:redis 750\nredis:redis 6[04]0$/,
    );
  });
});
