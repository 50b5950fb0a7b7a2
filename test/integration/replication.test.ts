import { describe, it } from "vitest";
import { type LabHost, startHost, startNetwork } from "./support/lab.ts";
import { onHost } from "./support/observe.ts";
import { openProject } from "./support/project.ts";

/** Microseconds since the machine's start, which containers share. */
async function startOfRedis(host: LabHost): Promise<number> {
  return Number(await onHost(host, "systemctl show -p ActiveEnterTimestampMonotonic --value redis-server"));
}

const linkOf = (host: LabHost) =>
  onHost(host, "redis-cli info replication | tr -d '\\r' | sed -n s/^master_link_status://p");

describe("a primary and its replica in one run", () => {
  it("are restarted one after the other, the replica first, and are in step in between", async ({
    expect,
  }) => {
    await using network = await startNetwork();
    await using primary = await startHost({ network, alias: "primary" });
    await using replica = await startHost({ network, alias: "replica" });
    const open =
      "sed -i 's/^bind .*/bind 0.0.0.0/; s/^protected-mode .*/protected-mode no/' /etc/redis/redis.conf";
    await onHost(primary, `${open}; systemctl restart redis-server`);
    await onHost(
      replica,
      `${open}; echo 'replicaof primary 6379' >>/etc/redis/redis.conf; systemctl restart redis-server
       until redis-cli info replication | grep -q master_link_status:up; do sleep 0.1; done`,
    );
    using project = openProject({ primary, replica });
    const playbook = project.playbook("rename", [{ "rename-command": { commands: { DEBUG: "disable" } } }]);
    const run = await project.run("apply", "--yes", playbook);
    expect(run.record.hosts.map(({ host, status, error }) => [host, status, error])).toEqual([
      ["primary", "changed", null],
      ["replica", "changed", null],
    ]);
    expect(run.host("primary").restart.needed).toBe(true);
    expect(await startOfRedis(replica)).toBeLessThan(await startOfRedis(primary));
    await onHost(
      replica,
      "until redis-cli info replication | grep -q master_link_status:up; do sleep 0.1; done",
    );
    expect(await linkOf(replica)).toBe("up");
    expect((await project.run("apply", "--yes", playbook)).status).toBe(0);
  });
});
