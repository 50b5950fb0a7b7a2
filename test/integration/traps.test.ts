/** Settings that would stop Redis, open it, or lose its keys. Row C of the catalogue in test/faults. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type LabHost, startHost } from "./support/lab.ts";
import { fill, onHost } from "./support/observe.ts";
import { openProject, type Project } from "./support/project.ts";
import { applyInVain } from "./support/untouched.ts";

describe("what would not work on this host", () => {
  let host: LabHost;
  let project: Project;
  beforeAll(async () => {
    host = await startHost();
    project = openProject({ "redis-01": host });
    await fill(host, "app", 20_000);
    await host.redis("SAVE");
  });
  afterAll(async () => {
    project?.[Symbol.dispose]();
    await host?.[Symbol.asyncDispose]();
  });

  it("is refused with each reason: an absent address, a taken port, too little memory, wrong users, an unknown setting", async () => {
    await onHost(
      host,
      `systemd-run -q --unit=other python3 -m http.server 6380
       until ss -Hltn | grep -q :6380; do :; done`,
    );
    project.write("playbooks/templates/limits.conf.ejs", "maxmemory 1mb\nmax-memory-policy noeviction\n");
    const playbook = project.playbook("playbooks/wrong.yml", [
      { bind: { addresses: ["127.0.0.1", "203.0.113.9"] } },
      {
        acl: {
          users: [
            { name: "app", preset: "application", allow: ["+@nonsense"], password: { env: "APP_PASSWORD" } },
            { name: "admin", preset: "admin", password: { generate: true } },
          ],
        },
      },
      { "rename-command": { commands: { FLUSHALLL: "disable" } } },
      { tls: {} },
      { limits: { maxmemory: "1mb", maxmemory_policy: "noeviction" } },
    ]);
    const { found, guards } = await applyInVain(host, project, "refused", playbook);
    await onHost(host, "systemctl stop other");
    expect(found).toContain("bind 203.0.113.9: the host has no such address");
    expect(found).toContain("port 6380 is taken by other.service");
    expect(found).toMatch(/maxmemory 1mb is below 1.1 times the .* in use/);
    expect(found).toContain("@nonsense");
    expect(found).toContain('has no such command. Did you mean "FLUSHALL"?');
    expect(found).toContain("does not know the setting max-memory-policy");
    expect(guards).toEqual(
      expect.arrayContaining(["bind-absent-address", "maxmemory-below-used", "unknown-setting"]),
    );
  });

  it("is refused where the next start would load something else, and each setting is named", async () => {
    await onHost(
      host,
      `redis-cli CONFIG SET save '60 1'; cp -p /etc/redis/redis.conf /root/; mkdir -p /srv/redis
       sed -i -e 's|^dir .*|dir /srv/redis|' -e 's/^appendonly .*/appendonly yes/' \\
         -e 's/^dbfilename .*/dbfilename other.rdb/' /etc/redis/redis.conf`,
    );
    const { found, guards } = await applyInVain(host, project, "refused");
    expect(guards).toEqual(["persistence-differs"]);
    for (const setting of ["save", "dbfilename", "dir", "appendonly"])
      expect(found).toMatch(new RegExp(`\\b${setting} is "[^"]*", the file`));
    await onHost(
      host,
      "mv /root/redis.conf /etc/redis/; redis-cli CONFIG SET save '3600 1 300 100 60 10000'",
    );
  });

  it("is refused while a snapshot is under way", async () => {
    await onHost(host, "redis-cli CONFIG SET rdb-key-save-delay 10000; redis-cli BGSAVE");
    const { found } = await applyInVain(host, project, "refused");
    expect(found).toContain("Redis is busy: rdb_bgsave_in_progress");
    await onHost(
      host,
      // The signal with which Redis itself ends a snapshot.
      `redis-cli CONFIG SET rdb-key-save-delay 0; pkill -USR1 -P "$(systemctl show -p MainPID --value redis-server)"
       until redis-cli INFO persistence | grep -q rdb_bgsave_in_progress:0; do :; done`,
    );
  });

  it("is refused where redis.conf names a file that is not there", async () => {
    await onHost(host, "echo 'include /etc/redis/gone.conf' >>/etc/redis/redis.conf");
    const { found } = await applyInVain(host, project, "refused");
    expect(found).toMatch(/^\/etc\/redis\/redis.conf:\d+: \/etc\/redis\/gone.conf is missing$/);
    await onHost(host, "sed -i '$d' /etc/redis/redis.conf");
  });

  it("is found by the candidate, behind the same walls as the service", async () => {
    // The running server started without it.
    await host.writeFile(
      "/etc/systemd/system/redis-server.service.d/site.conf",
      "[Service]\nSystemCallFilter=~listen\n",
    );
    await onHost(host, "systemctl daemon-reload");
    const { where } = await applyInVain(host, project, "failed", "--tags", "network");
    expect(where).toBe("validate");
  });
});
