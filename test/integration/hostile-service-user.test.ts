import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runHostile } from "../../measure/faults/hostile-user/run.ts";
import { Site } from "../../measure/faults/hostile-user/site.ts";

let site: Site;
beforeAll(async () => {
  site = await Site.open();
});
afterAll(async () => {
  await site?.[Symbol.asyncDispose]();
});

const NOTHING = { outside: [], programs: [], turned: [], unshown: [], leaks: [], endings: [] };

// Catalogue H12: a few runs of the figure "hostile-service-user".
describe("a Redis that was taken over makes no other user act for it", () => {
  it.each([
    ["verify", "socket: sections"],
    ["verify", "port: titles"],
    ["verify", "odd names"],
    ["apply", "folder link"],
    ["apply", "socket: sections"],
    ["apply", "temporary files"],
    ["recovery from a kill", "folder link"],
    ["rollback", "folder link"],
  ] as const)("%s: %s", async (stage, attack) => {
    const row = await runHostile(site, { stage, attack, seed: 0, moment: 0 });
    expect(row.found, JSON.stringify(row)).toEqual(NOTHING);
  });
});
