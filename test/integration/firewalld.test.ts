import { expect, it } from "vitest";
import { firewalldImage, startHost, startNetwork } from "./support/lab.ts";
import { onHost } from "./support/observe.ts";
import { notPassed, openProject } from "./support/project.ts";

const CONTROL = "RK-NET-04";

it("a host with firewalld is reported with its manager, the clients it keeps out, and the command that lets them in", async () => {
  const image = await firewalldImage();
  await using network = await startNetwork();
  const ready =
    "systemctl is-active -q ssh && systemctl is-active -q redis-server && firewall-cmd -q --state";
  await using host = await startHost({ image, network, ready });
  await using app = await startHost({ network, alias: "app-01" });
  using project = openProject(
    { "redis-01": host, "app-01": app },
    {},
    { "redis-01": { redkeep_probe_allowed: ["app-01"] } },
  );
  await onHost(host, "firewall-cmd -q --zone=public --change-interface=eth0");
  const admin = { name: "admin", preset: "admin", password: { generate: true } };
  const tasks = [{ bind: { addresses: ["127.0.0.1", host.ip] } }, { acl: { users: [admin] } }];
  const limit = ["--limit", "redis-01"];
  const withUfw = project.playbook("ufw.yml", [...tasks, { firewall: { allow: [host.subnet] } }]);
  const leftOut = project.playbook("left-out.yml", tasks);
  const none = project.playbook("none.yml", [
    ...tasks,
    { firewall: { backend: "none", allow: [host.subnet] } },
  ]);

  const refused = (await project.run("plan", withUfw, ...limit)).host("redis-01");
  expect(refused.status).toBe("refused");
  expect(refused.error?.found).toContain("ufw is not installed, and firewalld is active (zone public)");
  expect(refused.error?.remedy).not.toContain("install");
  const [command = "none"] = /firewall-cmd .*--reload/.exec(refused.error?.remedy ?? "") ?? [];
  expect(command).toContain(
    `--zone=public --add-rich-rule='rule family="ipv4" source address="${host.subnet}"`,
  );

  // The application's network is that of the inventory, and what its packets meet is what firewalld wrote.
  const applied = (await project.run("apply", leftOut, "--yes", ...limit)).host("redis-01");
  expect(applied).toMatchObject({ status: "changed", error: null });
  const asks = `redis-cli -h ${host.ip} PING 2>&1`;
  expect((await app.sh(asks)).stdout).toContain("No route to host");
  for (const playbook of [leftOut, none]) {
    const kept = await project.run("verify", playbook, ...limit);
    expect(kept.status).toBe(6);
    const said = kept
      .host("redis-01")
      .checks.filter(({ control, outcome }) => control === CONTROL && outcome === "fail")
      .map(({ observed }) => observed);
    expect(said).toEqual([
      `${host.subnet} does not reach port 6379: firewalld is active (zone public). To let it in: ${command}`,
      `${host.ip}: 6379 filtered (no route to the host)`,
    ]);
  }
  const told = (await project.run("plan", none, ...limit)).host("redis-01").tasks.at(-1);
  expect(told).toMatchObject({ task: "firewall", changes: [] });
  expect(told?.reason).toContain(command);

  await onHost(host, command);
  expect((await app.sh(asks)).stdout).toContain("NOAUTH");
  for (const playbook of [leftOut, none]) {
    const open = (await project.run("verify", playbook, ...limit)).host("redis-01");
    expect(notPassed(open).filter((text) => text.startsWith(CONTROL))).toEqual([]);
    expect(open.checks.filter(({ control }) => control === CONTROL).map(({ observed }) => observed)).toEqual([
      "as wanted: firewalld is active (zone public)",
      `${host.ip}: 6379 open`,
    ]);
  }
});
