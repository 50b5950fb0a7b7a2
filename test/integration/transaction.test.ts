import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { describe, it } from "vitest";
import { type LabHost, programOf, startHost } from "./support/lab.ts";
import { asSoonAs, filesOf, fill, onHost, redisProcess, residueOf } from "./support/observe.ts";
import { openProject, type Project } from "./support/project.ts";

const repository = join(import.meta.dirname, "../..");
const TXN = "/var/lib/redkeep/txn/*";

/** Files of a host but for Docker's own and what redkeep keeps there for good: its recovery unit and its own folder. */
async function filesBut(host: LabHost): Promise<string> {
  const files = await filesOf(host);
  return files
    .split("\n")
    .filter((line) => !/redkeep-recover\.service|\/var\/lib\/redkeep|\/etc\/hosts$/.test(line))
    .join("\n");
}

/** An apply whose controller can die. */
function startApply(project: Project) {
  const controller = spawn(
    join(repository, "node_modules/.bin/node"),
    [programOf(), "apply", "--yes", "-i", "inventory.yml"],
    { cwd: project.dir, env: { ...process.env, APP_PASSWORD: project.appPassword }, stdio: "ignore" },
  );
  const ended = once(controller, "exit");
  return {
    async kill() {
      controller.kill("SIGKILL");
      await ended;
    },
  };
}

/** Kills the transaction with all its processes, as the kernel would without memory. */
const KILL = "systemctl kill -s KILL 'redkeep-apply-*'";

/** Does at the next boot what systemd's soft-reboot does: the kernel still has the rules that it had. */
const KEEP_RULES = `cat >/etc/systemd/system/keep-rules.service <<'END'
[Unit]
DefaultDependencies=no
Before=redkeep-recover.service
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'for t in iptables ip6tables; do for c in INPUT OUTPUT; do $t -I $c -m comment --comment redkeep -j ACCEPT; done; done'
[Install]
WantedBy=multi-user.target
END
systemctl enable -q keep-rules`;

describe.concurrent("a transaction that is killed", () => {
  it("while the candidate runs leaves no server, no file and no timer behind", async ({ expect }) => {
    await using host = await startHost();
    using project = openProject({ "redis-01": host });
    const before = await filesBut(host);
    // Stopped, so that it cannot take the candidate away again before it is killed.
    const killed = asSoonAs(
      host,
      "pgrep -f 'unit=redkeep-scratc[h]' >/dev/null",
      `systemctl kill -s STOP --kill-who=main 'redkeep-apply-*'
       until systemctl is-active -q 'redkeep-scratch-*'; do :; done; ${KILL}`,
    );
    const run = await project.run("apply", "--yes");
    await killed;
    expect(run.host("redis-01")).toMatchObject({
      status: "failed",
      error: { state: "nothing was changed on this host" },
    });
    expect(run.status).toBe(3);
    expect(await filesBut(host)).toBe(before);
    expect(await residueOf(host)).toBe("");
    expect(await onHost(host, `ls ${TXN} | grep login || true`)).toBe("");
  });

  it("right after its pending link was set leaves no link behind", async ({ expect }) => {
    await using host = await startHost();
    using project = openProject({ "redis-01": host });
    const before = await filesBut(host);
    const killed = asSoonAs(host, "[ -L /var/lib/redkeep/pending ]", KILL);
    const run = await project.run("apply", "--yes");
    await killed;
    expect(["failed", "rolled-back"]).toContain(run.host("redis-01").status);
    await expect.poll(() => residueOf(host)).toBe("");
    expect(await filesBut(host)).toBe(before);
  });

  it("in the restart keeps keys that live in memory only, and leaves the earlier dump as it was", async ({
    expect,
  }) => {
    await using host = await startHost();
    using project = openProject({ "redis-01": host });
    await fill(host, "app", 1000);
    await host.redis("CONFIG", "SET", "save", "");
    await onHost(
      host,
      `echo 'save ""' >>/etc/redis/redis.conf
       echo old >/var/lib/redis/dump.rdb; chown redis:redis /var/lib/redis/dump.rdb`,
    );
    const killed = asSoonAs(host, `ls ${TXN}/restarted >/dev/null 2>&1`, KILL);
    const run = await project.run("apply", "--yes");
    await killed;
    expect(run.host("redis-01")).toMatchObject({ status: "rolled-back" });
    expect(await host.redis("DBSIZE")).toBe("1000");
    expect(await host.redis("CONFIG", "GET", "save")).toBe("save\n");
    expect(await host.readFile("/var/lib/redis/dump.rdb")).toBe("old\n");
    expect(await residueOf(host)).toBe("");
  });

  it("by a power cut, with the controller dead, is rolled back before Redis starts", async ({ expect }) => {
    await using host = await startHost();
    using project = openProject({ "redis-01": host });
    await fill(host, "app", 1000);
    await host.redis("SAVE");
    const before = await filesBut(host);
    const controller = startApply(project);
    // Without a controller it waits for its confirmation.
    await asSoonAs(host, `ls ${TXN} >/dev/null 2>&1 && systemctl is-active -q 'redkeep-apply-*'`, "true");
    await controller.kill();
    await asSoonAs(host, `grep -q ^applied ${TXN}/state`, "true");
    expect(await onHost(host, "ufw status | head -n 1")).toBe("Status: active");
    await host.kill();
    await host.restart();
    expect(await onHost(host, `cat ${TXN}/state`)).toBe("rolled_back");
    expect(await filesBut(host)).toBe(before);
    expect(await host.redis("DBSIZE")).toBe("1000");
    expect(await onHost(host, "ufw status")).toBe("Status: inactive");
    expect(await residueOf(host)).toBe("");
  });

  it("by a soft-reboot, which keeps the rules that held the firewall open, leaves none of them", async ({
    expect,
  }) => {
    await using host = await startHost();
    using project = openProject({ "redis-01": host });
    const controller = startApply(project);
    await asSoonAs(host, `ls ${TXN} >/dev/null 2>&1 && systemctl is-active -q 'redkeep-apply-*'`, "true");
    await controller.kill();
    await asSoonAs(host, `grep -q ^applied ${TXN}/state`, "true");
    await onHost(host, KEEP_RULES);
    await host.kill();
    await host.restart();
    expect(await onHost(host, `systemctl show -p Result --value keep-rules; cat ${TXN}/state`)).toBe(
      "success\nrolled_back",
    );
    expect(await onHost(host, "iptables -S; ip6tables -S")).not.toContain("redkeep");
  });
});

describe.concurrent("a host with trouble during a transaction", () => {
  it("is not asked to stop a server that cannot save, whose stop would never end", async ({ expect }) => {
    await using host = await startHost();
    using project = openProject({ "redis-01": host });
    await fill(host, "app", 1000);
    const [before, process] = [await filesBut(host), await redisProcess(host)];
    // After the plan, which would have seen it.
    const closed = asSoonAs(
      host,
      `grep -q ' armed' ${TXN}/journal 2>/dev/null`,
      "chown root:root /var/lib/redis",
    );
    const run = await project.run("apply", "--yes", "--tags", "network");
    await closed;
    // A snapshot that failed would have stopped every write.
    expect(await host.redis("SET", "app:late", "taken")).toBe("OK");
    await onHost(host, "chown redis:redis /var/lib/redis");
    expect(run.host("redis-01")).toMatchObject({
      status: "rolled-back",
      error: { found: expect.stringContaining("the server cannot save its keys") },
    });
    expect(await redisProcess(host)).toBe(process);
    expect(await filesBut(host)).toBe(before);
    expect(await residueOf(host)).toBe("");
  });

  it("without room for the transaction is refused with that reason, and not touched", async ({ expect }) => {
    await using host = await startHost();
    using project = openProject({ "redis-01": host });
    await onHost(
      host,
      "mkdir -m 700 /var/lib/redkeep && mount -t tmpfs -o size=64k,mode=700 tmpfs /var/lib/redkeep",
    );
    const before = await filesBut(host);
    const run = await project.run("apply", "--yes", "--accept", "disk-too-small");
    expect(run.host("redis-01")).toMatchObject({
      status: "failed",
      error: { state: "nothing was changed on this host" },
    });
    expect(run.host("redis-01").error?.found).toContain("cannot take the transaction");
    expect(run.status).toBe(3);
    expect(await filesBut(host)).toBe(before);
    expect(await onHost(host, "find /var/lib/redkeep/txn -mindepth 1")).toBe("");
  });

  it("where Redis starts with too few keys keeps the data from before, makes no second start, and stops the fleet", async ({
    expect,
  }) => {
    await using host = await startHost();
    await using next = await startHost();
    using project = openProject({ "redis-01": host, "redis-02": next });
    await fill(host, "app", 1000);
    await onHost(
      host,
      `mkdir -p /etc/systemd/system/redis-server.service.d
       printf '[Service]\nExecStartPre=+/bin/rm -f /var/lib/redis/dump.rdb\n' >/etc/systemd/system/redis-server.service.d/90-lose.conf
       systemctl daemon-reload`,
    );
    const run = await project.run("apply", "--yes");
    expect(run.status).toBe(3);
    expect(run.host("redis-01")).toMatchObject({
      status: "failed",
      error: { found: expect.stringContaining("1000 keys before the restart, 0 after") },
    });
    expect(run.host("redis-02").status).toBe("not-started");
    expect(await project.asAdmin(host, "DBSIZE")).toBe("0");
    const kept = await onHost(
      host,
      "stat -c '%a %U' /var/lib/redis/.redkeep.*; ls /var/lib/redis/.redkeep.*",
    );
    expect(kept).toBe("700 root\ndump.rdb");
    expect(await onHost(host, "redis-check-rdb /var/lib/redis/.redkeep.*/dump.rdb")).toContain(
      "1000 keys read",
    );
  });

  it("where someone restarts Redis meanwhile is rolled back, and runs with its old configuration again", async ({
    expect,
  }) => {
    await using host = await startHost();
    using project = openProject({ "redis-01": host });
    await fill(host, "app", 1000);
    // In an order that differs with every start.
    const running = async () => (await host.redis("CONFIG", "GET", "*")).split("\n").toSorted();
    const [files, config] = [await filesBut(host), await running()];
    const restarted = asSoonAs(
      host,
      `grep -q 'file /etc/redis/redis.conf' ${TXN}/journal 2>/dev/null`,
      "systemctl kill -s STOP 'redkeep-apply-*'; systemctl restart redis-server; systemctl kill -s CONT 'redkeep-apply-*'",
    );
    const run = await project.run("apply", "--yes");
    await restarted;
    expect(run.status).toBe(5);
    expect(run.host("redis-01").error?.found).toContain(
      "redis-server.service was restarted by someone else meanwhile",
    );
    expect(await filesBut(host)).toBe(files);
    expect(await running()).toEqual(config);
    expect(await host.redis("DBSIZE")).toBe("1000");
    expect(await residueOf(host)).toBe("");
  });

  it("where Redis is down and someone edited a file gets all but that file back, and Redis starts", async ({
    expect,
  }) => {
    await using host = await startHost();
    using project = openProject({ "redis-01": host });
    const before = await host.readFile("/etc/redis/redis.conf");
    const edited = asSoonAs(
      host,
      `grep -q 'restart redis-server.service' ${TXN}/journal 2>/dev/null`,
      `systemctl kill -s STOP 'redkeep-apply-*'; echo 'user ops on nopass ~* +get' >>/etc/redis/users.acl
       systemctl stop redis-server; ${KILL}`,
    );
    const run = await project.run("apply", "--yes");
    await edited;
    expect(run.status).toBe(3);
    expect(run.host("redis-01")).toMatchObject({
      status: "failed",
      error: {
        found: expect.stringContaining("edited /etc/redis/users.acl"),
        state:
          "someone edited a file meanwhile and Redis did not answer: everything but that file was put back",
      },
    });
    expect(await host.redis("PING")).toBe("PONG");
    expect(await host.readFile("/etc/redis/redis.conf")).toBe(before);
    expect(await host.readFile("/etc/redis/users.acl")).toContain("user ops on");
    expect(await residueOf(host)).toBe("");
  });

  it("is asked again where the answer to the confirmation is lost", async ({ expect }) => {
    await using host = await startHost();
    using project = openProject({ "redis-01": host });
    // The lock is held until the link of the confirmation is cut: the answer cannot have been sent.
    const cut = asSoonAs(
      host,
      `grep -q ^applied ${TXN}/state 2>/dev/null`,
      `exec 9>>/var/lib/redkeep/lock; flock 9
       until pgrep -f 'transaction.sh confir[m]' >/dev/null; do :; done
       pkill -KILL -f '^sshd: root' && echo cut`,
    );
    const run = await project.run("apply", "--yes");
    expect(await cut).toContain("cut");
    expect(run.host("redis-01")).toMatchObject({ status: "changed", error: null });
    expect(run.status).toBe(0);
    expect(await onHost(host, `cat ${TXN}/state`)).toBe("committed");
    await expect.poll(() => residueOf(host)).toBe("");
  });

  it("that rewrites its AOF meanwhile is hardened all the same", async ({ expect }) => {
    await using host = await startHost();
    using project = openProject({ "redis-01": host });
    await fill(host, "app", 1000);
    await host.redis("CONFIG", "SET", "appendonly", "yes");
    await asSoonAs(host, "redis-cli INFO persistence | grep -q 'aof_rewrite_in_progress:0'", "true");
    await host.redis("CONFIG", "REWRITE");
    const run = await project.run("apply", "--yes");
    expect(run.host("redis-01")).toMatchObject({ status: "changed", error: null });
    expect(await project.asAdmin(host, "DBSIZE")).toBe("1000");
  });

  it("where a file cannot be replaced is reported with the reason", async ({ expect }) => {
    await using host = await startHost();
    using project = openProject({ "redis-01": host });
    const process = await redisProcess(host);
    // After the plan, which would have seen it.
    const mounted = asSoonAs(
      host,
      `grep -q ' backup' ${TXN}/journal 2>/dev/null`,
      "cp -p /etc/redis/redis.conf /root/redis.conf && mount --bind /root/redis.conf /etc/redis/redis.conf",
    );
    const run = await project.run("apply", "--yes");
    await mounted;
    expect(run.host("redis-01").status).toBe("rolled-back");
    expect(run.host("redis-01").error?.found).toContain("Device or resource busy");
    expect(await redisProcess(host)).toBe(process);
    expect(await residueOf(host)).toBe("");
  });

  it("is not reported as rolled back where its firewall could not be put back", async ({ expect }) => {
    await using host = await startHost();
    using project = openProject({ "redis-01": host });
    // Rules that can be loaded in part only, and a ufw that does not switch off again.
    await onHost(
      host,
      `sed -i '/^COMMIT/i -A ufw-after-input -j nowhere' /etc/ufw/after.rules
       mv /usr/sbin/ufw /usr/sbin/ufw.real; ln -s /bin/false /usr/sbin/ufw`,
    );
    const run = await project.run("apply", "--yes");
    expect(run.status).toBe(3);
    expect(run.host("redis-01")).toMatchObject({
      status: "failed",
      error: {
        found: expect.stringContaining("not restored the firewall"),
        state: "the rollback failed on a part of the change",
      },
    });
    // What could be put back is back, and Redis answers as before.
    expect(await host.redis("PING")).toBe("PONG");
    expect(await residueOf(host)).toBe("");
  });
});
