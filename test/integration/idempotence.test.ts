import { readdirSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type LabHost, startHost } from "./support/lab.ts";
import { fill, onHost, redisProcess } from "./support/observe.ts";
import { notPassed, openProject, type Project } from "./support/project.ts";

describe("a host whose redis.conf Redis itself wrote", () => {
  let host: LabHost;
  let project: Project;
  beforeAll(async () => {
    host = await startHost();
    project = openProject({ "redis-01": host });
    await host.redis("CONFIG", "SET", "maxclients", "300");
    expect(await host.redis("CONFIG", "REWRITE")).toBe("OK");
    await fill(host, "app", 500);
    expect((await project.run("apply", "--yes")).status).toBe(0);
  });
  afterAll(async () => {
    project?.[Symbol.dispose]();
    await host?.[Symbol.asyncDispose]();
  });

  it("is hardened once, and then left alone", async () => {
    const before = await redisProcess(host);
    const again = await project.run("apply", "--yes");
    expect(again.status).toBe(0);
    expect(again.host("redis-01")).toMatchObject({ status: "unchanged", connections: 1, roundTrips: 1 });
    expect((await project.run("plan")).status).toBe(0);
    expect(await redisProcess(host)).toBe(before);
  });

  it.each([
    ["a reboot", () => host.restart()],
    ["a power cut", () => host.kill().then(() => host.restart())],
  ])("is still hardened after %s, with its keys, and needs no change", async (_name, reboot) => {
    await project.asAdmin(host, "SAVE");
    await reboot();
    project.writeInventory();
    await expect.poll(() => project.asAdmin(host, "DBSIZE")).toBe("500");
    await expect.poll(() => onHost(host, "ufw status")).toContain("Status: active");
    const verified = await project.run("verify");
    expect(notPassed(verified.host("redis-01"))).toEqual([]);
    expect(verified.status).toBe(0);
    const again = await project.run("apply", "--yes");
    expect(again.record.summary).toMatchObject({ unchanged: 1, changes: 0 });
  });

  it("is unchanged by tasks chosen by tag, which correct a drifted setting with the administrator's login", async () => {
    const none = await project.run("apply", "--tags", "network", "--yes");
    expect(none.status).toBe(0);
    expect(none.record.summary).toMatchObject({ unchanged: 1, changes: 0 });
    await project.config(host, "SET protected-mode no");
    const right = await project.run("apply", "--tags", "network", "--yes");
    expect(right.host("redis-01")).toMatchObject({ status: "changed", error: null });
    expect(right.status).toBe(0);
    expect(await project.configGet(host, "protected-mode")).toBe("yes");
  });

  it("is verified for the chosen tags alone, and a verify without a check is not clean", async () => {
    const tls = await project.run("verify", "--tags", "tls");
    expect(tls.status).toBe(0);
    expect(tls.host("redis-01").checks.map(({ control }) => control)).toContain("RK-TLS-01");
    const admin = { name: "admin", preset: "admin", password: { generate: true } };
    const playbook = project.playbook("users.yml", [{ name: "users", acl: { users: [admin] } }]);
    await expect(project.run("verify", playbook, "--tags", "tls")).rejects.toThrow(
      /ended with 1: (?:.|\n)*--tags: leaves no check to make on this host: none of RK-TLS-\d\d.* applies there/,
    );
  });

  it("keeps a run record for each apply and verify, and none for plan", async () => {
    const count = (): number => readdirSync(project.path(".redkeep/runs")).length;
    const before = count();
    await project.run("plan");
    expect(count()).toBe(before);
    await project.run("verify");
    expect(count()).toBe(before + 1);
    await Promise.all([project.run("apply", "--yes"), project.run("apply", "--yes")]);
    expect(count()).toBe(before + 3);
  });
});

describe("one machine under two names", () => {
  it("is changed once, and the other name refers to the first", async () => {
    await using host = await startHost();
    using project = openProject({ "redis-01": host, "redis-by-another-name": host });
    const run = await project.run("apply", "--yes");
    expect(run.status).toBe(0);
    expect(run.host("redis-01").status).toBe("changed");
    expect(run.host("redis-by-another-name").status).toBe("unchanged");
    expect(run.host("redis-by-another-name").tasks[0]?.reason).toContain("redis-01");
    expect((await project.run("verify")).status).toBe(0);
  });

  it("with two servers for one port and ACL file is refused by plan; with separate ones both are hardened", async () => {
    await using host = await startHost();
    await onHost(
      host,
      `cd /etc/redis && sed -e 's/^port .*/port 6381/; s/^dbfilename .*/dbfilename dump-b.rdb/' \
         -e 's#^logfile .*#logfile /var/log/redis/redis-b.log#; s#^pidfile .*#pidfile /run/redis-b/redis-server.pid#' \
         redis.conf >redis-b.conf && chown redis:redis redis-b.conf &&
       cp -r /etc/systemd/system/redis-server.service.d /etc/systemd/system/redis-server@.service.d &&
       systemctl daemon-reload && systemctl start redis-server@b`,
    );
    using project = openProject(
      { a: host, b: host },
      {},
      { a: { redkeep_unit: "redis-server" }, b: { redkeep_unit: "redis-server@b" } },
    );
    const playbook = (file: string, port: unknown) =>
      project.playbook("two.yml", [
        {
          name: "users",
          acl: { file, users: [{ name: "admin", preset: "admin", password: { generate: true } }] },
        },
        { name: "tls", tls: { port, clients: [] } },
      ]);
    for (const command of ["plan", "apply"] as const) {
      const run = await project.run(
        command,
        playbook("/etc/redis/users.acl", 6390),
        ...(command === "apply" ? ["--yes"] : []),
      );
      expect(run.status).toBe(3);
      for (const [name, other] of [
        ["a", "redis-server@b.service"],
        ["b", "redis-server.service"],
      ] as const) {
        const { status, error } = run.host(name);
        expect({ status, where: error?.where }).toEqual({ status: "refused", where: "shared machine" });
        expect(error?.found).toContain(`port 6390 is wanted by ${other} too`);
        expect(error?.found).toContain(`aclfile /etc/redis/users.acl is wanted by ${other} too`);
      }
    }
    expect(await onHost(host, "ls -A /etc/redis; ls -d /var/lib/redkeep 2>/dev/null || true")).toBe(
      "redis-b.conf\nredis.conf",
    );
    const own = playbook(
      "/etc/redis/<%= inventory_hostname %>.acl",
      "<%= inventory_hostname === 'a' ? 6390 : 6391 %>",
    );
    // One at a time: redkeep's certificate has one place on a machine, and the second server finds the first one's there.
    for (const name of ["a", "b"]) {
      const run = await project.run("apply", own, "--yes", "--limit", name);
      expect(run.host(name)).toMatchObject({ status: "changed", error: null });
    }
    expect((await project.run("plan", own)).status).toBe(0);
  });
});
