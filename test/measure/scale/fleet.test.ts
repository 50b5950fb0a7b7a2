import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { type Fleet, type FleetOptions, startFleet } from "../../../measure/scale/fleet.ts";
import type { RunRecord } from "../../../src/record/record.ts";
import { redkeep } from "../../support/cli.ts";
import { perTest } from "../../support/per-test.ts";

// Two hundred hosts at once, on a machine that may have two cores and other work.
vi.setConfig({ testTimeout: 240_000 });

const made = perTest();

const fleet = async (options: FleetOptions) => made.servers.use(await startFleet(options));

async function run(hosts: Fleet, ...args: string[]) {
  // Longer than a test may take, for all but the dead.
  const options = [...hosts.writeProject(made.directory.path), "--timeout", "300", "--json", "run.json"];
  const outcome = await redkeep([...args, ...options], {
    cwd: made.directory.path,
    env: hosts.env,
  });
  const record: RunRecord = JSON.parse(readFileSync(join(made.directory.path, "run.json"), "utf8"));
  return { ...outcome, record };
}

const named = ({ hosts }: Fleet, nature: string) =>
  hosts.filter((host) => host.nature === nature).map(({ name }) => name);
const withStatus = ({ hosts }: RunRecord, status: string) =>
  hosts.filter((host) => host.status === status).map(({ host }) => host);

describe("two hundred hosts, of which some are slow, dead or not who they should be", () => {
  it("are planned: each is told as it is, and the healthy wait for none of the others", async () => {
    const released = Promise.withResolvers<void>();
    // More than --forks lets be asked at once: they would hold up all the rest for as long as they keep silent.
    const hosts = await fleet({ hosts: 200, slow: 15, dead: 10, strangers: 5, late: () => released.promise });
    const healthy = hosts.hosts.filter(({ nature }) => nature === "healthy");
    const running = run(hosts, "plan", "--forks", "10");
    // Nobody slow answers before every healthy host was asked.
    const asked = () => healthy.every(({ host }) => host?.asked.length === 1);
    await vi.waitUntil(asked, { timeout: 200_000, interval: 100 });
    released.resolve();
    const { exitCode, record, stdout } = await running;

    expect(withStatus(record, "unchanged")).toEqual([
      ...hosts.hosts
        .filter(({ nature }) => nature === "healthy" || nature === "slow")
        .map(({ name }) => name),
    ]);
    expect(withStatus(record, "unreachable")).toEqual(
      hosts.hosts.filter(({ nature }) => nature === "dead" || nature === "stranger").map(({ name }) => name),
    );
    const found = new Map(record.hosts.map(({ host, error }) => [host, error?.found ?? ""]));
    for (const name of named(hosts, "stranger")) expect(found.get(name)).toContain("has changed");
    for (const name of named(hosts, "dead")) expect(found.get(name)).toContain("no SSH banner");
    for (const { host } of healthy) expect(host?.connections).toBe(1);
    expect(
      record.hosts.filter(({ status }) => status === "unchanged").every(({ roundTrips }) => roundTrips === 1),
    ).toBe(true);
    expect(exitCode).toBe(4);
    // A page for people, however many hosts there are.
    expect(stdout.split("\n").length).toBeLessThan(40);
    expect(stdout).toMatch(/\(185 hosts\):\s+as\s+wanted/);
  });
});

describe("a fleet that is as the playbook wants it", () => {
  it("is verified with all checks of every host in the record", async () => {
    const hosts = await fleet({ hosts: 30 });
    const { exitCode, record } = await run(hosts, "verify");
    expect(exitCode).toBe(0);
    const { checks, hosts: count } = record.summary;
    expect(count).toBe(30);
    expect(checks.fail).toBe(0);
    expect(checks.pass).toBe(
      30 * (record.hosts[0]?.checks.filter(({ outcome }) => outcome === "pass").length ?? 0),
    );
  });
});

describe("a stock fleet", () => {
  it("is changed by apply, each host in a transaction of its own that is confirmed", async () => {
    const hosts = await fleet({ hosts: 12, like: "stock", strangers: 1 });
    made.directory.write(
      "site.yml",
      "- hosts: redis\n  tasks:\n    - limits: { maxmemory: 512mb, maxclients: 9000, nofile: 64 }\n",
    );
    const { exitCode, record } = await run(hosts, "apply", "site.yml", "--yes");
    expect(record.summary).toMatchObject({ hosts: 12, changed: 11, unreachable: 1 });
    const states = hosts.hosts.map(({ nature, host }) => [nature, host?.state]);
    expect(states.filter(([, state]) => state === "committed")).toHaveLength(11);
    expect(exitCode).toBe(4);
    const again = await run(hosts, "apply", "site.yml", "--yes");
    expect(again.record.summary).toMatchObject({ changed: 0, unchanged: 11 });
  });
});
