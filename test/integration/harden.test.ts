import { existsSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type LabHost, type LabNetwork, startHost, startNetwork } from "./support/lab.ts";
import { filesOf, fill, onHost, redisProcess, residueOf } from "./support/observe.ts";
import { changesOf, notPassed, openProject, type Project, type ProjectRun } from "./support/project.ts";

const names = ["redis-01", "redis-02", "redis-03"];

let network: LabNetwork;
let hosts: LabHost[];
/** The first of the hosts: what holds for one of three that got the same is asked of one. */
let host: LabHost;
/** In app_subnet. */
let application: LabHost;
/** In the same network, and not in app_subnet. */
let neighbour: LabHost;
let project: Project;

beforeAll(async () => {
  network = await startNetwork();
  const started = await Promise.all(
    [...names, "application", "neighbour"].map((alias) => startHost({ network, alias })),
  );
  hosts = started.slice(0, 3);
  [host, application, neighbour] = [started[0], started[3], started[4]] as [LabHost, LabHost, LabHost];
  const allowed = { app_subnet: `${application.ip}/32` };
  project = openProject(
    Object.fromEntries(names.map((name, index) => [name, hosts[index] as LabHost])),
    {},
    Object.fromEntries(names.map((name) => [name, allowed])),
  );
  await Promise.all(hosts.map((each) => fill(each, "app", 1000)));
});
afterAll(async () => {
  project?.[Symbol.dispose]();
  await Promise.all([...(hosts ?? []), application, neighbour].map((each) => each?.[Symbol.asyncDispose]()));
  await network?.[Symbol.asyncDispose]();
});

/** What a peer gets to hear, as the application with its certificate and password unless `words` say otherwise. */
async function ask(from: LabHost, words: string, command: string): Promise<string> {
  for (const file of ["ca.crt", "clients/app.crt", "clients/app.key"]) {
    await from.writeFile(
      `/root/pki/${file}`,
      readFileSync(project.path(`.redkeep/pki/${file}`), "utf8"),
      "0600",
    );
  }
  const { status, stdout, stderr } = await from.sh(
    `cd /root/pki; read -r REDISCLI_AUTH; export REDISCLI_AUTH
     timeout 3 redis-cli -h ${host.ip} ${words} ${command} 2>&1`,
    `${project.appPassword}\n`,
  );
  return status === 124 ? "timed out" : (stdout + stderr).trim();
}
const certificate = "--cert clients/app.crt --key clients/app.key";
const tls = "-p 6380 --tls --cacert ca.crt";

describe("three stock hosts", () => {
  let planned: ProjectRun;
  let applied: ProjectRun;
  let processes: string[];

  it("are left alone by plan, which says what would change and writes no state", async () => {
    const before = await Promise.all(hosts.map((each) => filesOf(each, { times: true })));
    const units = await onHost(
      host,
      "systemctl list-unit-files --no-legend; systemctl list-timers --all --no-legend | wc -l",
    );
    planned = await project.run("plan");
    expect(planned.status).toBe(2);
    expect(planned.record.summary).toMatchObject({ hosts: 3, wouldChange: 3, failed: 0 });
    expect(await Promise.all(hosts.map((each) => filesOf(each, { times: true })))).toEqual(before);
    expect(
      await onHost(
        host,
        "systemctl list-unit-files --no-legend; systemctl list-timers --all --no-legend | wc -l",
      ),
    ).toBe(units);
    expect(await residueOf(host)).toBe("");
    expect(await onHost(host, "ls /var/lib/redkeep 2>&1 || true")).toContain("No such file");
    expect(existsSync(project.path(".redkeep"))).toBe(false);
    for (const name of names) {
      expect(planned.host(name)).toMatchObject({ connections: 1, roundTrips: 1 });
      expect(planned.host(name).checks).toEqual([]);
    }
  });

  it("get the same from apply --check as from plan", async () => {
    const checked = await project.run("apply", "--check");
    expect(checked.status).toBe(2);
    for (const name of names) expect(changesOf(checked.host(name))).toEqual(changesOf(planned.host(name)));
  });

  it("are changed by apply as plan said, and keep every key", async () => {
    applied = await project.run("apply", "--yes");
    expect(applied.stdout + applied.stderr).not.toMatch(/rolled back|failed/);
    expect(applied.status).toBe(0);
    for (const [index, name] of names.entries()) {
      expect(applied.host(name)).toMatchObject({ status: "changed", error: null });
      expect(changesOf(applied.host(name))).toEqual(changesOf(planned.host(name)));
      expect(await project.asAdmin(hosts[index] as LabHost, "DBSIZE")).toBe("1000");
    }
    processes = await Promise.all(hosts.map(redisProcess));
  });

  it("pass at least 20 checks each in verify, and fail none", async () => {
    const verified = await project.run("verify");
    for (const name of names) {
      expect(notPassed(verified.host(name))).toEqual([]);
      expect(
        verified.host(name).checks.filter(({ outcome }) => outcome === "pass").length,
      ).toBeGreaterThanOrEqual(20);
      expect(verified.host(name)).toMatchObject({ connections: 1, roundTrips: 1 });
    }
    expect(verified.status).toBe(0);
  });

  it("are unchanged by a second apply, without a restart, in one connection and one round trip each", async () => {
    const runId = await project.asAdmin(host, "INFO server | grep run_id");
    const files = await Promise.all(hosts.map((each) => filesOf(each, { times: true })));
    const again = await project.run("apply", "--yes");
    expect(again.status).toBe(0);
    expect(again.record.summary).toMatchObject({ unchanged: 3, changes: 0 });
    for (const name of names) {
      expect(again.host(name)).toMatchObject({ status: "unchanged", connections: 1, roundTrips: 1 });
    }
    expect(await Promise.all(hosts.map(redisProcess))).toEqual(processes);
    expect(await project.asAdmin(host, "INFO server | grep run_id")).toBe(runId);
    expect(await Promise.all(hosts.map((each) => filesOf(each, { times: true })))).toEqual(files);
  });

  it("keep nothing of the transaction but its record, closed to others", async () => {
    for (const each of hosts) expect(await residueOf(each)).toBe("");
    expect(await onHost(host, "stat -c '%a %U' /var/lib/redkeep")).toBe("700 root");
  });
});

describe("the application, from an address in app_subnet", () => {
  it("works over TLS with its certificate and password", async () => {
    expect(await ask(application, `${tls} ${certificate} --user app`, "SET app:x 1")).toBe("OK");
    expect(await ask(application, `${tls} ${certificate} --user app`, "GET app:1")).toBe("value 1");
  });

  it.each(["PING", "SELECT 0", "MULTI", "PUBLISH app:news hello", "CLIENT SETNAME worker", "SCAN 0 COUNT 1"])(
    "may use what ordinary clients use: %s",
    async (command) => {
      expect(await ask(application, `${tls} ${certificate} --user app`, command)).not.toMatch(
        /ERR|NOPERM|NOAUTH/,
      );
    },
  );

  it.each([
    "KEYS '*'",
    "FLUSHALL",
    "FLUSHDB",
    "CONFIG GET dir",
    "DEBUG SLEEP 0",
    "SHUTDOWN NOSAVE",
    "REPLICAOF NO ONE",
    "ACL LIST",
    "SWAPDB 0 1",
    "MIGRATE 127.0.0.1 6379 app:1 0 100",
    "FUNCTION FLUSH",
    "SET other:x 1",
    "PUBLISH other:news hello",
  ])("may not %s", async (command) => {
    expect(await ask(application, `${tls} ${certificate} --user app`, command)).toMatch(
      /NOPERM|ERR unknown command/,
    );
  });

  it("is refused without a password", async () => {
    expect(
      await ask(application, `${tls} ${certificate} --user app --no-auth-warning -a wrong`, "GET app:1"),
    ).toMatch(/WRONGPASS|NOAUTH/);
    const { stdout } = await application.sh(
      `cd /root/pki; timeout 3 redis-cli -h ${host.ip} ${tls} ${certificate} GET app:1 2>&1`,
    );
    expect(stdout).toContain("NOAUTH");
  });

  it("is refused without a certificate", async () => {
    expect(await ask(application, `${tls} --user app`, "GET app:1")).toMatch(
      /I\/O error|reset|certificate required/i,
    );
  });

  it("is refused on the plain port", async () => {
    expect(await ask(application, "-p 6379 --user app", "GET app:1")).toMatch(/timed out|Connection refused/);
    expect(await onHost(host, "ss -Hltn | grep -c ':6379' || true")).toBe("0");
  });
});

describe("a neighbour outside app_subnet", () => {
  it("gets no answer, although it has the application's certificate and password", async () => {
    expect(await ask(neighbour, `${tls} ${certificate} --user app`, "GET app:1")).toBe("timed out");
  });

  it("still reaches SSH", async () => {
    const banner = await neighbour.sh(
      `timeout 3 bash -c 'exec 3<>/dev/tcp/${host.ip}/22; read -r line <&3; echo "$line"'`,
    );
    expect(banner.stdout).toContain("SSH-2.0");
  });
});

describe("the host itself", () => {
  it("trap 5: has an active firewall, which ufw itself reports", async () => {
    expect(await onHost(host, "ufw status")).toContain("Status: active");
  });

  it("refuses a client without a login on the Unix socket", async () => {
    expect(await onHost(host, "redis-cli -s /run/redis/redis.sock DBSIZE 2>&1")).toContain("NOAUTH");
    expect(
      (await host.sh("su -s /bin/sh nobody -c 'redis-cli -s /run/redis/redis.sock PING' 2>&1")).stdout,
    ).toMatch(/Permission denied/);
  });

  it("keeps configuration, ACLs and the private key from other users", async () => {
    const files = "/etc/redis/redis.conf /etc/redis/users.acl /etc/redis/tls/redkeep-server.key";
    expect(await onHost(host, `stat -c '%U:%G %a' ${files}`)).toBe(
      ["root:redis 640", "root:redis 640", "root:redis 640"].join("\n"),
    );
    expect(
      (await host.sh(`su -s /bin/sh nobody -c 'cat ${files} /var/lib/redis/dump.rdb' 2>&1`)).stdout,
    ).not.toMatch(/user |BEGIN|bind/);
    const [, ...key] = readFileSync(project.path(".redkeep/pki/ca.key"), "utf8").split("\n");
    expect(await onHost(host, `grep -rlF '${key[0]}' /etc /var /run /root /tmp || true`)).toBe("");
  });

  it("keeps its keys over a restart by the operator", async () => {
    const before = await project.asAdmin(host, "DBSIZE");
    await onHost(host, "systemctl restart redis-server");
    await expect.poll(() => project.asAdmin(host, "DBSIZE")).toBe(before);
  });
});
