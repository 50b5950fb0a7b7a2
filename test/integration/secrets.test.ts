import { readdirSync, statSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { blindPlaces, everyday, findText, missing, told } from "../../measure/faults/secrets/check.ts";
import { Scenario } from "../../measure/faults/secrets/scenario.ts";

let scenario: Scenario;
let found: string[];
let problems: string[];
let repeated: Awaited<ReturnType<typeof told>>;

beforeAll(async () => {
  scenario = await Scenario.start();
  repeated = await told(scenario);
  await scenario.watch();
  problems = await everyday(scenario, { thorough: false, log: () => {} });
  const { finds } = await scenario.finds();
  found = finds.map(findText);
}, 300_000);
afterAll(async () => {
  await scenario?.[Symbol.asyncDispose]();
});

describe("secrets of a run", () => {
  it("are at no moment in redkeep's output, a record, a process list, a log or a file that others may read", () => {
    expect(problems).toEqual([]);
    expect(missing(scenario.markers())).toEqual([]);
    expect(found).toEqual([]);
  });

  it("are on the host only where they are used, and for rollback by root", async () => {
    const configuration = ["/etc/redis/redis.conf", "/var/lib/redkeep"];
    expect(Object.fromEntries(await scenario.restingPlaces())).toEqual({
      "requirepass of the host": ["/var/lib/redkeep"],
      "password of an ACL user of the host": ["/var/lib/redkeep"],
      masterauth: configuration,
      "tls-key-file-pass": configuration,
      "name of a renamed command": configuration,
      "private key of the server": ["/etc/redis/tls/redkeep-server.key", "/var/lib/redkeep"],
    });
  });

  it("are readable on the controller by their owner alone", () => {
    const { project } = scenario;
    const mode = (name: string): string => (statSync(project.path(name)).mode & 0o777).toString(8);
    expect(mode(".redkeep")).toBe("700");
    expect(mode(".redkeep/secrets.yml")).toBe("600");
    for (const name of ["ca.key", "clients/app.key"]) expect(mode(`.redkeep/pki/${name}`)).toBe("600");
    for (const name of readdirSync(project.path(".redkeep/runs")))
      expect(mode(`.redkeep/runs/${name}`)).toBe("600");
    expect(readdirSync(project.path("tmp")).filter((name) => name.startsWith("redkeep"))).toEqual([]);
  });

  it("are searched for in a way that finds each in every encoding and place", async () => {
    expect(await blindPlaces(scenario)).toEqual([]);
  }, 300_000);

  it("are masked where a host prints them, in any encoding and in pieces", () => {
    expect(repeated.problems).toEqual([]);
    expect(repeated.finds.map(findText)).toEqual([]);
  });
});
