import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
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
      sed -i 's/^bind .*/bind 0.0.0.0/' /etc/redis/redis.conf
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

  it("shows what comes back with before and after, and who will notice, and changes nothing with --check", async () => {
    expect((await run("apply")).status).toBe(0);
    const hardened = await look();
    const { status, record, stdout } = await run("rollback", "--check");
    expect(status, stdout).toBe(2);
    expect(await look()).toBe(hardened);
    const [found] = record?.hosts ?? [];
    expect(found).toMatchObject({ status: "would-change", connections: 1, restart: { needed: true } });
    expect(found?.undoes).toEqual([
      { transaction: expect.stringMatching(/^\d{8}T/), run: expect.stringContaining(" UTC by ") },
    ]);
    expect(stdout).toContain(
      `redis-01: undoes the run of ${found?.undoes?.[0]?.run} (${found?.undoes?.[0]?.transaction})`,
    );
    const changes = new Map(
      found?.tasks[0]?.changes.map((one) => [one.address, [one.action, one.before, one.after]]),
    );
    expect(changes.get("redis.conf:port")).toEqual(["update", "0", "6379"]);
    expect(changes.get("redis.conf:tls-port")).toEqual(["delete", "6380", null]);
    expect(changes.get("redis.conf:requirepass")).toEqual(["create", null, "••••"]);
    expect(changes.get("redis.conf:rename-command FLUSHALL")).toEqual(["delete", "taken away", null]);
    expect(changes.get("users.acl:default")?.[2]).toBe("~* &*, every command; password ••••");
    expect(changes.get("users.acl:app")?.[0]).toBe("delete");
    expect(changes.get("unit:UMask")).toEqual(["delete", "0027", null]);
    expect(changes.get("ufw:allow 6379")).toEqual(["create", null, "comes back"]);
    expect(changes.get("file:/etc/redis/tls/redkeep-server.key")?.[0]).toBe("delete");
    expect(changes.get("file:/etc/redis")?.[0]).toBe("update");
    const noticed = found?.impact.map(({ kind, detail }) => `${kind}: ${detail}`).join("\n");
    expect(noticed).toContain("port-opens: port 6379 opens to everybody (ufw: allow 6379), in plain");
    expect(noticed).toContain("tls-goes: TLS goes: port 6380 closes");
    expect(noticed).toContain("password-back: user default comes back with the password from before the run");
    expect(noticed).toContain("commands-back: ");
    const { stdout: inFull } = await run("rollback", "--check", "-D");
    expect(inFull).toMatch(/\+ *requirepass ••••/);
    for (const text of [stdout, inFull, JSON.stringify(record)]) {
      expect(text).not.toContain(OLD_PASSWORD);
      expect(text).not.toMatch(/RK_[0-9A-F]{10}/);
    }
  });

  it("refuses a host that somebody has changed since, and touches nothing", async () => {
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
    // The plan knows what the host would say, and says it first.
    expect((await host.sh("ufw allow 8080/tcp")).status).toBe(0);
    const refused = await run("rollback", "--check");
    expect(refused.status, refused.stdout).toBe(3);
    expect(refused.record?.hosts[0]?.error).toMatchObject({
      found: expect.stringContaining(
        "changed /etc/ufw/user.rules since the run that is to be undone: allow 8080/tcp was added",
      ),
      remedy: expect.stringContaining("ufw delete allow 8080/tcp"),
    });
    expect((await host.sh("ufw delete allow 8080/tcp")).status).toBe(0);
  });

  it("puts everything back as it was, with every key and the old password", async () => {
    const { status, record, stdout } = await run("rollback");
    expect(status, stdout).toBe(0);
    expect(record?.hosts[0]).toMatchObject({ status: "restored", error: null, restart: { needed: true } });
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

  it("does not undo itself when run twice, and lets the next apply harden again", async () => {
    expect((await run("rollback")).record?.hosts[0]?.status).toBe("unchanged");
    const { status, record } = await run("apply");
    expect(status).toBe(0);
    expect(record?.hosts[0]?.status).toBe("changed");
  });

  it("undoes nothing on a host that the last run did not change, unless it is named", async () => {
    const other = await startHost();
    try {
      writeInventory(dir, { "redis-01": host, "redis-02": other });
      const second = await run("apply", "--limit", "redis-02");
      expect(second.record?.hosts[0]?.status, second.stdout).toBe("changed");
      const last = await run("rollback", "--check");
      expect(last.record?.hosts.map((one) => one.host)).toEqual(["redis-02"]);
      expect(last.stderr).toContain("changed redis-02: 1 other host left out; --limit names others");
      const named = await run("rollback", "--check", "--limit", "redis-01");
      expect(named.record?.hosts[0]).toMatchObject({ host: "redis-01", status: "would-change" });
    } finally {
      await other[Symbol.asyncDispose]();
      writeInventory(dir, { "redis-01": host });
    }
  });

  it("goes back to the state from before the first run, whose backup outlives the last five", async () => {
    const plain = join(dir, "plain.yml");
    for (const maxclients of [901, 902, 903, 904, 905, 906]) {
      const admin = { name: "admin", preset: "admin", password: { generate: true } };
      const tasks = [{ acl: { users: [admin] } }, { limits: { maxclients } }];
      writeFileSync(plain, JSON.stringify([{ name: "Limits", hosts: "redis", become: true, tasks }]));
      const { record, stdout } = await run("apply", plain, "--accept", "blast-radius");
      expect(record?.hosts[0]?.status, stdout).toBe("changed");
    }
    expect((await host.sh("ls -1 /var/lib/redkeep/txn | wc -l")).stdout).toBe("6\n");
    // A rule of somebody else's is not lost unseen, with a firewall that was on before redkeep came.
    expect((await host.sh("ufw allow 9100/tcp")).status).toBe(0);
    const others = await run("rollback", "--to", "original", "--check");
    expect(others.status, others.stdout).toBe(3);
    expect(others.record?.hosts[0]?.error).toMatchObject({ guards: ["rules-of-others"] });
    expect(others.record?.hosts[0]?.error?.found).toMatch(
      /according to the recorded runs: allow 9100\/tcp was added$/m,
    );
    const accepted = await run("rollback", "--to", "original", "--check", "--accept", "rules-of-others");
    expect(accepted.record?.hosts[0]?.impact).toContainEqual({
      kind: "rule-lost",
      detail: expect.stringContaining("allow 9100/tcp (v4) goes, and no run that the host keeps wrote it"),
    });
    expect((await host.sh("ufw delete allow 9100/tcp")).status).toBe(0);
    const hardened = await look();
    const shown = await run("rollback", "--to", "original", "--check");
    expect(shown.status, shown.stdout).toBe(2);
    expect(await look()).toBe(hardened);
    const [plan] = shown.record?.hosts ?? [];
    expect(plan?.undoes?.length).toBeGreaterThan(4);
    const changes = new Map(plan?.tasks[0]?.changes.map((one) => [one.address, [one.before, one.after]]));
    expect(changes.get("redis.conf:maxclients")).toEqual(["906", null]);
    expect(changes.get("redis.conf:port")).toEqual(["0", "6379"]);
    // Killed where the new files are there and Redis starts with them, it comes back by itself to what stood.
    const [struck] = await Promise.all([
      run("rollback", "--to", "original"),
      host.sh(
        "until grep -qs ' restart redis' /var/lib/redkeep/pending/journal; do :; done; systemctl kill -s KILL 'redkeep-apply-*'",
      ),
    ]);
    expect(struck.status, struck.stdout).toBe(3);
    expect(struck.record?.hosts[0]).toMatchObject({
      status: "failed",
      error: { state: "as the last run left it: the rollback itself was undone" },
    });
    expect(await look()).toBe(hardened);
    const { status, record, stdout } = await run("rollback", "--to", "original");
    expect(status, stdout).toBe(0);
    expect(record?.hosts[0]).toMatchObject({ status: "restored", error: null, restart: { needed: true } });
    expect(await look()).toBe(before);
    const { stdout: answer } = await host.sh(`REDISCLI_AUTH=${OLD_PASSWORD} redis-cli DBSIZE`);
    expect(answer).toBe("1000\n");
    const again = await run("rollback", "--to", "original");
    expect(again.record?.hosts[0]).toMatchObject({ status: "unchanged" });
    expect(again.stdout).toContain(
      "every change of the recorded runs is already undone; redkeep's own files",
    );
    const ejected = await run("eject", "--check");
    expect(ejected.record?.hosts[0]).toMatchObject({
      impact: [],
      tasks: [
        {
          reason: expect.stringMatching(/^Redis and ufw stay as they are: every change of the recorded runs/),
        },
      ],
    });
  });

  it("is followed by eject, which removes redkeep's own files and leaves the hardening and the running server", async () => {
    expect((await run("apply")).status).toBe(0);
    await host.sh(
      "touch /etc/redis/.redkeep.20261129T000000Z-0badcafe; ln -s txn/x /var/lib/redkeep/pending",
    );
    const busy = await run("eject");
    expect(busy.status).toBe(3);
    expect(busy.record?.hosts[0]).toMatchObject({ status: "refused", error: { where: "lock" } });
    await host.sh("rm /var/lib/redkeep/pending");
    const hardened = await look();
    const process = (await host.sh("systemctl show -p MainPID -p InvocationID redis-server")).stdout;
    const shown = await run("eject", "--check");
    expect(shown.status, shown.stdout).toBe(2);
    expect(shown.stdout).toContain("/etc/redis/users.acl");
    expect(shown.record?.hosts[0]?.impact[0]?.detail).toContain("after this no rollback is possible");
    expect((await host.sh("ls -d /var/lib/redkeep/txn")).status).toBe(0);
    // One that was cut off half way has nothing that acts at a boot, and the next one goes on with the rest.
    await host.sh("rm /etc/systemd/system/redkeep-recover.service; rm -r /var/lib/redkeep/txn/*/new");
    const { status, record, stdout } = await run("eject");
    expect(status, stdout).toBe(0);
    expect(record?.hosts[0]).toMatchObject({ status: "changed", error: null });
    expect(stdout).toContain(join(dir, ".redkeep", "secrets.yml"));
    const traces =
      "ls -d /var/lib/redkeep /etc/systemd/system/redkeep-* /etc/systemd/system/*/redkeep-recover* /etc/redis/.redkeep* /run/redkeep-* 2>/dev/null";
    expect((await host.sh(traces)).stdout).toBe("");
    expect(await look()).toBe(hardened.replace(/^.*\.redkeep\.20261129.*\n/gm, ""));
    expect((await host.sh("systemctl show -p MainPID -p InvocationID redis-server")).stdout).toBe(process);
    expect((await run("eject")).record?.hosts[0]).toMatchObject({ status: "unchanged" });
    expect((await run("rollback", "--limit", "redis-01")).record?.hosts[0]?.tasks).toMatchObject([
      { reason: expect.stringContaining("none since redkeep eject") },
    ]);
    const verified = await redkeep(["verify", "-i", inventory], { cwd: dir, env });
    expect(verified.status, verified.stdout).toBe(0);
  });
});
