import { describe, expect, it } from "vitest";
import { addressOf, stanceOf, targetOf } from "../../src/outside/expectation.ts";
import { attemptsOf } from "../../src/outside/target.ts";
import { vantageScript } from "../../src/outside/vantage-script.ts";
import { paramsOf } from "../../src/tasks/task.ts";
import { defaultTasks } from "../support/default-playbook.ts";
import { factsOf } from "../support/facts.ts";
import { server } from "../support/run-task.ts";

const tasks = async (vars = ["private_ip=10.0.0.5", "app_subnet=10.0.1.0/24"]) =>
  paramsOf((await defaultTasks(vars)).tasks);

describe("where a host is looked at", () => {
  it.each([
    ["what the inventory says", "redis.internal", "203.0.113.9", "redis.internal"],
    ["the address that the playbook binds", undefined, "203.0.113.9", "10.0.0.5"],
  ])("is %s", async (_, address, sshAddress, expected) => {
    expect(addressOf(await tasks(), { address, sshAddress })).toBe(expected);
  });

  it("is the address of SSH where the playbook binds loopback alone, but never loopback", async () => {
    const bare = await tasks(["private_ip=", "app_subnet=10.0.1.0/24"]);
    expect(addressOf(bare, { address: undefined, sshAddress: "203.0.113.9" })).toBe("203.0.113.9");
    expect(addressOf(bare, { address: undefined, sshAddress: "127.0.0.1" })).toBeUndefined();
  });

  it("is asked on the playbook's ports and the server's other ports", async () => {
    const known = { host: "redis-01", tasks: await tasks() };
    expect(targetOf({ ...known, server: server(factsOf("stock")) }, "10.0.0.5")).toMatchObject({
      plainPorts: [6379],
      wantedPlainPorts: [],
      tlsPort: 6380,
    });
    const { tls: _, ...tasksWithoutTls } = known.tasks;
    expect(
      targetOf({ ...known, tasks: tasksWithoutTls, server: server(factsOf("stock")) }, "10.0.0.5"),
    ).toMatchObject({
      plainPorts: [6379],
      wantedPlainPorts: [6379],
      tlsPort: undefined,
      tls: undefined,
    });
  });
});

describe("whether the controller should get in", () => {
  it.each([
    ["10.0.1.7", "10.0.0.5", "allowed"],
    ["10.0.2.7", "10.0.0.5", "denied"],
    // Let in by the firewall, but Redis has nothing to look for at that address.
    ["10.0.1.7", "203.0.113.9", "denied"],
  ])("from %s at %s: %s", async (peer, address, stance) => {
    expect(stanceOf(await tasks(), { peer, address })).toBe(stance);
  });

  it("is undecided where the playbook has no firewall task", async () => {
    const { firewall: _, ...open } = await tasks();
    expect(stanceOf(open, { peer: "10.0.1.7", address: "10.0.0.5" })).toBe("anywhere");
  });

  it("is yes from the application's network where others manage the firewall, and undecided elsewhere", async () => {
    const address = "10.0.0.5";
    const { firewall, ...left } = await tasks();
    if (firewall === undefined) throw new Error("the default playbook has no firewall task");
    const unmanaged = { ...left, firewall: { ...firewall, backend: "none" as const } };
    expect(stanceOf(unmanaged, { peer: "10.0.1.7", address })).toBe("allowed");
    expect(stanceOf(unmanaged, { peer: "10.0.2.7", address })).toBe("anywhere");
    const networks = ["10.0.1.0/24"];
    expect(stanceOf(left, { peer: "10.0.1.7", address, networks })).toBe("allowed");
    expect(stanceOf(left, { peer: "10.0.2.7", address, networks })).toBe("anywhere");
  });
});

it("the script for a vantage host holds no secret: no key, no password, no certificate", async () => {
  const target = targetOf(
    { host: "redis-01", tasks: await tasks(), server: server(factsOf("hardened")) },
    "10.0.0.5",
  );
  expect(attemptsOf(target)).toHaveLength(6);
  const script = vantageScript([{ target, isAllowed: true }], "0".repeat(24));
  expect(script).not.toMatch(/PRIVATE KEY|-cert |-key |AUTH|Recorded/);
});
