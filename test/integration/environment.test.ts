/** Hosts on which something beside Redis is not as it should be. Rows B and A of the catalogue in measure/faults. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RunRecord } from "../../src/record/record.ts";
import { type LabHost, operatorPassword, programOf, startHost } from "./support/lab.ts";
import { asSoonAs, filesOf, fill, onHost, residueOf } from "./support/observe.ts";
import { openProject, type Project } from "./support/project.ts";
import { applyInVain } from "./support/untouched.ts";

describe("a host that cannot take a change as it stands", () => {
  let host: LabHost;
  let project: Project;
  beforeAll(async () => {
    host = await startHost({ capabilities: ["LINUX_IMMUTABLE"] });
    project = openProject({ "redis-01": host });
    await fill(host, "app", 1000);
    await host.redis("SAVE");
  });
  afterAll(async () => {
    project?.[Symbol.dispose]();
    await host?.[Symbol.asyncDispose]();
  });

  /** Breaks the host, applies in vain, mends it; returns what was told. */
  async function told(breaks: string, mends: string, ...args: string[]): Promise<string> {
    await onHost(host, breaks);
    try {
      return (await applyInVain(host, project, "refused", ...args)).found;
    } finally {
      await onHost(host, mends);
    }
  }

  it("is refused with every place that is read-only, immutable or a mount of its own", async () => {
    const found = await told(
      `mkdir -m 700 /var/lib/redkeep
       for dir in /etc/systemd/system /var/lib/redkeep; do mount --bind $dir $dir; mount -o remount,ro,bind $dir; done
       mount --bind /etc/redis/redis.conf /etc/redis/redis.conf; chattr +i /etc/ufw/user.rules /etc/ufw/ufw.conf`,
      `umount /etc/systemd/system /var/lib/redkeep /etc/redis/redis.conf; rmdir /var/lib/redkeep
       chattr -i /etc/ufw/user.rules /etc/ufw/ufw.conf`,
    );
    const closed = "cannot be written to, not even by root: it is mounted read-only, or immutable";
    for (const path of [
      "/etc/systemd/system",
      "/var/lib/redkeep",
      "/etc/ufw/user.rules",
      "/etc/ufw/ufw.conf",
    ])
      expect(found.split("\n")).toContain(`${path} ${closed}`);
    expect(found).toContain("/etc/redis/redis.conf is a mount of its own");
  });

  it("is refused with each file system that lacks room for bytes or files", async () => {
    const found = await told(
      `cp -a /etc/redis /root/redis; mkdir -m 700 /var/lib/redkeep
       mount -t tmpfs -o nr_inodes=4,mode=755 tmpfs /etc/redis; cp -a /root/redis/redis.conf /etc/redis/
       mount -t tmpfs -o size=256k,mode=700 tmpfs /var/lib/redkeep`,
      "umount /etc/redis /var/lib/redkeep; rmdir /var/lib/redkeep",
    );
    expect(found).toMatch(/^2 inodes are free in \/etc\/redis, and this run may need \d+ there$/m);
    expect(found).toMatch(/^256kb are free in \/var\/lib\/redkeep, and this run may need 2mb there$/m);
  });

  // One snapshot that fails is enough for Redis to refuse every write from then on.
  it("is refused before a save that would fail, and goes on serving writes", async () => {
    const impossible = await told(
      "mv /var/lib/redis/dump.rdb /root/; mkdir /var/lib/redis/dump.rdb; chown root /var/lib/redis",
      "chown redis /var/lib/redis; rmdir /var/lib/redis/dump.rdb; mv /root/dump.rdb /var/lib/redis/",
    );
    expect(impossible).toContain("Redis may not write into /var/lib/redis (root:redis 0750)");
    expect(impossible).toContain("/var/lib/redis/dump.rdb is no plain file");
    const full = await told(
      `cp -a /var/lib/redis/dump.rdb /root/; mount -t tmpfs -o size=64k,uid=redis,gid=redis,mode=750 tmpfs /var/lib/redis
       cp -a /root/dump.rdb /var/lib/redis/`,
      "umount /var/lib/redis",
    );
    expect(full).toMatch(/are free in \/var\/lib\/redis, less than twice the .* of data/);
    expect(await host.redis("SET", "late", "1")).toBe("OK");
    expect(await host.redis("DEL", "late")).toBe("1");
  });

  it("makes redkeep neither follow a link nor wait for a pipe in the place of a file", async () => {
    const found = await told(
      `mv /etc/redis/redis.conf /root/real.conf; ln -s /root/real.conf /etc/redis/redis.conf; mkfifo /etc/redis/users.acl
       chmod 755 /root; chmod 644 /root/real.conf`,
      `mv /root/real.conf /etc/redis/redis.conf; chown redis:redis /etc/redis/redis.conf; chmod 640 /etc/redis/redis.conf
       rm /etc/redis/users.acl; chmod 700 /root`,
    );
    expect(found).toContain("/etc/redis/redis.conf is a symbolic link");
    expect(found).toContain("/etc/redis/users.acl is no regular file");
    const include = await told(
      "mkfifo /etc/redis/site.conf; echo 'include /etc/redis/site.conf' >>/etc/redis/redis.conf",
      "rm /etc/redis/site.conf; sed -i '$d' /etc/redis/redis.conf",
    );
    expect(include).toContain("/etc/redis/site.conf");
  });

  it("is refused with what to install where redis-cli or systemd-run is missing", async () => {
    const client = await told("mv /usr/bin/redis-cli /root/", "mv /root/redis-cli /usr/bin/");
    expect(client).toBe("the host has neither redis-cli nor valkey-cli");
    const run = await told("mv /usr/bin/systemd-run /root/", "mv /root/systemd-run /usr/bin/");
    expect(run).toBe("the host lacks systemd-run");
  });

  it("is left alone at once where somebody holds its lock and does not release it", async () => {
    const found = await told(
      `mkdir -m 700 /var/lib/redkeep; : >/var/lib/redkeep/lock
       systemd-run -q --unit=holds-lock flock /var/lib/redkeep/lock sleep infinity
       until ! flock -n /var/lib/redkeep/lock true; do :; done`,
      "systemctl stop holds-lock; rm -r /var/lib/redkeep",
    );
    expect(found).toContain("another run is at work here");
  });
});

const repository = join(import.meta.dirname, "../..");
const TXN = "/var/lib/redkeep/txn/*";

/** `redkeep apply`, for signals; `wrap` runs its command line in another program. */
function startApply(
  project: Project,
  wrap: (command: string) => string[] = (command) => ["sh", "-c", command],
) {
  const node = join(repository, "node_modules/.bin/node");
  const [program = "", ...args] = wrap(
    `exec ${node} ${programOf()} apply --yes -i inventory.yml --json run.json`,
  );
  const child = spawn(program, args, {
    cwd: project.dir,
    env: { ...process.env, APP_PASSWORD: project.appPassword },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  return {
    child,
    ended: once(child, "exit") as Promise<[number | null, NodeJS.Signals | null]>,
    output: () => output,
  };
}

function readRecord(project: Project): RunRecord | undefined {
  try {
    return JSON.parse(readFileSync(project.path("run.json"), "utf8")) as RunRecord;
  } catch {
    return undefined;
  }
}

/** A transaction has begun on the host. */
const begun = (host: LabHost) => asSoonAs(host, "ls /run | grep -q '^redkeep-'", "true");

const withoutOurs = (files: string): string =>
  files
    .split("\n")
    .filter((line) => !/redkeep-recover\.service|\/var\/lib\/redkeep/.test(line))
    .join("\n");

describe.concurrent("during a run", () => {
  it("a closed terminal ends it as Ctrl-C does: hosts in progress are finished, no other is begun, and the record is written", async ({
    expect,
  }) => {
    await using host = await startHost();
    await using next = await startHost();
    using project = openProject({ "redis-01": host, "redis-02": next });
    const before = await filesOf(next);
    const { child, ended } = startApply(project, (command) => ["script", "-qfec", command, "/dev/null"]);
    await begun(host);
    // The terminal's own end: its window is gone, with all that reads and writes there.
    child.kill("SIGKILL");
    await ended;
    await expect.poll(() => readRecord(project)?.exitCode, { timeout: 90_000, interval: 200 }).toBe(130);
    expect(readRecord(project)?.hosts.map(({ host, status }) => [host, status])).toEqual([
      ["redis-01", "changed"],
      ["redis-02", "not-started"],
    ]);
    expect(await onHost(host, `cat ${TXN}/state`)).toBe("committed");
    expect(await residueOf(host)).toBe("");
    expect(await filesOf(next)).toBe(before);
  });

  it("a controller that sleeps through the confirm window reads what the host did, and repeats nothing", async ({
    expect,
  }) => {
    await using host = await startHost();
    using project = openProject({ "redis-01": host });
    await fill(host, "app", 1000);
    const before = withoutOurs(await filesOf(host));
    const { child, ended, output } = startApply(project);
    await asSoonAs(host, `grep -q ' armed' ${TXN}/journal 2>/dev/null`, "true");
    child.kill("SIGSTOP");
    await asSoonAs(host, `grep -q ^applied ${TXN}/state`, "true");
    // The very command that the window's timer starts, without the minute until then.
    await onHost(host, "systemctl start 'redkeep-win-*.service' --all");
    await expect.poll(() => onHost(host, `cat ${TXN}/state`), { timeout: 60_000 }).toBe("rolled_back");
    child.kill("SIGCONT");
    expect(await ended, output()).toEqual([5, null]);
    expect(readRecord(project)?.hosts[0]).toMatchObject({ status: "rolled-back" });
    expect(await onHost(host, `ls -d ${TXN} | wc -l`)).toBe("1");
    expect(withoutOurs(await filesOf(host))).toBe(before);
    expect(await host.redis("DBSIZE")).toBe("1000");
    await expect.poll(() => residueOf(host)).toBe("");
  });

  it("a controller whose disk is full touches no host", async ({ expect }) => {
    await using host = await startHost();
    using project = openProject({ "redis-01": host });
    const before = await filesOf(host);
    // No file may grow: what a full disk does to whoever writes.
    const { ended, output } = startApply(project, (command) => ["sh", "-c", `ulimit -f 0; ${command}`]);
    expect(await ended).toEqual([1, null]);
    expect(output()).toContain("cannot be written");
    expect(output()).toContain("No host was touched.");
    expect(await filesOf(host)).toBe(before);
  });

  it("a file system that fills up at any moment leaves the host as it was, and no file cut short", async ({
    expect,
  }) => {
    await using host = await startHost();
    using project = openProject({ "redis-01": host });
    await onHost(
      host,
      `mkdir -m 700 /var/lib/redkeep; cp -a /etc/redis /root/redis
       mount -t tmpfs -o size=12m,mode=700 tmpfs /var/lib/redkeep
       mount -t tmpfs -o size=12m,mode=750,uid=redis,gid=redis tmpfs /etc/redis; cp -a /root/redis/. /etc/redis`,
    );
    await fill(host, "app", 1000);
    const before = withoutOurs(await filesOf(host));
    const filled = asSoonAs(
      host,
      `grep -q ' armed' ${TXN}/journal 2>/dev/null`,
      "for dir in /var/lib/redkeep /etc/redis; do cat /dev/zero >$dir/filler 2>/dev/null; done; df /etc/redis",
    );
    const run = await project.run("apply", "--yes");
    expect(await filled).toContain("100%");
    await onHost(host, "rm /var/lib/redkeep/filler /etc/redis/filler");
    expect(run.host("redis-01"), run.stdout).toMatchObject({ status: "rolled-back" });
    expect(withoutOurs(await filesOf(host))).toBe(before);
    expect(await host.redis("DBSIZE")).toBe("1000");
    expect(await residueOf(host)).toBe("");
  });
});

describe.concurrent("an unusual host", () => {
  it("without systemd at work is refused, and not touched", async ({ expect }) => {
    const boot =
      "lab-identity; mkdir -p /run/sshd; redis-server /etc/redis/redis.conf; exec /usr/sbin/sshd -D";
    await using host = await startHost({
      command: ["sh", "-c", boot],
      ready: "redis-cli PING && pgrep -x sshd",
    });
    using project = openProject({ "redis-01": host });
    const before = await filesOf(host);
    const run = await project.run("apply", "--yes");
    expect(run.status).toBe(3);
    expect(run.host("redis-01")).toMatchObject({ status: "refused" });
    expect(run.host("redis-01").error?.found).toContain("systemd does not run this host");
    expect(await filesOf(host)).toBe(before);
    expect(await host.redis("PING")).toBe("PONG");
  });

  it("with noexec /tmp and /var, without bash, with odd owners and access lists, is hardened and closed", async ({
    expect,
  }) => {
    await using host = await startHost();
    using project = openProject({ "redis-01": host });
    await fill(host, "app", 1000);
    // An ACL by its bytes: user 65534 may read what is made in /etc/redis.
    const grant = (path: string, name: string) =>
      `python3 -c "import os, struct; entry = lambda tag, perm, who=0xffffffff: struct.pack('<HHI', tag, perm, who)
os.setxattr('${path}', 'system.posix_acl_${name}', struct.pack('<I', 2) + entry(1, 7) + entry(2, 5, 65534) + entry(4, 5) + entry(16, 5) + entry(32, 0))"`;
    await onHost(
      host,
      `usermod -s /bin/sh root; rm /bin/bash
       mount -o remount,noexec /tmp; mount --bind /var /var; mount -o remount,bind,noexec /var
       chown redis:adm /etc/redis/redis.conf; chmod 664 /etc/redis/redis.conf
       ${grant("/etc/redis", "default")}
       ${grant("/etc/redis/redis.conf", "access")}`,
    );
    const run = await project.run("apply", "--yes");
    expect(run.host("redis-01")).toMatchObject({ status: "changed", error: null });
    expect(run.status).toBe(0);
    expect(await project.asAdmin(host, "DBSIZE")).toBe("1000");
    const stat = "stat -c '%n %U:%G %a' /etc/redis/redis.conf /etc/redis/users.acl /etc/redis/tls/*";
    for (const line of (await onHost(host, stat)).split("\n")) expect(line).toMatch(/ root:redis 640$/);
    const readable = await onHost(
      host,
      "find /etc/redis -type f -exec setpriv --reuid=65534 --regid=65534 --clear-groups cat {} + 2>/dev/null || true",
    );
    expect(readable).toBe("");
  });

  it("whose sudo asks for something else gets an error after one try, whatever the number of hosts", async ({
    expect,
  }) => {
    await using host = await startHost();
    const failures = () =>
      onHost(host, "journalctl --no-pager | grep -c 'pam_unix(sudo:auth): authentication failure' || true");
    const hosts = { "redis-01": host, "redis-02": host, "redis-03": host };
    const wrong = { ansible_user: "operator", ansible_become_password: "not-the-password" };
    using project = openProject(hosts, wrong);
    const run = await project.run("apply", "--yes");
    expect(run.status).toBe(3);
    expect(run.record.hosts.map(({ status }) => status)).toEqual(["failed", "failed", "failed"]);
    const found = run.record.hosts.map(({ error }) => error?.found ?? "");
    expect(found.filter((text) => text.includes("not tried"))).toHaveLength(2);
    await expect.poll(failures).toBe("1");
    await onHost(host, "printf 'Defaults requiretty\n' >/etc/sudoers.d/tty");
    using again = openProject({ "redis-01": host }, { ...wrong, ansible_become_password: operatorPassword });
    const refused = await again.run("plan");
    expect(refused.host("redis-01").error?.found).toContain("sudo refuses operator without a terminal");
  });
});
