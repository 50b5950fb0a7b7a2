import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import type { RunRecord } from "../../src/record/record.ts";
import { generateKey, startTcp } from "../connection/support/server.ts";
import { type Acting, type ActingHost, startActingHost } from "../support/acting-host.ts";
import { type Outcome, redkeep } from "../support/cli.ts";
import { perTest } from "../support/per-test.ts";
import { writeProject } from "../support/project.ts";

// Dozens of hosts are at work at once, on a machine that may have two cores.
vi.setConfig({ testTimeout: 120_000 });

const made = perTest();

const key = generateKey();
type Hosts = Record<string, ActingHost>;

/** Hosts h01, h02, …, each with what `acting` says of its number. */
async function fleet(count: number, acting: (number: number) => Acting = () => ({})): Promise<Hosts> {
  const hosts: Hosts = {};
  for (let number = 1; number <= count; number++) {
    const host = await startActingHost({ hostKey: key, ...acting(number) });
    hosts[`h${String(number).padStart(2, "0")}`] = made.servers.use(host);
  }
  return hosts;
}

/** Applies one setting that all hosts lack. `play` is what the play says beside its hosts. */
async function apply(
  hosts: Record<string, { port: number; hostKey?: { public: string } }>,
  play: string,
  ...more: string[]
): Promise<Outcome & { record: RunRecord }> {
  const args = writeProject(made.directory, hosts);
  made.directory.write(
    "site.yml",
    `- hosts: all\n  ${play}\n  tasks:\n    - limits: { maxmemory: 512mb, maxclients: 9000, nofile: 64 }\n`,
  );
  const outcome = await redkeep(
    ["apply", ...args, "--timeout", "60", "--yes", "--state", "state", "--json", "run.json", ...more],
    { cwd: made.directory.path },
  );
  return { ...outcome, record: JSON.parse(readFileSync(join(made.directory.path, "run.json"), "utf8")) };
}

const statuses = ({ hosts }: RunRecord) => hosts.map(({ host, status }) => `${host} ${status}`);
const touched = (hosts: Hosts) =>
  Object.entries(hosts)
    .filter(([, { asked }]) => asked.includes("transaction"))
    .map(([name]) => name);

describe("a bad change", () => {
  it("ends with the canary: one host is touched and put back, the others are as they were", async () => {
    const hosts = await fleet(12, () => ({ outcome: () => "rolled_back" }));
    const { exitCode, record } = await apply(hosts, "serial: [1, 100%]");
    expect(touched(hosts)).toEqual(["h01"]);
    expect(statuses(record)).toEqual([
      "h01 rolled-back",
      ...Object.keys(hosts)
        .slice(1)
        .map((host) => `${host} not-started`),
    ]);
    expect(record.summary).toMatchObject({
      hosts: 12,
      rolledBack: 1,
      notStarted: 11,
      changed: 0,
      changes: 0,
    });
    expect(exitCode).toBe(5);
  });
});

describe("a failure in a later batch", () => {
  it("lets what is under way come to its end and begins nothing more; every host is counted once", async () => {
    const hosts = await fleet(10, (number) => (number === 5 ? { outcome: () => "rolled_back" } : {}));
    await using silent = await startTcp((socket) => socket.destroy());
    const stranger = made.servers.use(await startActingHost({ hostKey: generateKey() }));
    const { exitCode, record } = await apply(
      { ...hosts, dead: silent, stranger: { port: stranger.port, hostKey: key } },
      "serial: 3\n  max_fail_percentage: 30",
    );
    expect(statuses(record)).toEqual([
      ...["h01", "h02", "h03", "h04"].map((host) => `${host} changed`),
      "h05 rolled-back",
      "h06 changed",
      ...["h07", "h08", "h09", "h10"].map((host) => `${host} not-started`),
      "dead unreachable",
      "stranger unreachable",
    ]);
    const { summary } = record;
    expect(summary).toMatchObject({ hosts: 12, changed: 5, rolledBack: 1, notStarted: 4, unreachable: 2 });
    expect(touched(hosts)).toEqual(["h01", "h02", "h03", "h04", "h05", "h06"]);
    expect(stranger.asked).toEqual([]);
    expect(exitCode).toBe(5);
  });
});

describe("--retry-failed", () => {
  it("plans the unfinished hosts afresh, and asks nothing of a host that is done", async () => {
    let isMended = false;
    const hosts = await fleet(8, (number) => ({
      outcome: () => (number === 4 && !isMended ? "rolled_back" : "applied"),
    }));
    const first = await apply(hosts, "serial: 2\n  any_errors_fatal: true");
    expect(first.record.summary).toMatchObject({ changed: 3, rolledBack: 1, notStarted: 4 });
    const connections = Object.values(hosts).map((host) => host.connections);

    isMended = true;
    made.directory.write("first.json", readFileSync(join(made.directory.path, "run.json"), "utf8"));
    const second = await apply(hosts, "serial: 2", "--retry-failed", "first.json");
    expect(second.exitCode).toBe(0);
    expect(statuses(second.record)).toEqual(
      ["h04", "h05", "h06", "h07", "h08"].map((host) => `${host} changed`),
    );
    for (const [index, [name, host]] of Object.entries(hosts).entries()) {
      const isDone = ["h01", "h02", "h03"].includes(name);
      if (isDone) expect(host.connections, name).toBe(connections[index]);
      expect(host.state, name).toBe("committed");
      expect(
        host.asked.filter((step) => step === "transaction"),
        name,
      ).toHaveLength(name === "h04" ? 2 : 1);
      // The facts that the first run saw are not gone on with.
      if (!isDone) expect(host.asked.indexOf("probe", 1), name).toBeGreaterThan(0);
    }
    const again = await apply(hosts, "serial: 2", "--retry-failed", "run.json");
    expect(again.exitCode).toBe(0);
    expect(again.record.hosts).toEqual([]);
  });
});

describe("a fleet of which a twentieth is down", () => {
  it("is changed save for that twentieth, and each host of it is named", async () => {
    const hosts = await fleet(38);
    const dead = made.servers.use(await startTcp((socket) => socket.destroy()));
    const stranger = made.servers.use(await startActingHost({ hostKey: generateKey() }));
    const { exitCode, record } = await apply(
      { ...hosts, dead, stranger: { port: stranger.port, hostKey: key } },
      "serial: [1, 10%, 100%]",
    );
    expect(record.summary).toMatchObject({ hosts: 40, changed: 38, unreachable: 2, failed: 0, unknown: 0 });
    expect(Object.values(hosts).filter(({ state }) => state !== "committed")).toEqual([]);
    expect(stranger.asked).toEqual([]);
    expect(exitCode).toBe(4);
  });
});
