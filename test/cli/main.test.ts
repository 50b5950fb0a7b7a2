import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Directory, startTcp, temporaryDirectory } from "../connection/support/server.ts";
import { type Outcome, redkeep } from "../support/cli.ts";
import { editedAnswer } from "../support/facts.ts";
import { writeProject } from "../support/project.ts";
import { type RecordedHost, startRecordedHost } from "../support/recorded-host.ts";

const SOURCES = resolve(import.meta.dirname, "../../src");

let directory: Directory;
beforeEach(() => {
  directory = temporaryDirectory();
});
afterEach(() => directory[Symbol.dispose]());

const project = (hosts: Record<string, { port: number; hostKey?: { public: string } }>, task?: string) =>
  writeProject(directory, hosts, task);

const run = (
  args: readonly string[],
  more: { onStart?: (signal: (name: string) => void) => void } = {},
): Promise<Outcome> => redkeep(args, { cwd: directory.path, ...more });

/** `redkeep plan` on one recorded host. */
async function plan(host: RecordedHost, ...more: string[]) {
  const outcome = await run(["plan", ...project({ "redis-01": host }), "--json", "-", ...more]);
  const [record] = JSON.parse(outcome.stdout).hosts;
  return { ...outcome, record };
}

describe("verify on a host that a guard keeps from changes", () => {
  it("says how many checks were made, not that it was refused", async () => {
    await using host = await startRecordedHost("stock");
    const args = project({ "redis-01": host }, "limits: { maxmemory: 100kb }");
    expect((await run(["plan", ...args])).stdout).toContain("redis-01  refused");
    const { stderr } = await run(["verify", ...args, "--skip-tags", "acl"]);
    expect(stderr).toMatch(/redis-01: looked at, \d+ of \d+ checks fail, \d+ not checked/);
    expect(stderr).not.toContain("refused");
  });
});

describe("verify on a host whose Redis does not run", () => {
  it("says first that Redis does not run, and counts what it could not check as unknown, not as failed", async () => {
    const gone = () => undefined;
    await using host = await startRecordedHost("stock", () =>
      editedAnswer("stock", {
        login: gone,
        "login-error": () => "the service does not run, or no redis-cli is here\n",
        endpoint: gone,
        info: gone,
        running: gone,
        "acl-list": gone,
        properties: (text) => text.replace(/^MainPID=.*$/m, "MainPID=0"),
        "plain-ping 127.0.0.1 6379": gone,
      }),
    );
    const args = project({ "redis-01": host }, "bind: { addresses: [127.0.0.1] }");
    const { stdout } = await run(["verify", ...args, "--tags", "network", "-v"]);
    expect(stdout.split("\n")[2]).toMatch(/^✖ redis-01: Redis does not run\./);
    expect(stdout).toContain("the service does not run");
    expect(stdout).not.toContain("or no redis-cli is here");
    expect(stdout).not.toMatch(/not checked, *$/m);
  });
});

describe("verify without the state that has the administrator's password", () => {
  it("says which file is missing on the controller, not only that the server refuses the login", async () => {
    await using host = await startRecordedHost("login-lost");
    const acl = "acl: { users: [{ name: admin, preset: admin, password: { generate: true } }] }";
    const args = project({ "redis-01": host }, acl);
    const { stdout, exitCode } = await run(["verify", ...args]);
    expect(exitCode).toBe(3);
    expect(stdout.replace(/\s+/g, " ")).toContain(
      ".redkeep has no password of admin; copy secrets.yml from where apply has run",
    );
  });
});

describe("plan on a host that answers", () => {
  it("ends with 0 where nothing would change, after one connection and one round trip", async () => {
    await using host = await startRecordedHost("hardened");
    const { exitCode, record } = await plan(host);
    expect(exitCode).toBe(0);
    expect(record).toMatchObject({ status: "unchanged", connections: 1, roundTrips: 1, error: null });
  });

  it("ends with 2 where something would change", async () => {
    await using host = await startRecordedHost("stock");
    const { exitCode, record } = await plan(host);
    expect(exitCode).toBe(2);
    expect(record.status).toBe("would-change");
  });

  it.each([
    [
      "an older one",
      "redis-7.0.15",
      (text: string) => text.replace("redis_version:7.0.15", "redis_version:7.2.4"),
      "Redis 7.2.4",
    ],
    [
      "a newer one",
      "redis-7.0.15",
      (text: string) => text.replace("redis_version:7.0.15", "redis_version:8.4.0"),
      "Redis 8.4.0",
    ],
  ])("refuses a version that was never tried, %s, unless it is accepted", async (_, _from, edit, name) => {
    await using host = await startRecordedHost("stock", edit);
    const refused = await plan(host);
    expect(refused.exitCode).toBe(3);
    expect(refused.record).toMatchObject({
      status: "refused",
      error: {
        where: "unmeasured-version",
        guards: ["unmeasured-version"],
        found: expect.stringContaining(name),
      },
    });
    expect((await plan(host, "--accept", "unmeasured-version")).exitCode).toBe(2);
  });

  it("refuses a version without ACLs, whatever is accepted", async () => {
    await using host = await startRecordedHost("stock", (text) =>
      text.replace("redis_version:7.0.15", "redis_version:5.0.14"),
    );
    const { exitCode, record } = await plan(host, "--accept", "unmeasured-version");
    expect(exitCode).toBe(3);
    expect(record.error).toMatchObject({ where: "version", guards: [] });
  });

  it("refuses while another run waits for its confirmation, and names it", async () => {
    const pending = "txn/20260101T000000Z-0badcafe\napplied\nana@laptop since 2026-01-01T00:00:00Z\n";
    await using host = await startRecordedHost("stock", (text) =>
      text.replace(/^(\S+ pending\n)/m, `$1${pending}`),
    );
    const { exitCode, record } = await plan(host);
    expect(exitCode).toBe(3);
    expect(record).toMatchObject({
      status: "refused",
      error: { found: expect.stringContaining("ana@laptop since 2026-01-01") },
    });
  });

  it.each([
    [
      "a missing tool, with its package",
      (text: string) => text.replace("\nflock\n", "\n"),
      "refused",
      "install util-linux",
    ],
    [
      "a host whose files could not be read with their folders' owners' rights",
      (text: string) => text.replace("\nsetpriv\n", "\n"),
      "refused",
      "install util-linux",
    ],
    [
      "a host that cannot pack its files",
      (text: string) => text.replace("\ntar\n", "\n"),
      "refused",
      "install tar",
    ],
    ["a host without stat", (text: string) => text.replace("\nstat\n", "\n"), "refused", "install coreutils"],
    [
      "a missing client program",
      (text: string) => text.replace("client\nredis-cli\n", "client\n\n"),
      "refused",
      "install redis-tools",
    ],
    [
      "a login that is not root",
      (text: string) => text.replace(/^0\n\n(\S+ memory)/m, "1000\n\n$1"),
      "failed",
      "become: true",
    ],
    ["an answer that ends too early", (text: string) => text.slice(0, text.length / 2), "failed", ""],
    ["no answer", () => "", "failed", ""],
  ])("stops at a host with %s", async (_, edit, status, remedy) => {
    await using host = await startRecordedHost("stock", edit);
    const { exitCode, record } = await plan(host);
    expect(exitCode).toBe(3);
    expect(record).toMatchObject({ status, error: { remedy: expect.stringContaining(remedy) }, tasks: [] });
    expect(record.error.state).toBe("nothing was changed on this host");
  });

  it("sends nothing that writes: the probe alone", async () => {
    await using host = await startRecordedHost("stock");
    await plan(host);
    expect(host.scripts).toHaveLength(1);
    expect(host.scripts[0]).not.toMatch(
      /transaction\.sh|systemctl (restart|stop|start|daemon-reload)|CONFIG SET|ACL SETUSER/,
    );
  });
});

describe("exit codes of several hosts", () => {
  it("are 4 for an unreachable host, unless another host failed; the other hosts are still reported", async () => {
    await using good = await startRecordedHost("hardened");
    await using broken = await startRecordedHost("stock", () => "");
    await using closing = await startTcp((socket) => socket.destroy());
    const args = project({ good, down: closing });
    expect((await run(["plan", ...args])).exitCode).toBe(4);
    const outcome = await run(["plan", ...project({ good, down: closing, broken }), "--json", "-"]);
    expect(outcome.exitCode).toBe(3);
    const statuses = JSON.parse(outcome.stdout).hosts.map(
      ({ host, status }: { host: string; status: string }) => `${host} ${status}`,
    );
    expect(statuses).toEqual(["good unchanged", "down unreachable", "broken failed"]);
  });

  it("are 130 soon after Ctrl-C, although a host never answers", async () => {
    await using good = await startRecordedHost("hardened");
    let interrupt = (_name: string) => {};
    await using silent = await startTcp(() => interrupt("SIGINT"));
    // Longer than this test may take.
    const patience = ["--timeout", "300"];
    const outcome = await run(["plan", ...project({ good, silent }), ...patience, "--json", "-"], {
      onStart: (signal) => {
        interrupt = signal;
      },
    });
    expect(outcome.exitCode).toBe(130);
    expect(JSON.parse(outcome.stdout).exitCode).toBe(130);
    expect(outcome.stderr).toContain("Stopping: finishing hosts in progress");
  });

  it("are 130 after Ctrl-C in a verify, which lists the hosts that it did not ask as not started", async () => {
    let interrupt = (_name: string) => {};
    await using first = await startRecordedHost("stock", (answer) => {
      interrupt("SIGINT");
      return answer;
    });
    await using second = await startRecordedHost("stock");
    const outcome = await run(
      ["verify", ...project({ first, second }), "--forks", "1", "--tags", "topology", "--json", "-"],
      {
        onStart: (signal) => {
          interrupt = signal;
        },
      },
    );
    expect(outcome.exitCode).toBe(130);
    expect(outcome.stderr).not.toContain("No host was touched");
    const statuses = JSON.parse(outcome.stdout).hosts.map(({ status }: { status: string }) => status);
    expect(statuses.at(-1)).toBe("not-started");
    expect(outcome.stderr).toContain("Interrupted. 2 hosts: 1 not started, ");
  });

  it("are 1 where the tags of a verify leave only checks that do not apply, and the message says that the hosts were asked", async () => {
    await using host = await startRecordedHost("stock");
    const outcome = await run(["verify", ...project({ host }), "--tags", "topology"]);
    expect(outcome.exitCode).toBe(1);
    expect(outcome.stderr).toMatch(
      /--tags: leaves no check to make on this host: none of RK-\S+(, RK-\S+)* (and \d+ more )?applies there\n/,
    );
    expect(outcome.stderr).toContain("1 problem. The hosts were looked at, and nothing was changed.");
  });

  it("are 130 after an interruption, also where a host failed", async () => {
    let interrupt = (_name: string) => {};
    await using broken = await startRecordedHost("stock", () => {
      interrupt("SIGTERM");
      return "";
    });
    const outcome = await run(["plan", ...project({ broken })], {
      onStart: (signal) => {
        interrupt = signal;
      },
    });
    expect(outcome.exitCode).toBe(130);
  });
});

describe("--accept", () => {
  /** The guards that the source raises, wherever it does. */
  const raised = () => {
    const names = new Set<string>();
    for (const file of readdirSync(SOURCES, { recursive: true, encoding: "utf8" })) {
      if (!file.endsWith(".ts")) continue;
      const text = readFileSync(join(SOURCES, file), "utf8");
      for (const [, name = ""] of text.matchAll(/\bguard: "([a-z0-9-]+)"/g)) names.add(name);
      for (const [, list = ""] of text.matchAll(/\bguards: \[([^\]]*)\]/g))
        for (const [, name = ""] of list.matchAll(/"([a-z0-9-]+)"/g)) names.add(name);
    }
    return [...names].sort();
  };

  it("knows every guard that the source raises, and no other", async () => {
    const { exitCode, stderr } = await run(["plan", ...project({}), "--accept", "no-such-guard"]);
    expect(exitCode).toBe(1);
    const known = /Guards are ([a-z0-9, -]+)/.exec(stderr)?.[1]?.split(", ") ?? [];
    expect(known.length).toBeGreaterThan(20);
    expect([...known].sort()).toEqual(raised());
  });

  it("refuses a mistyped guard before any host is asked, and suggests the nearest name", async () => {
    await using host = await startRecordedHost("stock");
    const { exitCode, stderr } = await run(["plan", ...project({ host }), "--accept", "persistence-difers"]);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/there is no guard "persistence-difers".*persistence-differs/);
    expect(stderr).toContain("No host was touched.");
    expect(host.connections).toBe(0);
  });
});

describe("wrong usage ends with 1 and reaches no host", () => {
  it.each([
    ["no inventory", ["plan", "site.yml"], /--inventory/],
    ["an unknown option", ["plan", "site.yml", "-i", "hosts.yml", "--limt", "x"], /--limit/],
    ["an unknown command", ["plam"], /plan/],
    [
      "apply without a terminal and without --yes",
      ["apply", "site.yml", "-i", "hosts.yml"],
      /--yes: is needed to apply without a terminal/,
    ],
    [
      "a shard that counts from 0",
      ["plan", "site.yml", "-i", "hosts.yml", "--shard", "0/3"],
      /--shard: should be I\/N with I from 1 to N/,
    ],
    ["a shard beyond the last", ["plan", "site.yml", "-i", "hosts.yml", "--shard", "4/3"], /--shard/],
    ["a shard of nothing", ["plan", "site.yml", "-i", "hosts.yml", "--shard", "1/0"], /--shard/],
    ["tags that name none", ["plan", "site.yml", "-i", "hosts.yml", "--tags", " ,"], /--tags: names no tag/],
    [
      "forks that are no number",
      ["plan", "site.yml", "-i", "hosts.yml", "--forks", "many"],
      /whole number from 1 to 1000/,
    ],
    ["no forks", ["plan", "site.yml", "-i", "hosts.yml", "--forks", "0"], /whole number from 1 to 1000/],
    [
      "-k without a terminal",
      ["plan", "site.yml", "-i", "hosts.yml", "-k"],
      /-k: needs a terminal to ask on/,
    ],
    [
      "a slip in the name of one of redkeep's variables",
      ["plan", "site.yml", "-i", "hosts.yml", "-e", "redkeep_replication_groop=shop"],
      /redkeep_replication_groop: is no such variable\. Did you mean "redkeep_replication_group"\?/,
    ],
    ["an inventory that is not there", ["plan", "site.yml", "-i", "none.yml"], /none\.yml/],
  ])("%s", async (_, args, message) => {
    await using host = await startRecordedHost("stock");
    project({ host });
    const { exitCode, stderr, stdout } = await run(args);
    expect(stderr).toMatch(message);
    expect(exitCode).toBe(1);
    expect(stdout).toBe("");
    expect(host.connections).toBe(0);
  });
});

describe("a part of the fleet", () => {
  it("puts a host into the same shard of three each time, and ends with 0 where a shard is empty", async () => {
    await using host = await startRecordedHost("hardened");
    const outcomes = [];
    for (const shard of ["1/3", "2/3", "3/3"])
      outcomes.push(await run(["plan", ...project({ host }), "--shard", shard, "--json", "-"]));
    expect(outcomes.map(({ exitCode }) => exitCode)).toEqual([0, 0, 0]);
    expect(outcomes.map(({ stdout }) => JSON.parse(stdout).hosts.length).sort()).toEqual([0, 0, 1]);
    expect(host.connections).toBe(1);
  });
});

it("apply changes no host where the record of the run cannot be kept", async () => {
  await using host = await startRecordedHost("stock");
  mkdirSync(join(directory.path, ".redkeep"));
  writeFileSync(join(directory.path, ".redkeep", "runs"), "");
  const { exitCode, stderr } = await run(["apply", ...project({ host }), "--yes"]);
  expect(stderr).toContain("runs");
  expect(exitCode).toBe(1);
  expect(host.scripts).toHaveLength(1);
});

it("a run reaches no host where the record for --json could not be written at its end", async () => {
  await using host = await startRecordedHost("stock");
  const tooLong = `${"x".repeat(300)}.json`;
  const { exitCode, stderr } = await run(["apply", ...project({ host }), "--yes", "--json", tooLong]);
  expect(stderr).toMatch(/--json.*cannot be written to: ENAMETOOLONG/s);
  expect(exitCode).toBe(1);
  expect(host.connections).toBe(0);
});

it("plan writes no state and leaves the controller as it was", async () => {
  await using host = await startRecordedHost("stock");
  mkdirSync(join(directory.path, "state"));
  writeFileSync(join(directory.path, "state", "mine"), "");
  await run(["plan", ...project({ host }), "--state", "state"]);
  expect(readdirSync(join(directory.path, "state"))).toEqual(["mine"]);
  expect(readdirSync(directory.path)).not.toContain(".redkeep");
});

describe("an error that nobody catches", () => {
  it("is reported as a bug, with its stack and without the secrets in it", () => {
    const program = `
      import { main } from ${JSON.stringify(join(SOURCES, "cli/main.ts"))};
      import { Secret } from ${JSON.stringify(join(SOURCES, "lib/secret.ts"))};
      const secret = new Secret("marker-of-a-stray-error");
      void main(process);
      setTimeout(() => { throw new Error("sent " + secret.reveal()); });
      setTimeout(() => {}, 60_000);`;
    const { status, stderr } = spawnSync(
      process.execPath,
      ["--input-type=module", "-e", program, "redkeep", "inventory", "-i", "a,"],
      { encoding: "utf8" },
    );
    expect(stderr).toMatch(/^Error: sent ••••\n {4}at [\s\S]*This is a bug in redkeep/m);
    expect(stderr).not.toContain("marker-of-a-stray-error");
    expect(status).toBe(1);
  });
});
