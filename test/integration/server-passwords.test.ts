import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { dump, load } from "js-yaml";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type LabHost, redkeep, startHost } from "./support/lab.ts";
import { asSoonAs, onHost, redisProcess } from "./support/observe.ts";
import { openProject, type Project } from "./support/project.ts";

const SHARED = "password-that-all-servers-once-had";
const SOCKET = "/run/redis/redis.sock";
const hash = (text: string): string => createHash("sha256").update(text).digest("hex");

/**
 * What a Redis that was taken over can do: it stands before the real one, keeps what it is told, and refuses every login
 * where it is asked to.
 */
const EAVESDROPPER = `
import os, socket, sys, threading
real, taken = "${SOCKET}.real", "${SOCKET}"
os.rename(taken, real)
server = socket.socket(socket.AF_UNIX)
server.bind(taken)
os.chmod(taken, 0o700)
os.chown(taken, os.stat(real).st_uid, os.stat(real).st_gid)
server.listen(50)
print("ready", flush=True)
def pump(source, target, log):
    while True:
        data = source.recv(65536)
        if not data: break
        if log:
            with open("/tmp/heard", "ab") as heard: heard.write(data)
            if sys.argv[1] == "refuse" and b"AUTH" in data.upper():
                source.sendall(b"-WRONGPASS invalid username-password pair\\r\\n")
                continue
        target.sendall(data)
    target.shutdown(socket.SHUT_WR)
def serve(client):
    upstream = socket.socket(socket.AF_UNIX)
    upstream.connect(real)
    threading.Thread(target=pump, args=(upstream, client, False), daemon=True).start()
    pump(client, upstream, True)
while True: threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
`;

describe("the administrator's password", () => {
  let first: LabHost;
  let second: LabHost;
  let project: Project;
  let playbook: string;
  const names = ["redis-01", "redis-02"];
  const hosts = (): LabHost[] => [first, second];

  const apply = (...more: string[]) => project.run("apply", playbook, "--yes", ...more);
  const hashOn = (host: LabHost) =>
    onHost(host, "sed -n 's/^user admin .*#\\([0-9a-f]\\{64\\}\\).*/\\1/p' /etc/redis/users.acl");
  const ping = async (host: LabHost, password: string): Promise<string> => {
    const { stdout } = await host.sh(
      `read -r REDISCLI_AUTH; export REDISCLI_AUTH; redis-cli -s ${SOCKET} --user admin --no-auth-warning PING 2>&1`,
      `${password}\n`,
    );
    return stdout.trim().split("\n").at(-1) ?? "";
  };
  const state = () =>
    load(readFileSync(project.path(".redkeep/secrets.yml"), "utf8")) as {
      passwords: Record<string, string>;
      servers?: Record<string, { key: string; names: string[] }>;
    };

  /** Host and state as versions left them that gave all servers one password. */
  const asBefore = async (): Promise<void> => {
    for (const host of hosts()) {
      await project.asAdmin(host, `ACL SETUSER admin resetpass '#${hash(SHARED)}'`);
      await onHost(
        host,
        `sed -i '/^user admin /s/#[0-9a-f]*/#${hash(SHARED)}/' /etc/redis/users.acl
        chown root:redis /etc/redis/users.acl; chmod 640 /etc/redis/users.acl`,
      );
      expect(await ping(host, SHARED)).toBe("PONG");
    }
    const passwords = { ...state().passwords, admin: SHARED };
    writeFileSync(project.path(".redkeep/secrets.yml"), dump({ passwords }));
  };

  const eavesdrop = async (host: LabHost, how: "pass" | "refuse"): Promise<AsyncDisposable> => {
    await host.writeFile("/root/eavesdropper.py", EAVESDROPPER, "0600", "root:root");
    await onHost(
      host,
      `rm -f /tmp/heard; : >/tmp/heard
       systemd-run -q --unit=eavesdropper --collect python3 /root/eavesdropper.py ${how}
       until [ -S ${SOCKET}.real ] && [ -S ${SOCKET} ]; do sleep 0.05; done`,
    );
    return {
      [Symbol.asyncDispose]: async () => {
        await onHost(host, `systemctl stop eavesdropper; mv -f ${SOCKET}.real ${SOCKET}`);
      },
    };
  };
  /** Which of these texts the server was told. */
  const heardOf = async (host: LabHost, texts: Record<string, string>): Promise<string[]> => {
    const heard = await onHost(host, "cat /tmp/heard");
    return Object.entries(texts).flatMap(([name, text]) => (heard.includes(text) ? [name] : []));
  };

  beforeAll(async () => {
    [first, second] = await Promise.all([startHost(), startHost()]);
    project = openProject({ "redis-01": first, "redis-02": second });
    playbook = project.playbook("users.yml", [
      { name: "listen", bind: { addresses: ["127.0.0.1"] } },
      {
        name: "users",
        acl: {
          users: [
            { name: "metrics", preset: "metrics", password: { generate: true } },
            { name: "admin", preset: "admin", password: { generate: true } },
          ],
        },
        tags: ["users"],
      },
    ]);
    const run = await apply();
    expect(run.status, run.stdout + run.stderr).toBe(0);
  }, 180_000);
  afterAll(async () => {
    project?.[Symbol.dispose]();
    await first?.[Symbol.asyncDispose]();
    await second?.[Symbol.asyncDispose]();
  });

  it("is different on each server, and each opens its own server alone", async () => {
    const passwords = hosts().map((host) => project.password("admin", host));
    expect(await Promise.all(hosts().map(hashOn))).toEqual(passwords.map(hash));
    expect(await ping(first, passwords[0] ?? "")).toBe("PONG");
    expect(await ping(first, passwords[1] ?? "")).not.toBe("PONG");
    expect((await apply()).record.summary).toMatchObject({ unchanged: 2, changes: 0 });
  });

  it("is rotated without a restart, and still opens a host that the rotation left out", async () => {
    const before = hosts().map((host) => project.password("admin", host));
    // A restart would lose what nothing writes to disk.
    for (const host of hosts()) {
      await project.config(host, 'SET save ""');
      expect(await project.asAdmin(host, "SET kept-in-memory 1")).toBe("OK");
    }
    const rotated = await apply("--rotate", "admin", "--limit", "redis-01");
    expect(rotated.status, rotated.stdout).toBe(0);
    expect(rotated.host("redis-01")).toMatchObject({ status: "changed", restart: { needed: false } });
    expect(await ping(first, before[0] ?? "")).not.toBe("PONG");
    expect(await project.asAdmin(first, "GET kept-in-memory")).toBe("1");

    expect(await ping(second, before[1] ?? "")).toBe("PONG");
    const looked = await project.run("verify", playbook, "--limit", "redis-02");
    expect(looked.host("redis-02").checks.filter(({ blockedBy }) => blockedBy === "login")).toEqual([]);
    const left = await apply("--limit", "redis-02");
    expect(left.host("redis-02")).toMatchObject({ status: "changed", restart: { needed: false } });
    expect(await ping(second, before[1] ?? "")).not.toBe("PONG");
    expect(await project.asAdmin(second, "GET kept-in-memory")).toBe("1");

    // Put back, the host has the old one: redkeep knows it still.
    const back = await redkeep(["rollback", playbook, "-i", "inventory.yml", "--yes"], { cwd: project.dir });
    expect(back.status, back.stdout + back.stderr).toBe(0);
    expect(await ping(second, before[1] ?? "")).toBe("PONG");
    expect((await apply()).host("redis-02")).toMatchObject({
      status: "changed",
      restart: { needed: false },
    });
    for (const host of hosts()) await project.config(host, 'SET save "3600 1 300 100 60 10000"');
  });

  it("is printed for one host by redkeep password", async () => {
    const run = await redkeep(["password", "redis-02", "-i", "inventory.yml"], { cwd: project.dir });
    expect(run).toMatchObject({ status: 0, stderr: "", stdout: `${project.password("admin", second)}\n` });
    const metrics = await redkeep(["password", "redis-02", "--user", "metrics", "-i", "inventory.yml"], {
      cwd: project.dir,
    });
    expect(metrics.stdout).toBe(`${state().passwords.metrics}\n`);
  });

  it("is the only one that a server gets in clear: of other users it gets hashes", async () => {
    await project.asAdmin(first, "ACL DELUSER metrics");
    await using _ = await eavesdrop(first, "pass");
    expect((await apply("--limit", "redis-01")).host("redis-01").status).toBe("changed");
    const metrics = state().passwords.metrics ?? "";
    expect(
      await heardOf(first, {
        own: project.password("admin", first),
        hash: `#${hash(metrics)}`,
        metrics,
        other: project.password("admin", second),
        key: state().servers?.admin?.key ?? "",
      }),
    ).toEqual(["own", "hash"]);
  });

  it("replaces the one that all servers had, without a restart and without losing the login", async () => {
    await asBefore();
    const processes = await Promise.all(hosts().map(redisProcess));
    const plan = await project.run("plan", playbook);
    expect(plan.status).toBe(2);
    for (const name of names) {
      const task = plan.host(name).tasks.find(({ task }) => task === "acl");
      expect(task?.reason).toContain(
        "still has the password that all servers share, which opens the others too",
      );
      expect(task?.changes).toMatchObject([
        { address: "users.acl:admin", before: "password ••••", restart: false },
      ]);
    }
    const run = await apply();
    expect(run.status, run.stdout).toBe(0);
    expect(run.record.summary).toMatchObject({ changed: 2 });
    expect(await Promise.all(hosts().map(redisProcess))).toEqual(processes);
    for (const host of hosts()) {
      expect(await ping(host, project.password("admin", host))).toBe("PONG");
      expect(await ping(host, SHARED)).not.toBe("PONG");
      expect(await hashOn(host)).toBe(hash(project.password("admin", host)));
    }
    expect(state().servers?.admin?.names).toEqual(names);
  });

  it("is again the one that all servers had after a rollback of that run, and is replaced by the next apply", async () => {
    const back = await redkeep(
      ["rollback", playbook, "-i", "inventory.yml", "--limit", "redis-02", "--yes"],
      { cwd: project.dir },
    );
    expect(back.status, back.stdout + back.stderr).toBe(0);
    expect(await ping(second, SHARED)).toBe("PONG");
    expect(state().servers?.admin?.names).toEqual(["redis-01"]);
    const again = await apply();
    expect(again.host("redis-02")).toMatchObject({ status: "changed", error: null });
    expect(again.host("redis-01").status).toBe("unchanged");
    expect(await ping(second, project.password("admin", second))).toBe("PONG");
  });

  it("of all servers is not sent to a host where a later run is rolled back", async () => {
    expect(state().passwords.admin).toBe(SHARED);
    const more = project.playbook("more.yml", [{ limits: { maxclients: 5000, nofile: 1000 } }]);
    const changed = await project.run(
      "apply",
      project.write(
        "both.yml",
        `${readFileSync(project.path(playbook), "utf8")}${readFileSync(project.path(more), "utf8")}`,
      ),
      "--yes",
      "--limit",
      "redis-01",
    );
    expect(changed.host("redis-01").status).toBe("changed");
    const listening = asSoonAs(
      first,
      // The shell reads it itself: `cat` would often come too late.
      'for said in /var/lib/redkeep/txn/*/login.admin; do [ -s "$said" ] && while read -r line; do echo "$line"; done <"$said"; done',
      "true",
    );
    const back = await redkeep(
      ["rollback", playbook, "-i", "inventory.yml", "--limit", "redis-01", "--yes"],
      { cwd: project.dir },
    );
    expect(back.status, back.stdout + back.stderr).toBe(0);
    const sent = await listening;
    expect(sent).toContain(hash(project.password("admin", first)));
    expect(sent).not.toContain(hash(SHARED));
    expect((await apply("--limit", "redis-01")).status).toBe(0);
  });

  it.each(["armed", "live", "check"])(
    "of all servers or its own opens a server whose run was killed at %s, and the next run goes on",
    async (line) => {
      await asBefore();
      const killed = asSoonAs(
        second,
        `grep -q ' ${line}' /var/lib/redkeep/pending/journal 2>/dev/null`,
        "systemctl kill -s KILL 'redkeep-apply-*'",
      );
      const run = await apply("--limit", "redis-02");
      await killed;
      const own = project.password("admin", second);
      const opens = await Promise.all([SHARED, own].map((password) => ping(second, password)));
      const isChanged = run.host("redis-02").status === "changed";
      expect(run.host("redis-02").status).toMatch(/^(rolled-back|changed)$/);
      expect(opens.map((reply) => reply === "PONG")).toEqual([!isChanged, isChanged]);
      expect(await hashOn(second)).toBe(hash(isChanged ? own : SHARED));
      expect(state().servers?.admin?.names).toEqual(isChanged ? ["redis-02"] : []);
      expect((await apply("--limit", "redis-02")).status).toBe(0);
      expect(await ping(second, own)).toBe("PONG");
    },
  );

  it("of all servers is not sent by verify, nor by a run that does not replace it", async () => {
    await asBefore();
    await using _ = await eavesdrop(first, "pass");
    const verified = await project.run("verify", playbook, "--limit", "redis-01");
    expect(verified.status).toBe(3);
    expect(verified.host("redis-01").checks).toContainEqual(
      expect.objectContaining({
        control: "RK-ACL-10",
        outcome: "fail",
        observed: "the same on all servers: admin",
      }),
    );
    const other = await apply("--limit", "redis-01", "--skip-tags", "users");
    expect(other.host("redis-01")).toMatchObject({ status: "refused", error: { where: "login" } });
    expect(await heardOf(first, { own: project.password("admin", first), shared: SHARED })).toEqual([]);
  });

  it("of all servers is never sent again to a server with its own, whatever that server answers", async () => {
    expect((await apply("--limit", "redis-01")).host("redis-01").status).toBe("changed");
    await onHost(first, `sed -i '/^user admin /s/#[0-9a-f]*/#${hash(SHARED)}/' /etc/redis/users.acl`);
    await using _ = await eavesdrop(first, "refuse");
    await project.run("plan", playbook, "--limit", "redis-01");
    expect(await heardOf(first, { own: project.password("admin", first), shared: SHARED })).toEqual(["own"]);
    expect(await ping(second, SHARED)).toBe("PONG");
  });

  it("of all servers is forgotten once none has it", async () => {
    expect((await apply()).status).toBe(0);
    expect(state().passwords.admin).toBe(SHARED);
    expect((await apply()).record.summary).toMatchObject({ unchanged: 2 });
    expect(Object.keys(state().passwords)).toEqual(["metrics"]);
    const { checks } = (await project.run("verify", playbook)).host("redis-02");
    expect(checks.filter(({ control }) => control === "RK-ACL-10").map(({ outcome }) => outcome)).toEqual([
      "pass",
    ]);
  });

  it("of a renamed server is not tried under the new name until the inventory names the old one", async () => {
    const renamed = (vars: object) => {
      const inventory = load(readFileSync(project.path("inventory.yml"), "utf8")) as {
        all: { children: { redis: { hosts: Record<string, object> } } };
      };
      const { hosts } = inventory.all.children.redis;
      return project.write(
        "renamed.yml",
        dump({
          all: {
            children: {
              redis: { ...inventory.all.children.redis, hosts: { cache: { ...hosts["redis-02"], ...vars } } },
            },
          },
        }),
      );
    };
    const planned = async (...more: string[]) => {
      const args = ["plan", playbook, "-i", renamed({}), "--state", ".redkeep", "--json", "plan.json"];
      await redkeep([...args, ...more], { cwd: project.dir });
      return JSON.parse(readFileSync(project.path("plan.json"), "utf8"));
    };
    expect((await planned("--accept", "unknown-data")).hosts[0]).toMatchObject({
      status: "refused",
      error: {
        guards: ["other-password"],
        found: "user admin has the password here that is made for redis-02",
      },
    });
    const named = await redkeep(
      ["plan", playbook, "-i", renamed({ redkeep_password_name: "redis-02" }), "--state", ".redkeep"],
      { cwd: project.dir },
    );
    expect(named.status, named.stdout + named.stderr).toBe(0);
  });
});
