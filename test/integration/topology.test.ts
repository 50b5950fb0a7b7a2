import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { Clients, lostWrites } from "../../measure/faults/clients.ts";
import { type LabHost, type LabNetwork, startHost, startNetwork } from "./support/lab.ts";
import { asSoonAs, filesOf, fill, onHost, redisProcess, residueOf } from "./support/observe.ts";
import { openProject, type Project } from "./support/project.ts";

const OPEN =
  "sed -i 's/^bind .*/bind 0.0.0.0/; s/^protected-mode .*/protected-mode no/' /etc/redis/redis.conf";

/** What a host that nobody changed still has. Sentinel keeps its own file, redkeep its record of refused runs. */
async function stateOf(host: LabHost): Promise<string> {
  const files = (await filesOf(host))
    .split("\n")
    .filter((line) => !/sentinel\.conf|\/var\/lib\/redkeep/.test(line));
  return [...files, await redisProcess(host), await residueOf(host)].join("\n");
}

/** Makes the second a replica of the first, and waits until it is in step. */
async function replicate(primary: LabHost, replica: LabHost): Promise<void> {
  await onHost(primary, `${OPEN}; systemctl restart redis-server`);
  await onHost(
    replica,
    `${OPEN}; echo 'replicaof ${primary.ip} 6379' >>/etc/redis/redis.conf; systemctl restart redis-server`,
  );
  await inStep(replica);
}

/** Waits until a replica follows; on a hardened host as the administrator. */
async function inStep(replica: LabHost, project?: Project): Promise<void> {
  const info = (): Promise<string> =>
    project === undefined
      ? replica.redis("INFO", "replication")
      : project.asAdmin(replica, "INFO replication");
  await vi.waitUntil(async () => (await info()).includes("master_link_status:up"), { timeout: 30_000 });
}

/** A Sentinel of the group `main` as a unit of its own, on a host that has Redis too. */
async function startSentinel(host: LabHost, primary: LabHost): Promise<void> {
  await onHost(
    host,
    `cat >/etc/redis/sentinel.conf <<'.'
port 26379
bind 0.0.0.0
protected-mode no
dir /var/lib/redis
sentinel monitor main ${primary.ip} 6379 2
sentinel down-after-milliseconds main 20000
.
     chown redis:redis /etc/redis/sentinel.conf
     cat >/etc/systemd/system/redis-sentinel.service <<'.'
[Service]
User=redis
ExecStart=/usr/bin/redis-server /etc/redis/sentinel.conf --sentinel --daemonize no --supervised no
.
     systemctl daemon-reload; systemctl start redis-sentinel`,
  );
}

describe("a primary and its replica, with a Sentinel on each host", () => {
  let network: LabNetwork;
  let [primary, replica]: [LabHost?, LabHost?] = [];
  let project: Project;
  /** Writes that the primary acknowledged while both were hardened. */
  let acknowledged: number[] = [];
  const [replication, sentinel] = ["password-of-the-replicas", "password-of-the-sentinels"];
  const env = { REPLICATION: replication, SENTINEL: sentinel };
  const hosts = () => {
    if (primary === undefined || replica === undefined) throw new Error("no hosts");
    return [primary, replica] as const;
  };
  beforeAll(async () => {
    network = await startNetwork();
    [primary, replica] = await Promise.all([
      startHost({ network, alias: "primary" }),
      startHost({ network, alias: "replica" }),
    ]);
    await replicate(primary, replica);
    await fill(primary, "app", 1000);
    await startSentinel(primary, primary);
    await startSentinel(replica, primary);
    project = openProject({ primary, replica });
  });
  afterAll(async () => {
    project?.[Symbol.dispose]();
    await replica?.[Symbol.asyncDispose]();
    await primary?.[Symbol.asyncDispose]();
    await network?.[Symbol.asyncDispose]();
  });

  it("are refused by name where the guide would cut off replica, Sentinel or failover, and nothing is changed", async () => {
    const before = await Promise.all(hosts().map(stateOf));
    const run = await project.run("apply", "--yes");
    expect(run.status).toBe(3);
    for (const name of ["primary", "replica"]) {
      expect(run.host(name)).toMatchObject({ status: "refused" });
      expect(run.host(name).error?.guards.toSorted()).toEqual([
        "other-ports",
        "replica-rename",
        "replication",
        "replication-needs-tls",
        "sentinel",
        "sentinel-rename",
      ]);
      expect(run.host(name).error?.found).toContain("26379/tcp (redis-sentinel.service)");
    }
    expect(await Promise.all(hosts().map(stateOf))).toEqual(before);
  });

  it("D1: are not restarted unasked where the primary writes nothing to disk, and lose no key", async () => {
    const [primary, replica] = hosts();
    const playbook = project.playbook("playbooks/rename.yml", [
      { "rename-command": { commands: { DEBUG: "disable" } } },
    ]);
    await onHost(primary, "redis-cli config set save ''; echo 'save \"\"' >>/etc/redis/redis.conf");
    const before = await Promise.all(hosts().map(stateOf));
    const refused = await project.run("apply", "--yes", "--limit", "primary", playbook);
    expect(refused.host("primary")).toMatchObject({
      status: "refused",
      error: { guards: ["primary-without-persistence"] },
    });
    expect(await Promise.all(hosts().map(stateOf))).toEqual(before);
    const accept = ["--accept", "primary-without-persistence"];
    const run = await project.run("apply", "--yes", "--limit", "primary", ...accept, playbook);
    expect(run.host("primary")).toMatchObject({ status: "changed", error: null });
    await inStep(replica);
    for (const host of hosts()) expect(await host.redis("DBSIZE")).toBe("1000");
    await onHost(
      primary,
      "redis-cli config set save '3600 1 300 100 60 10000'; sed -i '/^save/d' /etc/redis/redis.conf",
    );
  });

  it("D3: make the plan stale by a failover after it, and keep the roles of that failover", async () => {
    const [primary, replica] = hosts();
    const playbook = project.playbook("playbooks/swapdb.yml", [
      { "rename-command": { commands: { SWAPDB: "disable" } } },
    ]);
    // They would set the roles right while the test still looks.
    for (const host of hosts()) await onHost(host, "systemctl stop redis-sentinel");
    const before = await stateOf(primary);
    const begun = `ls -d /var/lib/redkeep/txn/*/state 2>/dev/null | sort >/tmp/now; ! cmp -s /tmp/before /tmp/now`;
    await onHost(primary, "ls -d /var/lib/redkeep/txn/*/state 2>/dev/null | sort >/tmp/before || true");
    await replica.redis("REPLICAOF", "NO", "ONE");
    const failedOver = asSoonAs(primary, begun, `redis-cli replicaof ${replica.ip} 6379`);
    const run = await project.run("apply", "--yes", "--limit", "primary", playbook);
    await failedOver;
    expect(run.host("primary")).toMatchObject({ status: "refused", error: { where: "stale plan" } });
    expect(await primary.redis("INFO", "replication")).toContain("role:slave");
    expect(await stateOf(primary)).toBe(before);
    await primary.redis("REPLICAOF", "NO", "ONE");
    await replica.redis("REPLICAOF", primary.ip, "6379");
    await inStep(replica);
    for (const host of hosts()) await onHost(host, "systemctl start redis-sentinel");
  });

  it("D4: are hardened once they are prepared, keep every write, and reconnect after a broken link", async () => {
    const [primary, replica] = hosts();
    // As the refusals ask: the users first, then those who log in as them.
    for (const host of hosts()) {
      await onHost(
        host,
        `redis-cli acl setuser repl on '>${replication}' +psync +replconf +ping
         redis-cli acl setuser sentinel on '>${sentinel}' allchannels +@all
         redis-cli config set masterauth ${replication}; redis-cli config set masteruser repl
         printf 'masteruser repl\nmasterauth ${replication}\n' >>/etc/redis/redis.conf
         redis-cli -p 26379 sentinel set main auth-user sentinel
         redis-cli -p 26379 sentinel set main auth-pass ${sentinel}`,
      );
    }
    const users = [
      { name: "app", preset: "application", keys: ["app:*"], password: { env: "APP_PASSWORD" } },
      { name: "repl", preset: "replication", password: { env: "REPLICATION" } },
      { name: "sentinel", preset: "sentinel", password: { env: "SENTINEL" } },
      { name: "admin", preset: "admin", password: { generate: true } },
    ];
    const playbook = project.playbook("playbooks/hardened.yml", [
      { bind: { addresses: ["127.0.0.1", "<%= private_ip %>"] } },
      { acl: { users } },
      { permissions: {} },
      { limits: { maxmemory: "256mb" } },
      { firewall: { allow: ["<%= app_subnet %>"], other_ports: "keep" } },
    ]);
    const replicaOf = () => onHost(replica, "grep ^replicaof /etc/redis/redis.conf");
    const line = await replicaOf();
    {
      await using clients = await Clients.start(primary, {
        password: project.appPassword,
        clients: [{ name: "writer", to: ["/run/redis/redis.sock", ["127.0.0.1", 6379, false]], everyMs: 10 }],
      });
      const run = await project.runWith({ env }, "apply", "--yes", playbook);
      expect(run.record.hosts.map(({ host, status, error }) => [host, status, error])).toEqual([
        ["primary", "changed", null],
        ["replica", "changed", null],
      ]);
      await inStep(replica, project);
      acknowledged = (await clients.noticed()).writer?.acknowledged ?? [];
    }
    expect(await replicaOf()).toBe(line);
    // The link that was open when the default user went off proves nothing: a new one has to log in.
    await project.asAdmin(primary, "CLIENT KILL TYPE replica");
    await inStep(replica, project);
    expect(acknowledged.length).toBeGreaterThan(100);
    expect(await project.asAdmin(primary, "WAIT 1 5000")).toBe("1");
    for (const host of hosts()) expect(await lostWrites(host, project, "writer", acknowledged)).toBe(0);
  });

  it("D2, D3, D10: still fail over through their Sentinels, and the next run leaves the roles alone", async () => {
    const [primary, replica] = hosts();
    await expect
      .poll(() => onHost(replica, "redis-cli -p 26379 sentinel ckquorum main"), { timeout: 30_000 })
      .toMatch(/^OK 2 usable/);
    expect(await onHost(primary, "redis-cli -p 26379 sentinel failover main")).toBe("OK");
    await expect
      .poll(() => project.asAdmin(replica, "INFO replication"), { timeout: 30_000 })
      .toContain("role:master");
    await inStep(primary, project);
    for (const host of hosts()) expect(await lostWrites(host, project, "writer", acknowledged)).toBe(0);
    // Who leads is a fact, and what Sentinel wrote is Sentinel's.
    const again = await project.runWith({ env }, "apply", "--yes", "playbooks/hardened.yml");
    expect(again.record.summary).toMatchObject({ unchanged: 2 });
    expect(await project.asAdmin(replica, "INFO replication")).toContain("role:master");
    expect(await project.asAdmin(primary, "INFO replication")).toContain("role:slave");
  });
});

describe("a server in cluster mode", () => {
  it("D6: is refused by name, and its cluster goes on", async () => {
    await using host = await startHost();
    using project = openProject({ "redis-01": host });
    await onHost(
      host,
      `${OPEN}; echo 'cluster-enabled yes' >>/etc/redis/redis.conf; systemctl restart redis-server
       redis-cli cluster addslotsrange 0 16383`,
    );
    await expect.poll(() => host.redis("CLUSTER", "INFO")).toContain("cluster_state:ok");
    const before = await stateOf(host);
    const run = await project.run("apply", "--yes");
    expect(run.host("redis-01")).toMatchObject({
      status: "refused",
      error: { guards: expect.arrayContaining(["cluster", "other-ports"]) },
    });
    expect(run.host("redis-01").error?.found).toContain("16379/tcp (redis-server.service)");
    expect(await stateOf(host)).toBe(before);
    expect(await host.redis("CLUSTER", "INFO")).toContain("cluster_state:ok");
  });
});
