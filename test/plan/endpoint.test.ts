import { describe, expect, it } from "vitest";
import { confWith, hostWith } from "../support/host-facts.ts";
import { planTasks } from "../support/plan-tasks.ts";

const refused = (...given: Parameters<typeof hostWith>) =>
  planTasks({ limits: { maxmemory: "512mb" } }, hostWith(...given)).refusals.map(
    ({ guard, found }) => `${guard}: ${found.split(":")[0]}`,
  );

describe("a way into Redis that a shell on the host would split", () => {
  it.each([
    [
      "unixsocket",
      'unixsocket "/run/redis/s --rdb /etc/cron.d/x"',
      'unixsocket reads "/run/redis/s --rdb /etc/cron.d/x"',
    ],
    ["unixsocket", 'unixsocket "/run/redis/*"', 'unixsocket reads "/run/redis/*"'],
    ["unixsocket", "unixsocket -x", 'unixsocket reads "-x"'],
    ["bind", 'bind "10.0.0.5 --rdb"', 'bind reads "10.0.0.5 --rdb"'],
    ["port", 'port "6379 --rdb"', 'port reads "6379 --rdb"'],
  ])("is refused: %s in %j", (name, line, found) => {
    expect(refused({ conf: confWith({ [name]: line }) })).toEqual([`null: ${found}`]);
  });

  it("is refused where the host says that it is the endpoint in use", () => {
    const endpoint = ["-s", "/run/redis/s", "--rdb", "/etc/cron.d/x"];
    expect(refused({ redis: { endpoint } })).toEqual([expect.stringContaining('"--rdb"')]);
  });

  it.each([
    ["unixsocket", "unixsocket /run/redis-server_1/redis@a+b.sock"],
    ["bind", "bind * -::*"],
    ["bind", "bind -::1 fe80::1"],
    ["port", "port 0"],
  ])("does not include %s in %j", (name, line) => {
    expect(refused({ conf: confWith({ [name]: line }) })).toEqual([]);
  });

  it("refuses nothing where nothing is to be changed", () => {
    const conf = confWith({ unixsocket: 'unixsocket "/run/a b"' });
    expect(planTasks({ limits: {} }, hostWith({ like: "hardened", conf })).refusals).toEqual([]);
  });
});
