import { describe, expect, it } from "vitest";
import type { Client } from "../../src/facts/redis.ts";
import { impactOf } from "../../src/plan/impact.ts";
import { hostWith } from "../support/host-facts.ts";
import { planTasks } from "../support/plan-tasks.ts";

const client = (address: string, more: Partial<Client> = {}): Client => ({
  address,
  user: "default",
  name: "",
  library: "",
  flags: "N",
  command: "get",
  ...more,
});
const ACL = { acl: { users: [{ name: "admin", preset: "admin", password: { generate: true } }] } };

function impact(
  tasks: Record<string, unknown>,
  redis: NonNullable<Parameters<typeof hostWith>[0]>["redis"] = {},
) {
  const facts = hostWith({ redis: redis ?? {} });
  return impactOf(planTasks(tasks, facts), facts);
}

describe("who would notice", () => {
  it("are the clients that are connected as user default, counted by address and name", () => {
    const clients = [
      client("10.0.0.7:4001", { name: "orders", library: "ioredis 5.3" }),
      client("10.0.0.7:4002", { name: "orders", library: "ioredis 5.3" }),
      client("10.0.0.8:4001"),
    ];
    expect(impact(ACL, { clients })).toEqual([
      {
        kind: "client-refused",
        detail: expect.stringMatching(/^10\.0\.0\.7 {2}orders, ioredis 5\.3: 2 connection/),
      },
      { kind: "client-refused", detail: expect.stringMatching(/^10\.0\.0\.8: 1 connection/) },
    ]);
  });

  it("are neither replicas, nor users of their own, nor redkeep's own session", () => {
    const clients = [
      client("10.0.0.7:1", { flags: "S" }),
      client("10.0.0.7:2", { user: "app" }),
      client("127.0.0.1:3", { command: "client|list" }),
    ];
    expect(impact(ACL, { clients })).toEqual([]);
  });

  it("is nobody where user default stays as it is", () => {
    expect(impact({ limits: {} }, { clients: [client("10.0.0.7:1")] })).toEqual([]);
  });

  it("is who ran a command that goes away, with the count since Redis started", () => {
    const commandCalls = new Map([
      ["flushall", 3],
      ["keys", 0],
      ["debug|sleep", 2],
      ["config|get", 99],
    ]);
    const commands = { FLUSHALL: "disable", KEYS: "disable", DEBUG: "disable", CONFIG: "rename" };
    expect(impact({ "rename-command": { commands } }, { commandCalls }).map(({ detail }) => detail)).toEqual([
      "FLUSHALL ran 3 times since Redis started: taken away from now on.",
      "DEBUG ran 2 times since Redis started: taken away from now on.",
    ]);
  });
});
