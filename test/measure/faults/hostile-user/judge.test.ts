import { describe, expect, it } from "vitest";
import { hostileCases, STAGES } from "../../../../measure/faults/hostile-user/cases.ts";
import {
  parseManifest,
  runsByOthers,
  shownPlaces,
  touched,
  turned,
  violations,
} from "../../../../measure/faults/hostile-user/judge.ts";
import type { HostRecord } from "../../../../src/record/record.ts";

const line = (path: string, owner = "0:0", mode = "644", content = "a"): string =>
  JSON.stringify([path, "file", owner, mode, content]);
const manifest = (...lines: string[]) => parseManifest(`${lines.join("\n")}\n`);
const recordOf = (...addresses: string[]): Pick<HostRecord, "tasks"> => ({
  tasks: [
    {
      task: "any",
      name: "any",
      status: "changed",
      reason: null,
      changes: addresses.map((address) => ({
        address,
        action: "update",
        before: null,
        after: null,
        restart: false,
      })),
    },
  ],
});
const check = (
  control: string,
  outcome: HostRecord["checks"][number]["outcome"],
  source: string,
): HostRecord["checks"][number] => ({
  control,
  title: control,
  severity: "high",
  outcome,
  expected: "",
  observed: "seen",
  source,
});

describe("what an attacked run has touched", () => {
  const before = manifest(
    line("/etc/shadow"),
    line("/etc/redis/redis.conf"),
    line("/var/lib/redis/dump.rdb"),
  );

  it.each([
    ["another owner", line("/etc/shadow", "101:102")],
    ["another mode", line("/etc/shadow", "0:0", "666")],
    ["other content", line("/etc/shadow", "0:0", "644", "b")],
  ])("names a file of root's with %s", (_, changed) => {
    const after = manifest(changed, line("/etc/redis/redis.conf"), line("/var/lib/redis/dump.rdb"));
    expect(touched(before, after, [], []).outside).toEqual([expect.stringMatching(/^\/etc\/shadow: /)]);
  });

  it("names files that came and went, also where the record speaks of them", () => {
    const after = manifest(line("/usr/bin/new"), line("/etc/redis/redis.conf"));
    const places = shownPlaces(recordOf("file:/usr/bin/new", "file:/etc/shadow"));
    expect(touched(before, after, places, []).outside).toEqual([
      "/etc/shadow: file 0:0 644 a -> absent",
      "/usr/bin/new: absent -> file 0:0 644 a",
    ]);
  });

  it("separates planned files that the record shows from others", () => {
    const after = manifest(line("/etc/shadow"), line("/etc/redis/redis.conf", "0:102", "640"));
    expect(touched(before, after, shownPlaces(recordOf("redis.conf:bind")), []).unshown).toEqual([]);
    expect(touched(before, after, shownPlaces(recordOf("ufw:rules")), []).unshown).toHaveLength(1);
    expect(touched(before, after, [], ["/etc/redis"]).unshown).toEqual([]);
  });

  it("leaves the service user's own and redkeep's own aside", () => {
    const after = manifest(line("/etc/shadow"), line("/etc/redis/redis.conf"), line("/var/lib/redkeep/lock"));
    expect(touched(before, after, [], [])).toEqual({ outside: [], unshown: [] });
  });
});

it("a program of the attacker's may be run only by the attacker's own user", () => {
  expect(runsByOthers(["101 sh", "0 timeout 20 redis-cli"], 101)).toEqual(["0 timeout 20 redis-cli"]);
});

describe("a check that turned to pass", () => {
  const fails = {
    checks: [
      check("RK-NET-01", "fail", "ss -Hltn"),
      check("RK-ACL-01", "fail", "ACL LIST"),
      check("RK-ACL-04", "fail", "/etc/redis/users.acl"),
    ],
  };
  const violated = violations(fails, ["/etc/redis"]);

  it("is one that root can see to fail", () => {
    expect(violated).toEqual(["RK-NET-01 (ss -Hltn)"]);
    expect(violations(fails, [])).toContain("RK-ACL-04 (/etc/redis/users.acl)");
    expect(turned({ checks: [check("RK-NET-01", "pass", "ss -Hltn")] }, violated)).toEqual([
      "RK-NET-01 (ss -Hltn): seen",
    ]);
  });

  it("is not one that still fails, is unknown or was not made", () => {
    for (const outcome of ["fail", "unknown", "skip"] as const) {
      expect(turned({ checks: [check("RK-NET-01", outcome, "ss -Hltn")] }, violated)).toEqual([]);
    }
    expect(turned({ checks: [] }, violated)).toEqual([]);
  });
});

describe("the runs of the figure", () => {
  it.each([1, 20, 100, 320, 700])("are %i where so many are asked for, no two alike", (count) => {
    const cases = hostileCases(count);
    expect(cases).toHaveLength(count);
    expect(new Set(cases.map(({ stage, attack, seed }) => `${stage} ${attack} ${seed}`)).size).toBe(count);
  });

  it("come to every stage and every attack, also where they are few", () => {
    expect(new Set(hostileCases(40).map(({ stage }) => stage)).size).toBe(STAGES.length);
    const all = new Set(hostileCases(700).map(({ attack }) => attack));
    expect(new Set(hostileCases(320).map(({ attack }) => attack))).toEqual(all);
  });
});
