import { expect, it } from "vitest";
import { startHost } from "./support/lab.ts";
import { onHost } from "./support/observe.ts";
import { openProject } from "./support/project.ts";

it("a server that runs as root becomes an ordinary user's, with its keys, its data and the next start", async () => {
  await using host = await startHost();
  using project = openProject({ "redis-01": host });
  // Written by hand, as on hosts that were set up long ago: no User=, and a umask that shuts even the group out.
  await onHost(
    host,
    `mkdir -p /etc/systemd/system/redis-server.service.d
     printf '[Service]\\nUser=\\nGroup=\\nUMask=0077\\nCapabilityBoundingSet=CAP_DAC_OVERRIDE\\n' >/etc/systemd/system/redis-server.service.d/50-root.conf
     systemctl stop redis-server; chown -R root:root /var/lib/redis /var/log/redis
     systemctl daemon-reload; systemctl start redis-server
     redis-cli SET app:1 kept >/dev/null; redis-cli CONFIG SET appendonly yes >/dev/null
     sed -i 's/^appendonly .*/appendonly yes/' /etc/redis/redis.conf
     until redis-cli INFO persistence | grep -q 'aof_rewrite_in_progress:0'; do sleep 0.1; done`,
  );
  const run = "ps -o user= -C redis-server";
  expect(await onHost(host, run)).toBe("root");
  const playbook = project.playbook("user.yml", [{ "service-user": {} }, { permissions: {} }]);

  const applied = await project.run("apply", playbook, "--yes");
  expect(applied.host("redis-01")).toMatchObject({ status: "changed", error: null });
  expect(await onHost(host, run)).toBe("redis");
  expect(await onHost(host, "redis-cli GET app:1")).toBe("kept");
  expect(await onHost(host, "find /var/lib/redis ! -user redis -o -perm /027 -type f")).toBe("");

  const again = await project.run("apply", playbook, "--yes");
  expect(again.host("redis-01")).toMatchObject({ status: "unchanged", connections: 1 });
  await onHost(host, "redis-cli SET app:2 later; systemctl restart redis-server");
  expect(await onHost(host, "redis-cli MGET app:1 app:2")).toBe("kept\nlater");
});
