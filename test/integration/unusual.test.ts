import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type LabHost, labKey, redkeep, startHost } from "./support/lab.ts";
import { fill, onHost } from "./support/observe.ts";
import { notPassed, openProject, type Project, type ProjectRun } from "./support/project.ts";

const harden = readFileSync(join(import.meta.dirname, "../../playbooks/harden.yml"), "utf8");

/** Changes redis.conf as an operator would have, and has Redis run with it. */
async function configure(host: LabHost, script: string): Promise<void> {
  await onHost(host, `cd /etc/redis; set -e; ${script}\nsystemctl restart redis-server`);
}

/** Applies the playbook twice: the second run finds nothing to do and nothing to complain about but `failing`. */
async function applyTwice(project: Project, failing: string[] = [], ...args: string[]): Promise<ProjectRun> {
  const applied = await project.run("apply", ...args, "--yes");
  expect(applied.host("redis-01")).toMatchObject({ status: "changed", error: null });
  const again = await project.run("apply", ...args, "--yes");
  expect(again.host("redis-01")).toMatchObject({
    status: "unchanged",
    connections: 1,
    roundTrips: 1,
    error: null,
  });
  const controls = notPassed(again.host("redis-01")).map((text) => text.split(" ")[0]);
  expect([...new Set(controls)]).toEqual(failing);
  expect([applied.status, again.status]).toEqual(failing.length === 0 ? [0, 0] : [6, 6]);
  return applied;
}

/** Whether a TCP connection from the Docker gateway, where the tests run, comes about. */
async function isReachable(host: LabHost, port: number): Promise<boolean> {
  return await new Promise((done) => {
    const socket = connect({ host: host.ip, port, timeout: 2000 });
    const end = (reachable: boolean) => (): void => {
      socket.destroy();
      done(reachable);
    };
    socket.on("connect", end(true)).on("timeout", end(false)).on("error", end(false));
  });
}

describe.concurrent("redis.conf as operators leave it", () => {
  it("CRLF, tabs, upper case and duplicates are read as Redis reads them, and the operator's own lines stay", async ({
    expect,
  }) => {
    await using host = await startHost();
    using project = openProject({ "redis-01": host });
    await configure(
      host,
      `sed -i -e 's/^bind .*/BIND\\t127.0.0.1/' -e 's/^port .*/Port\\t\\t6379/' -e 's/^databases .*/DATABASES 4/' redis.conf
       printf '# ours:\\tkeep  this \\n\\thz   15\\nmaxclients 50\\nMaxClients 60\\nBind 127.0.0.1 -::1\\nlatency-monitor-threshold "10"\\n' >>redis.conf
       sed -i 's/$/\\r/' redis.conf`,
    );
    await fill(host, "app", 100);
    const before = (await host.readFile("/etc/redis/redis.conf")).split("\n");
    await applyTwice(project);
    const after = (await host.readFile("/etc/redis/redis.conf")).split("\n");
    const unmanaged = before.filter((line) => /^\s*(#|$|hz|databases|latency|loglevel|list-)/i.test(line));
    expect(unmanaged.length).toBeGreaterThan(1000);
    let at = 0;
    for (const line of after) if (line === unmanaged[at]) at++;
    expect(unmanaged[at]).toBeUndefined();
    expect(await project.configGet(host, "bind")).toBe(`127.0.0.1 -::1 ${host.ip}`);
    expect(await project.configGet(host, "hz")).toBe("15");
    expect(await project.configGet(host, "databases")).toBe("4");
    expect(await project.asAdmin(host, "DBSIZE")).toBe("100");
  });

  it("an include that renames a command and has save points keeps both, and each rename stands once", async ({
    expect,
  }) => {
    await using host = await startHost();
    using project = openProject({ "redis-01": host });
    await host.writeFile(
      "/etc/redis/site.conf",
      'rename-command FLUSHALL ""\nrename-command CONFIG "site-config"\nsave 60 1000\n',
      "0640",
      "redis:redis",
    );
    await configure(host, "echo 'include /etc/redis/site.conf' >>redis.conf");
    await fill(host, "app", 100);
    await applyTwice(project);
    const texts = await onHost(host, "cat /etc/redis/redis.conf /etc/redis/site.conf");
    for (const command of ["FLUSHALL", "CONFIG"])
      expect(texts.match(new RegExp(`^rename-command ${command} `, "gm"))).toHaveLength(1);
    expect(await project.asAdmin(host, "site-config GET save")).toContain("60 1000");
    expect(await project.asAdmin(host, "DBSIZE")).toBe("100");
  });

  // Guide traps 3, 12 and 16.
  it("requirepass and inline users give way to the ACL file, and nobody else can read their passwords", async ({
    expect,
  }) => {
    await using host = await startHost();
    using project = openProject({ "redis-01": host });
    await configure(
      host,
      `printf 'requirepass the-old-requirepass\\nuser legacy on >the-legacy-password ~legacy:* +@read\\n' >>redis.conf`,
    );
    await onHost(host, "REDISCLI_AUTH=the-old-requirepass redis-cli SET app:1 kept");
    const applied = await applyTwice(project, ["RK-ACL-08"]);
    expect(applied.stdout + applied.stderr + JSON.stringify(applied.record)).not.toMatch(
      /the-old-requirepass|the-legacy-password/,
    );
    expect(await onHost(host, "grep -cE '^(requirepass|user) ' /etc/redis/redis.conf || true")).toBe("0");
    const legacy =
      "redis-cli -s /run/redis/redis.sock --user legacy --no-auth-warning -a the-legacy-password";
    expect(await onHost(host, `${legacy} GET legacy:1`)).toBe("");
    expect(
      await onHost(
        host,
        "redis-cli -s /run/redis/redis.sock --no-auth-warning -a the-old-requirepass PING 2>&1",
      ),
    ).toMatch(/WRONGPASS|NOAUTH/);
    expect(await project.asAdmin(host, "GET app:1")).toBe("kept");
  });

  it("a CONFIG that the operator renamed keeps its name", async ({ expect }) => {
    await using host = await startHost();
    using project = openProject({ "redis-01": host });
    await configure(host, `echo 'rename-command CONFIG "ops-config"' >>redis.conf`);
    await fill(host, "app", 100);
    await applyTwice(project);
    expect(await project.asAdmin(host, "ops-config GET port")).toBe("port\n0");
    expect(await project.asAdmin(host, "DBSIZE")).toBe("100");
  });

  it("a user that lives only in memory is reported, never written, refused before a restart, and fails verify until it is gone", async ({
    expect,
  }) => {
    await using host = await startHost();
    using project = openProject({ "redis-01": host });
    const eve = ["on", ">password-of-an-intruder", "~*", "&*", "+@all"];
    const who =
      '"eve" lives only in memory, and may be an intruder\'s: every command on every key and channel, with a password';
    const spoken = (text: string): string => text.replaceAll(/\s+/g, " ");
    const users = async (): Promise<string> => await project.asAdmin(host, "ACL USERS");
    const file = async (): Promise<string> => await host.readFile("/etc/redis/users.acl");
    await host.redis("ACL", "SETUSER", "eve", ...eve);

    const refused = await project.run("apply", "--yes");
    expect(refused.status).toBe(3);
    expect(refused.host("redis-01").error).toMatchObject({ guards: ["memory-only-users"] });
    expect(refused.host("redis-01").error?.found).toContain(who);
    expect(await host.redis("ACL", "USERS")).toContain("eve");
    expect(await host.sh("test -e /etc/redis/users.acl")).not.toMatchObject({ status: 0 });

    const accept = ["--accept", "memory-only-users"];
    const planned = await project.run("plan", ...accept);
    expect(spoken(planned.stdout)).toMatch(
      /Who will notice.*"eve" lives only in memory.*restart of this run/,
    );
    const applied = await project.run("apply", "--yes", ...accept);
    expect(applied.host("redis-01")).toMatchObject({ status: "changed", error: null });
    expect(applied.status).toBe(0);
    expect(await users()).not.toContain("eve");
    expect(await file()).not.toContain("eve");

    await project.asAdmin(host, `ACL SETUSER eve ${eve.map((word) => `'${word}'`).join(" ")}`);
    const failing = async (run: ProjectRun): Promise<void> => {
      const notHeld = notPassed(run.host("redis-01")).map((text) => text.split(" ")[0]);
      expect(notHeld).toEqual(expect.arrayContaining(["RK-ACL-08", "RK-ACL-09"]));
      expect(JSON.stringify(run.host("redis-01").checks)).toContain('eve\\" lives only in memory');
    };
    const again = await project.run("plan");
    expect(again.status).toBe(0);
    expect(spoken(again.stdout)).toMatch(
      /Who will notice.*"eve" lives only in memory.*stays until Redis restarts/,
    );
    expect(again.host("redis-01").impact).toMatchObject([{ kind: "memory-only-user" }]);
    await failing(await project.run("verify"));

    // A change that goes live on the way: the file is written anew, with no word of her.
    const lua = project.write(
      "lua.yml",
      harden.replace(`["app:*"], password`, `["app:*"], scripts: true, password`),
    );
    const live = await project.run("apply", lua, "--yes");
    expect(live.host("redis-01")).toMatchObject({
      status: "changed",
      error: null,
      restart: { needed: false },
    });
    await failing(live);
    expect(spoken(live.stdout)).not.toMatch(/Better.*RK-ACL-0[89]/);
    expect(spoken(live.stdout)).toContain(who);
    expect(await file()).not.toContain("eve");
    expect(await users()).toContain("eve");

    // What a library sends for a script, one as the other; not what ends or empties those of others.
    const app = (command: string): Promise<string> =>
      onHost(
        host,
        `REDISCLI_AUTH=${project.appPassword} redis-cli -s /run/redis/redis.sock --user app ${command} 2>&1`,
      );
    expect(await app('SCRIPT LOAD "return 7"')).toBe("59b6ab2fbe0ee4b25733de0f62e6cda4899ef8e9");
    expect(await app("EVALSHA 59b6ab2fbe0ee4b25733de0f62e6cda4899ef8e9 0")).toBe("7");
    expect(await app('EVAL "return 7" 0')).toBe("7");
    expect(await app("FCALL nobodys 0")).toContain("Function not found");
    expect(await app("SCRIPT FLUSH")).toContain("NOPERM");

    // Whoever removes her has removed her, and undoing that run writes her into no file either.
    const remove = project.write("remove.yml", harden.replace("unlisted: keep", "unlisted: remove"));
    const gone = await project.run("apply", remove, "--yes");
    expect(gone.status).toBe(0);
    expect(await users()).not.toContain("eve");
    await redkeep(["rollback", "-i", "inventory.yml", "--yes"], {
      cwd: project.dir,
      env: { APP_PASSWORD: project.appPassword },
    });
    expect(await file()).not.toContain("eve");
  });

  it("a stopped Redis is reported as such, and stays stopped and untouched", async ({ expect }) => {
    await using host = await startHost();
    using project = openProject({ "redis-01": host });
    await onHost(host, "systemctl stop redis-server");
    const before = await onHost(host, "sha256sum /etc/redis/redis.conf");
    const run = await project.run("apply", "--yes");
    expect(run.status).toBe(3);
    expect(run.host("redis-01").error).toMatchObject({ guards: ["server-stopped"] });
    expect(run.host("redis-01").error?.found).toContain("redis-server.service does not run (inactive)");
    expect(
      await onHost(host, "sha256sum /etc/redis/redis.conf; systemctl is-active redis-server || true"),
    ).toBe(`${before}\ninactive`);
  });

  it("a Redis that stops during the probe is reported as such", async ({ expect }) => {
    await using host = await startHost();
    using project = openProject({ "redis-01": host });
    // By the time that the probe asks for the groups of its user, systemd has told its process.
    await onHost(
      host,
      `printf '%s\\n' '#!/bin/sh' 'systemctl stop redis-server' 'exec /usr/bin/id "$@"' >/usr/sbin/id
       chmod 755 /usr/sbin/id`,
    );
    const run = await project.run("plan");
    expect(run.host("redis-01").error).toMatchObject({ guards: ["server-stopped"] });
    expect(run.status).toBe(3);
  });

  it("a Redis that does not start is reported as such", async ({ expect }) => {
    await using host = await startHost();
    using project = openProject({ "redis-01": host });
    await onHost(
      host,
      "echo 'no-such-directive 1' >>/etc/redis/redis.conf; systemctl restart redis-server || true",
    );
    const run = await project.run("apply", "--yes");
    expect(run.status).toBe(3);
    expect(run.host("redis-01").error).toMatchObject({ guards: ["server-stopped"] });
    expect(run.host("redis-01").error?.remedy).toContain("systemctl status redis-server.service");
  });
});

describe.concurrent("firewalls and ports as operators leave them", () => {
  it("an active ufw keeps its other rules and loses what opens Redis more widely", async ({ expect }) => {
    await using host = await startHost();
    using project = openProject({ "redis-01": host });
    await onHost(
      host,
      `ufw limit 22/tcp; ufw allow 6379; ufw allow from 10.0.0.0/8 to any port 6380 proto tcp; ufw allow 8080/tcp comment 'shop'
       ufw deny from 192.0.2.0/24; ufw --force enable`,
    );
    await fill(host, "app", 10);
    const planned = await project.run("plan");
    expect(planned.stdout).toMatch(/allow 6379/);
    await applyTwice(project);
    const status = await onHost(host, "ufw status");
    expect(status).toMatch(/22\/tcp +LIMIT +Anywhere/);
    expect(status).toMatch(/8080\/tcp +ALLOW +Anywhere +# shop/);
    expect(status).toMatch(/Anywhere +DENY +192\.0\.2\.0\/24/);
    expect(status).not.toMatch(/^6379 .*ALLOW +Anywhere/m);
    expect(status).not.toMatch(/10\.0\.0\.0\/8/);
    expect(await project.asAdmin(host, "DBSIZE")).toBe("10");
  });

  it("another service's port is a reason to refuse, and stays open with keep", async ({ expect }) => {
    await using host = await startHost();
    using project = openProject({ "redis-01": host });
    await onHost(host, "systemd-run -q --unit=exporter systemd-socket-activate -a -l 0.0.0.0:9100 /bin/cat");
    await expect.poll(() => isReachable(host, 9100)).toBe(true);
    const refused = await project.run("apply", "--yes");
    expect(refused.status).toBe(3);
    expect(refused.host("redis-01").error).toMatchObject({ guards: ["other-ports"] });
    expect(refused.host("redis-01").error?.found).toContain("9100");
    expect(await onHost(host, "ufw status; ls /var/lib/redkeep 2>&1 || true")).toMatch(
      /inactive\n.*No such file/,
    );
    const keep = project.write(
      "playbooks/keep.yml",
      harden.replace("other_ports: refuse", "other_ports: keep"),
    );
    await applyTwice(project, [], keep);
    expect(await isReachable(host, 9100)).toBe(true);
    expect(await isReachable(host, 22)).toBe(true);
  });

  it("another service's port is closed where the playbook says close", async ({ expect }) => {
    await using host = await startHost();
    using project = openProject({ "redis-01": host });
    await onHost(host, "systemd-run -q --unit=exporter systemd-socket-activate -a -l 0.0.0.0:9100 /bin/cat");
    await expect.poll(() => isReachable(host, 9100)).toBe(true);
    const close = project.write(
      "playbooks/close.yml",
      harden.replace("other_ports: refuse", "other_ports: close"),
    );
    await applyTwice(project, [], close);
    expect(await isReachable(host, 9100)).toBe(false);
  });

  // Guide trap 4: ufw enabled without a rule for where sshd really listens.
  it("an sshd on another port stays reachable", async ({ expect }) => {
    await using host = await startHost();
    await onHost(host, "echo 'Port 2222' >>/etc/ssh/sshd_config; systemctl restart ssh");
    using project = openProject(
      { "redis-01": host },
      {
        ansible_ssh_private_key_file: labKey,
        ansible_ssh_common_args: "-o UserKnownHostsFile=known",
      },
      { "redis-01": { ansible_host: host.ip, ansible_port: 2222 } },
    );
    project.write("known", `[${host.ip}]:2222 ${host.hostKey}\n`);
    await applyTwice(project);
    expect(await isReachable(host, 2222)).toBe(true);
  });
});
