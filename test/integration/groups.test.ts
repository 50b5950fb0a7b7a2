/** Another local user whose control group has the name of Redis' unit. */
import { expect, it } from "vitest";
import type { LabHost } from "./support/lab.ts";
import { startHost } from "./support/lab.ts";
import { onHost } from "./support/observe.ts";
import { openProject } from "./support/project.ts";

/** What each user who logs in has, as user@.service: a group of his own to make others in. Then he runs the rest in one. */
const IN_A_GROUP_OF_THAT_NAME = `c=$(awk '$3 == "cgroup2" {print $2}' /proc/mounts | head -n 1)$(sed -n 's/^0:://p' /proc/self/cgroup)
mkdir "$c/redis-server.service" && echo $$ >"$c/redis-server.service/cgroup.procs" && exec "$@"`;

async function asMallory(host: LabHost, ...command: string[]): Promise<void> {
  await host.writeFile("/usr/local/lib/enter", IN_A_GROUP_OF_THAT_NAME);
  await onHost(host, "useradd -m mallory");
  const words = command.map((word) => `'${word}'`).join(" ");
  await onHost(
    host,
    `systemd-run -q --unit=user-mallory -p User=mallory -p Delegate=yes sh /usr/local/lib/enter ${words}`,
  );
}

/** Writes down what it is told, and says no. */
const LISTENER = `
import socket
server = socket.create_server(("127.0.0.1", 7000))
open("/home/mallory/ready", "w")
while True:
    client, _ = server.accept()
    while data := client.recv(65536):
        with open("/home/mallory/heard", "ab") as heard: heard.write(data)
        client.sendall(b"-WRONGPASS no\\r\\n" * max(1, data.count(b"*")))
`;

it("another user of the host learns no password with a listener of his own, and cannot hide a server of his own", async () => {
  await using host = await startHost();
  using project = openProject({ "redis-01": host });
  expect((await project.run("apply", "--yes")).status).toBe(0);

  // Redis answers on its port, and the playbook's login is tried wherever Redis seems to listen.
  await onHost(
    host,
    "sed -i '/^unixsocket/d' /etc/redis/redis.conf; systemctl restart redis-server; rm -f /run/redis/redis.sock",
  );
  await host.writeFile("/usr/local/lib/listener.py", LISTENER);
  await asMallory(host, "python3", "/usr/local/lib/listener.py");
  await onHost(host, "until [ -e /home/mallory/ready ]; do :; done");
  const seen = await onHost(host, "ss -Hltne 'sport = :7000'");
  expect(seen).toMatch(/uid:\d+ .*cgroup:\S+\/redis-server\.service /);
  expect((await project.run("plan", "--accept", "unknown-data")).host("redis-01").error).toBeNull();
  expect(await onHost(host, "cat /home/mallory/heard 2>/dev/null || true")).toBe("");

  await onHost(host, "systemctl stop user-mallory; userdel -r mallory 2>/dev/null");
  await asMallory(
    host,
    ...["redis-server", "--port", "7000", "--bind", "0.0.0.0", "--protected-mode", "no", "--dir", "/tmp"],
  );
  await onHost(host, "until redis-cli -p 7000 PING; do :; done");
  const verified = (await project.run("verify")).host("redis-01");
  const checks = verified.checks.filter(({ control }) => control === "RK-NET-11");
  expect(checks).toMatchObject([
    { outcome: "fail", observed: expect.stringContaining("answers everybody on 0.0.0.0:7000") },
  ]);
});
