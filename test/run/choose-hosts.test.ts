import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { packageDirectory } from "../../src/lib/package.ts";
import { loadPlaybook } from "../../src/playbook/load-playbook.ts";
import { selectPlays } from "../../src/run/choose-hosts.ts";
import { directoryWith, inventoryOf, refusal } from "../inventory/inventory-on-disk.ts";

/** What the plays with these patterns select of a production inventory. */
async function selected(...patterns: string[]) {
  const play = (hosts: string) => `- hosts: "${hosts}"\n  tasks: [{name: n, limits: {}}]\n`;
  const cwd = await directoryWith({ "play.yml": patterns.map(play).join("") });
  const inventory = await inventoryOf("prod_redis: {hosts: {r1: , r2: }}\nprod_web: {hosts: w1}\n");
  const plays = selectPlays(inventory, await loadPlaybook("play.yml", cwd), undefined);
  return { hosts: [...plays.selected.keys()].join(" "), warnings: plays.warnings };
}

describe("the hosts of a playbook", () => {
  it("may name a group of another inventory beside one of this: a warning", async () => {
    expect(await selected("stage_redis:prod_redis")).toEqual({
      hosts: "r1 r2",
      warnings: ['play.yml:1:3  stage_redis: no host or group of the inventory matches "stage_redis".'],
    });
  });

  it("may leave one play without a host: a warning", async () => {
    const { hosts, warnings } = await selected("prod_redis", "stage_web");
    expect(hosts).toBe("r1 r2");
    expect(warnings).toEqual([expect.stringContaining('"stage_web"')]);
  });

  it.each(["localhost", "127.0.0.1", "::1"])("may leave out %s, which every inventory has", async (name) => {
    expect(await selected(`prod_redis,!${name}`)).toEqual({ hosts: "r1 r2", warnings: [] });
  });

  it.each<[string, string[], string]>([
    ["a typo in an exclusion", ["prod_redis:!r3"], '!r3: no host or group of the inventory matches "r3"'],
    [
      "nothing that matches",
      ["stage_redis", "stage_web"],
      'no host or group of the inventory matches "stage_web"',
    ],
    ["an intersection with nothing", ["prod_redis:&stage"], "&stage: no host or group"],
  ])("%s is refused", async (_name, patterns, message) => {
    expect(await refusal(selected(...patterns))).toContain(message);
  });

  it("of the playbook that ships, which has another group than this fleet, say what to do", async () => {
    const inventory = await inventoryOf("prod_redis: {hosts: r1}\n");
    const shipped = await loadPlaybook(join(packageDirectory, "playbooks", "harden.yml"), "/");
    expect(() => selectPlays(inventory, shipped, undefined)).toThrow(
      'no host or group of the inventory matches "redis". This playbook ships with redkeep: copy it to playbooks/harden.yml, and name your group behind hosts',
    );
  });
});
