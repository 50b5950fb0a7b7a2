import { describe, expect, it } from "vitest";
import type { Client, Denial } from "../../src/facts/redis.ts";
import { noticedSince } from "../../src/plan/noticed.ts";
import { hostWith } from "../support/host-facts.ts";

const client = (address: string, name = ""): Client => ({
  address,
  local: "172.17.0.2:6380",
  user: "app",
  name,
  library: "",
  flags: "N",
  command: "get",
  subscriptions: 0,
});
const denial = (more: Partial<Denial> = {}): Denial => ({
  count: 3,
  reason: "command",
  context: "toplevel",
  object: "config|get",
  user: "app",
  ageSeconds: 1,
  client: client("10.0.0.7:1", "orders"),
  ...more,
});

/** What is told 5 seconds after a change; `restarted` where Redis is another process since. */
function told(before: Denial[], after: Denial[], restarted = false): string[] {
  const host = (denials: Denial[], run: string) =>
    hostWith({ redis: { denials, user: "admin", aclUsers: ["user admin on +@all"] }, info: { run_id: run } });
  return noticedSince(host(before, "a"), host(after, restarted ? "b" : "a"), 5).map(({ detail }) => detail);
}

describe("what clients met since a change", () => {
  it("includes new denials, with their number", () => {
    expect(told([], [denial()])).toEqual([
      "user app from 10.0.0.7 (orders) was denied CONFIG GET 3 times since the change.",
    ]);
    expect(told([denial({ count: 2 })], [denial()])).toEqual([
      "user app from 10.0.0.7 (orders) was denied CONFIG GET once since the change.",
    ]);
    expect(told([denial()], [denial()])).toEqual([]);
    expect(told([], [denial({ ageSeconds: 60 })])).toEqual([]);
  });

  it("includes all denials after a restart, since the log began anew", () => {
    expect(told([denial()], [denial()], true)).toHaveLength(1);
  });

  it("leaves out keys and channels, which may hold secrets", () => {
    const entries = ["key", "channel"].map((reason) => denial({ reason, object: "token:hunter2", count: 1 }));
    expect(told([], entries)).toEqual([
      "user app from 10.0.0.7 (orders) was denied a key outside its patterns once since the change.",
      "user app from 10.0.0.7 (orders) was denied a channel outside its patterns once since the change.",
    ]);
  });

  it("includes failed logins, save redkeep's own", () => {
    const login = (address: string) => denial({ reason: "auth", user: "admin", client: client(address) });
    expect(told([], [login("127.0.0.1:9")])).toEqual([]);
    expect(told([], [login("10.0.0.7:1")])).toEqual([
      "user admin from 10.0.0.7 could not log in 3 times since the change.",
    ]);
    expect(told([], [denial({ reason: "auth", user: "hunter2" })])).toEqual([
      "somebody unknown to Redis from 10.0.0.7 (orders) could not log in 3 times since the change.",
    ]);
  });

  it("includes clients that did not come back, by address and name", () => {
    const host = (clients: Client[]) => hostWith({ redis: { clients, denials: [] } });
    const before = [client("10.0.0.7:1", "orders"), client("10.0.0.7:2", "orders"), client("10.0.0.8:1")];
    expect(noticedSince(host(before), host([client("10.0.0.8:7")]), 5)).toEqual([
      {
        kind: "not-back-after-apply",
        detail: "not connected again when the host was asked: 10.0.0.7 (orders).",
      },
    ]);
    expect(noticedSince(host(before), host(before), 5)).toEqual([]);
  });

  it("is unknown where a list was cut, and no client on it counts as gone", () => {
    const host = (clients: Client[], ...cut: string[]) =>
      hostWith({ redis: { clients, denials: [], cut: new Set(cut) } });
    const before = host([client("10.0.0.7:1", "orders")]);
    expect(noticedSince(before, host([], "clients", "denials"), 5).map(({ detail }) => detail)).toEqual([
      "ACL LOG is too long to be read whole: what else was denied is unknown.",
      "CLIENT LIST is too long to be read whole: who is not connected again is unknown.",
    ]);
  });
});
