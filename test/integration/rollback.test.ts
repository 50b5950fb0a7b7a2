import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type LabHost, redkeep, startHost, writeInventory } from "./support/lab.ts";

const OLD_PASSWORD = "the-old-requirepass-of-this-host";

/** What a rollback has to bring back: content, owner and mode of every file, and what is filtered. */
const SNAPSHOT = `
find /etc/redis /etc/ufw /etc/default/ufw /etc/systemd/system/redis-server.service.d -exec stat -c '%n %U:%G %a' {} +
find /etc/redis /etc/ufw /etc/default/ufw /etc/systemd/system/redis-server.service.d -type f -exec sha256sum {} +
iptables-save -t filter | sed -e '/^#/d' -e 's/ \\[.*//'
systemctl show redis-server -p UMask -p LimitNOFILE`;

describe("redkeep rollback", () => {
  const dir = mkdtempSync(join(tmpdir(), "redkeep-rollback-"));
  const env = { APP_PASSWORD: "a-password-for-the-application" };
  let host: LabHost;
  let inventory: string;
  let before: string;
  const run = (command: string, ...more: string[]) =>
    redkeep([command, "-i", inventory, "--yes", "--json", join(dir, `${command}.json`), ...more], {
      cwd: dir,
      env,
    });
  const look = async () => (await host.sh(SNAPSHOT)).stdout.split("\n").sort().join("\n");

  beforeAll(async () => {
    host = await startHost();
    // As operators leave it: a password, an AOF, a firewall of their own.
    const prepared = await host.sh(`
      set -e
      redis-cli CONFIG SET appendonly yes
      until redis-cli INFO persistence | tr -d '\\r' | grep -qx aof_rewrite_in_progress:0 &&
        redis-cli INFO persistence | tr -d '\\r' | grep -qx aof_rewrite_scheduled:0; do :; done
      sed -i 's/^appendonly no/appendonly yes/' /etc/redis/redis.conf
      echo 'requirepass ${OLD_PASSWORD}' >>/etc/redis/redis.conf
      systemctl restart redis-server
      export REDISCLI_AUTH=${OLD_PASSWORD}
      redis-cli EVAL "for i = 1, 1000 do redis.call('SET', 'app:' .. i, i) end" 0
      ufw allow 22/tcp; ufw allow 6379; ufw --force enable`);
    expect(prepared.status, prepared.stderr).toBe(0);
    inventory = writeInventory(dir, { "redis-01": host }).inventory;
    before = await look();
  });

  afterAll(async () => {
    await host?.[Symbol.asyncDispose]();
    rmSync(dir, { recursive: true, force: true });
  });

  it("leaves a host alone that redkeep never changed", async () => {
    const { status, record } = await run("rollback");
    expect(status).toBe(0);
    expect(record?.hosts[0]).toMatchObject({ status: "unchanged", tasks: [{ status: "ok" }] });
  });

  it("refuses a host that somebody has changed since, and touches nothing", async () => {
    expect((await run("apply")).status).toBe(0);
    await host.sh("echo '# by hand' >>/etc/redis/redis.conf");
    const edited = await look();
    const { status, record } = await run("rollback");
    expect(status).toBe(3);
    expect(record?.hosts[0]).toMatchObject({
      status: "refused",
      error: { found: expect.stringContaining("/etc/redis/redis.conf") },
    });
    expect(await look()).toBe(edited);
    await host.sh("sed -i '/^# by hand$/d' /etc/redis/redis.conf");
  });

  it("brings everything back as it was, with every key and the old password", async () => {
    const { status, record, stdout } = await run("rollback");
    expect(status, stdout).toBe(0);
    expect(record?.hosts[0]).toMatchObject({ status: "rolled-back", error: null, restart: { needed: true } });
    expect(await look()).toBe(before);
    const { stdout: answer } = await host.sh(
      `REDISCLI_AUTH=${OLD_PASSWORD} redis-cli DBSIZE; redis-cli PING`,
    );
    expect(answer).toBe("1000\nNOAUTH Authentication required.\n\n");
    const { stdout: residue } = await host.sh(
      "ls -d /var/lib/redkeep/pending /run/redkeep-* /var/lib/redkeep/txn/*/login.* 2>/dev/null; systemctl list-units --all --plain --no-legend 'redkeep-*.timer'",
    );
    expect(residue).toBe("");
  });

  it("does not undo itself, and lets the next apply go on as before", async () => {
    expect((await run("rollback")).record?.hosts[0]?.status).toBe("unchanged");
    const { status, record } = await run("apply");
    expect(status).toBe(0);
    expect(record?.hosts[0]?.status).toBe("changed");
  });
});
