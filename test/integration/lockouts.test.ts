import { once } from "node:events";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, it } from "vitest";
import { situations } from "../../measure/faults/figures/lockouts.ts";
import { runLockout, Site } from "../../measure/faults/lockout.ts";
import { runTruthTable } from "../../measure/faults/truth-table.ts";
import { startHost } from "./support/lab.ts";
import { onHost } from "./support/observe.ts";
import { notPassed, openProject } from "./support/project.ts";

let site: Site;
beforeAll(async () => {
  site = await Site.open();
});
afterAll(async () => {
  await site?.[Symbol.asyncDispose]();
});

// A few of the figure "lockouts", one of each kind.
describe.concurrent("a new SSH login works from everywhere it should", () => {
  it.for([
    ["FOUND", "sshd started by its socket on two ports"],
    ["FOUND", "IPv6, ufw off, denies the peer"],
    ["FOUND", "ufw off, before.rules drops SSH"],
    ["THIRD_PARTY", "new logins reset"],
    ["BY_US", "ufw off"],
    ["STUCK", "killed between the families"],
  ] as const)("%s: %s", async ([kind, name], { expect }) => {
    const situation = situations[kind].find((one) => one.name === name);
    if (situation === undefined) throw new Error(`no such situation: ${name}`);
    expect((await runLockout(site, situation)).problems).toEqual([]);
  });
});

it("firewall rules are read as the kernel applies them to 168 real connections", async ({ expect }) => {
  const { connections, differences } = await runTruthTable(6);
  expect(connections).toBe(168);
  expect(differences).toEqual([]);
});

it("a firewall that is switched on keeps connected clients, and the plan names what lets packets in past it", async ({
  expect,
}) => {
  await using host = await startHost();
  using project = openProject({ "redis-01": host });
  await host.redis("CONFIG", "SET", "protected-mode", "no");
  await host.redis("CONFIG", "SET", "bind", "0.0.0.0");
  const client = connect({ host: host.ip, port: 6379 });
  const ping = async (): Promise<string> => {
    client.write("PING\r\n");
    const [reply] = await once(client, "data");
    return String(reply);
  };
  expect(await ping()).toBe("+PONG\r\n");
  const playbook = project.playbook("firewall.yml", [{ firewall: { allow: [host.subnet] } }]);
  const applied = await project.run("apply", playbook, "--yes");
  expect(applied.host("redis-01")).toMatchObject({ status: "changed", error: null });
  expect(await ping()).toBe("+PONG\r\n");
  client.destroy();
  // What Docker does to publish a container's port, and a rule that somebody added where ufw has no say.
  await onHost(
    host,
    `iptables -t nat -N DOCKER
     iptables -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
     iptables -t nat -A DOCKER -p tcp --dport 8080 -j DNAT --to-destination 10.77.9.2:80
     iptables -t nat -A DOCKER -p tcp --dport 16379 -j DNAT --to-destination 10.77.9.2:6379
     iptables -A INPUT -p tcp --dport 6379 -j ACCEPT
     iptables-legacy -A INPUT -p tcp --dport 9100 -j ACCEPT`,
  );
  const named = [
    /forwards port 8080\/tcp to 10\.77\.9\.2/,
    /forwards port 16379\/tcp to 10\.77\.9\.2/,
    /behind ufw that ufw does not know: -A INPUT -p tcp -m tcp --dport 6379 -j ACCEPT/,
    /--dport 9100 -j ACCEPT \(in the tables of iptables-legacy\)/,
  ];
  const planned = await project.run("plan", playbook);
  for (const text of named) expect(planned.host("redis-01").tasks[0]?.reason).toMatch(text);
  const verified = await project.run("verify", playbook);
  expect(verified.status).toBe(6);
  for (const text of named) expect(notPassed(verified.host("redis-01")).join("\n")).toMatch(text);
  expect(
    verified
      .host("redis-01")
      .checks.filter(({ control }) => /^RK-NET-0[46]$/.test(control))
      .map(({ outcome }) => outcome)
      .toSorted(),
  ).toEqual(["fail", "pass", "pass", "pass", "unknown"]);
});
