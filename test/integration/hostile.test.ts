import { describe, it } from "vitest";
import { type LabHost, startHost } from "./support/lab.ts";
import { onHost } from "./support/observe.ts";
import { openProject } from "./support/project.ts";

/** Stands in /etc/shadow, which only root can read. */
const MARK = "SHADOWMARKER";

/** What the redis user, who owns its folders, can lay there for root to stumble over; and what takes it away again. */
const LAYOUTS: readonly [what: string, plant: string, clean: string][] = [
  [
    "redis.conf is a link",
    "mv /etc/redis/redis.conf /etc/redis/real; ln -s /etc/shadow /etc/redis/redis.conf",
    "mv -f /etc/redis/real /etc/redis/redis.conf",
  ],
  ["the ACL file is a link", "ln -s /etc/shadow /etc/redis/users.acl", "rm /etc/redis/users.acl"],
  ["the ACL file is a hard link", "ln /etc/shadow /etc/redis/users.acl", "rm /etc/redis/users.acl"],
  ["the ACL file is a FIFO", "mkfifo /etc/redis/users.acl", "rm /etc/redis/users.acl"],
  [
    "the server's key is a link",
    "mkdir /etc/redis/tls; ln -s /etc/shadow /etc/redis/tls/redkeep-server.key",
    "rm -r /etc/redis/tls",
  ],
  ["the folder of certificates is a link", "ln -s /etc /etc/redis/tls", "rm /etc/redis/tls"],
  [
    "redis.conf includes what Redis may not read",
    "cp -p /etc/redis/redis.conf /etc/redis/real; echo include /etc/shadow >>/etc/redis/redis.conf",
    "mv -f /etc/redis/real /etc/redis/redis.conf",
  ],
  // Last: Redis cannot write its log then, and does not come up again.
  [
    "the log is a link, which a failed restart would quote",
    "rm /var/log/redis/redis-server.log; ln -s /etc/shadow /var/log/redis/redis-server.log",
    "rm /var/log/redis/redis-server.log",
  ],
];

const shadow = (host: LabHost) => onHost(host, "stat -c '%U:%G %a %h' /etc/shadow; sha256sum /etc/shadow");

// Each layout is a whole apply.
const SLOW = 300_000;

describe("the redis user lays traps in its own folders", () => {
  it("and /etc/shadow stays as it is, and is in no plan, no record and no journal", {
    timeout: SLOW,
  }, async ({ expect }) => {
    await using host = await startHost();
    using project = openProject({ "redis-01": host });
    await onHost(host, `useradd marker; echo 'marker:$6$${MARK}$${MARK}' | chpasswd -e`);
    for (const [what, plant, clean] of LAYOUTS) {
      await onHost(host, plant);
      const before = await shadow(host);
      const run = await project.run("apply", "--yes", "--diff", "-v");
      expect(["refused", "failed", "rolled-back"], what).toContain(run.host("redis-01").status);
      const said = run.stdout + run.stderr + JSON.stringify(run.record);
      expect(said, what).not.toContain(MARK);
      expect(said, what).not.toMatch(/root:[*!$]/);
      expect(await shadow(host), what).toBe(before);
      expect(await onHost(host, `grep -rl ${MARK} /var/lib/redkeep 2>/dev/null; true`), what).toBe("");
      await onHost(host, clean);
    }
  });
});
