import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { guardBlastRadius } from "../../src/fleet/blast-radius.ts";
import type { Play } from "../../src/playbook/playbook.ts";
import type { HostRecord, RunRecord } from "../../src/record/record.ts";
import type { TaskStatus } from "../../src/record/statuses.ts";
import type { Host } from "../../src/run/host.ts";
import type { RunOptions } from "../../src/run/options.ts";
import { State } from "../../src/state/state.ts";
import { type Directory, generateKey, temporaryDirectory } from "../connection/support/server.ts";
import { redkeep } from "../support/cli.ts";
import { ending, hostNamed } from "../support/hosts.ts";
import { writeProject } from "../support/project.ts";
import { startRecordedHost } from "../support/recorded-host.ts";
import { changeRecord, hostNames, hostRecord, runRecord, taskRecord } from "../support/records.ts";

let directory: Directory;
let state: State;
beforeEach(async () => {
  directory = temporaryDirectory();
  state = await State.open(directory.path, undefined, directory.path);
});
afterEach(() => directory[Symbol.dispose]());

const PLAY = { name: "Harden Redis" } as Play;
const task = (name: string, status: TaskStatus) => ({ ...taskRecord(name, name), status });

/** Keeps a record of these hosts, each with the task `bind` as wanted unless said otherwise. */
async function keep(
  hosts: readonly string[],
  {
    command = "apply",
    day = 1,
    ...parts
  }: Partial<HostRecord> & { command?: RunRecord["command"]; day?: number } = {},
): Promise<void> {
  const records = hosts.map((host) =>
    hostRecord(host, { status: "changed", tasks: [task("bind", "changed")], ...parts }),
  );
  await state.write(`runs/2026-01-0${day}T06-30-12.000Z.json`, JSON.stringify(runRecord(command, records)));
}

/** A host of this run: the task `bind` would change, with a restart or without, or nothing would. */
function hostOf(name: string, would: "restart" | "change" | "nothing" = "restart", play = PLAY): Host {
  const made = hostNamed(name, { plays: [play] });
  const change = changeRecord("redis.conf:bind", "127.0.0.1", { restart: would === "restart" });
  return {
    ...made,
    outcome: ending(would === "nothing" ? "unchanged" : "would-change"),
    work: {
      ...made.work,
      tasks: [taskRecord("bind", "bind", would === "nothing" ? [] : [change])],
      restart: { needed: would === "restart", unavailableMs: 0 },
    },
  };
}

/** The hosts after the guard. */
async function guard(all: readonly Host[], options: Partial<RunOptions> = {}): Promise<Host[]> {
  const pending = all.filter(({ outcome }) => outcome.status === "would-change");
  const run = { state, options: { limit: undefined, accept: new Set<string>(), ...options } };
  const after = await guardBlastRadius(run, all, pending);
  return all.map((host) => after.find(({ job }) => job === host.job) ?? host);
}

/** Their statuses. */
async function guarded(...args: Parameters<typeof guard>): Promise<string[]> {
  return (await guard(...args)).map(({ outcome }) => outcome.status);
}

const hosts = hostNames(6);
const refused = Array.from({ length: 6 }, () => "refused");
const allowed = Array.from({ length: 6 }, () => "would-change");

describe("a fleet that the last run left as wanted, and that would restart", () => {
  it("is refused, with what it would have restarted for and how to go on", async () => {
    await keep(hosts);
    const after = await guard(hosts.map((host) => hostOf(host)));
    expect(after.map(({ outcome }) => outcome.status)).toEqual(refused);
    expect(after[0]?.outcome.error).toMatchObject({
      where: "blast-radius",
      found: expect.stringMatching(/restart on 6 of the 6 hosts of "Harden Redis".*bind/),
      state: "nothing was changed on this host",
      guards: ["blast-radius"],
    });
  });

  it("is refused as a whole, with hosts that need no restart and other plays; unchanged hosts stay unchanged", async () => {
    await keep(hosts);
    const others = [hostOf("new", "change", { name: "other" } as Play), hostOf("right", "nothing")];
    expect(await guarded([...hosts.map((host) => hostOf(host)), ...others])).toEqual([
      ...refused,
      "refused",
      "unchanged",
    ]);
  });

  it("is recognised over several records, from runs with --limit and a run that could not reach a host", async () => {
    for (const [index, host] of hosts.entries()) await keep([host], { day: index + 1 });
    await keep(hosts, { day: 7, status: "unreachable", tasks: [] });
    await keep(hosts, { day: 8, tasks: [task("bind", "skipped"), task("acl", "ok")] });
    expect(await guarded(hosts.map((host) => hostOf(host)))).toEqual(refused);
  });

  it("is recognised where files that are no run records lie beside them", async () => {
    await keep(hosts);
    await state.write("runs/2026-01-09T06-30-12.000Z.json", "{");
    await state.write("runs/2026-01-08T06-30-12.000Z.json", '{"schema": "redkeep.run/2", "hosts": []}');
    await state.write("runs/2026-01-07T06-30-12.000Z.json/below", "");
    expect(await guarded(hosts.map((host) => hostOf(host)))).toEqual(refused);
  });

  it("ends with 3 after the probe alone was sent to its hosts", async () => {
    await keep(hosts, { tasks: [task("limits", "ok")] });
    await using stack = new AsyncDisposableStack();
    const servers = [];
    for (const host of hosts) {
      // One machine each: two names of one are done once.
      const edit = (text: string) =>
        text.replace(/[0-9a-f]{32}/, Buffer.from(host.padEnd(16)).toString("hex"));
      servers.push([host, stack.use(await startRecordedHost("stock", edit, generateKey()))] as const);
    }
    const args = writeProject(directory, Object.fromEntries(servers), "limits: { nofile: 70000 }");
    const { exitCode, stdout } = await redkeep(["apply", ...args, "--yes", "--state", directory.path], {
      cwd: directory.path,
    });
    expect(stdout).toContain("--accept blast-radius");
    expect(exitCode).toBe(3);
    expect(servers.map(([, { scripts }]) => scripts.length)).toEqual([1, 1, 1, 1, 1, 1]);
  });

  it.each<[string, Partial<RunOptions>]>([
    ["accepted", { accept: new Set(["blast-radius"]) }],
    ["the hosts are named", { limit: "redis-0*" }],
  ])("is let through where it is %s", async (_, options) => {
    await keep(hosts);
    expect(
      await guarded(
        hosts.map((host) => hostOf(host)),
        options,
      ),
    ).toEqual(allowed);
  });
});

describe("nothing is refused", () => {
  const expectAllowed = async (all = hosts.map((host) => hostOf(host))) => {
    const before = all.map(({ outcome }) => outcome.status);
    expect(await guarded(all)).toEqual(before);
  };

  it("on a first run", () => expectAllowed());

  it.each<[string, Parameters<typeof keep>[1]]>([
    ["for a task that is new", { tasks: [task("limits", "changed")] }],
    ["for a task that was skipped", { tasks: [task("bind", "skipped")] }],
    ["after an apply that was rolled back", { status: "rolled-back" }],
    [
      "after a plan alone",
      { command: "plan", status: "would-change", tasks: [task("bind", "would-change")] },
    ],
  ])("%s", async (_, parts) => {
    await keep(hosts, parts);
    await expectAllowed();
  });

  it.each(["restored", "rolled-back"] as const)(
    "after a rollback on purpose, in the record of a version that called it %s",
    async (status) => {
      await keep(hosts, { day: 1 });
      await keep(hosts, { day: 2, command: "rollback", status });
      await expectAllowed();
    },
  );

  it("where no restart is needed", async () => {
    await keep(hosts);
    await expectAllowed(hosts.map((host) => hostOf(host, "change")));
  });

  it("on fewer than five hosts, or on half of them", async () => {
    await keep(hostNames(20));
    await expectAllowed(hostNames(4).map((host) => hostOf(host)));
    const half = hostNames(20).map((host, index) => hostOf(host, index < 10 ? "restart" : "nothing"));
    await expectAllowed(half);
  });

  it("where few of the hosts that would restart were left as wanted", async () => {
    await keep(hosts.slice(0, 3));
    await expectAllowed();
  });
});
