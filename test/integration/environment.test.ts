/** Hosts on which something beside Redis is not as it should be. Rows B and A of the catalogue in test/faults. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type LabHost, startHost } from "./support/lab.ts";
import { fill, onHost } from "./support/observe.ts";
import { openProject, type Project } from "./support/project.ts";
import { applyInVain } from "./support/untouched.ts";

describe("a host that cannot take a change as it stands", () => {
  let host: LabHost;
  let project: Project;
  beforeAll(async () => {
    host = await startHost();
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

  it("names each place that is read-only, immutable or a mount of its own, all at once", async () => {
    const found = await told(
      `mkdir -m 700 /var/lib/redkeep
       for dir in /etc/systemd/system /var/lib/redkeep /etc/ufw; do mount --bind $dir $dir; mount -o remount,ro,bind $dir; done
       mount --bind /etc/redis/redis.conf /etc/redis/redis.conf`,
      "umount /etc/systemd/system /var/lib/redkeep /etc/ufw /etc/redis/redis.conf; rmdir /var/lib/redkeep",
    );
    const closed = "cannot be written to, not even by root: it is mounted read-only, or immutable";
    for (const path of ["/etc/systemd/system", "/var/lib/redkeep", "/etc/ufw"])
      expect(found.split("\n")).toContain(`${path} ${closed}`);
    expect(found).toContain("/etc/redis/redis.conf is a mount of its own");
  });

  it("names each file system without room, for bytes or for files", async () => {
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
  it("has no snapshot tried that must fail, and goes on serving writes", async () => {
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

  it("follows no link and waits for no pipe in the place of a file", async () => {
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

  it("without redis-cli or systemd-run is told what to install", async () => {
    const client = await told("mv /usr/bin/redis-cli /root/", "mv /root/redis-cli /usr/bin/");
    expect(client).toBe("the host has neither redis-cli nor valkey-cli");
    const run = await told("mv /usr/bin/systemd-run /root/", "mv /root/systemd-run /usr/bin/");
    expect(run).toBe("the host lacks systemd-run");
  });

  it("whose lock somebody holds, and does not let go of, is left alone at once", async () => {
    const found = await told(
      `mkdir -m 700 /var/lib/redkeep; : >/var/lib/redkeep/lock
       systemd-run -q --unit=holds-lock flock /var/lib/redkeep/lock sleep infinity
       until ! flock -n /var/lib/redkeep/lock true; do :; done`,
      "systemctl stop holds-lock; rm -r /var/lib/redkeep",
    );
    expect(found).toContain("another run is at work here");
  });
});
