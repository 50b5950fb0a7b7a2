import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readEarlierRuns } from "../../src/history/earlier-runs.ts";
import type { AccessRecord, HostRecord } from "../../src/record/record.ts";
import { State } from "../../src/state/state.ts";
import { type Directory, temporaryDirectory } from "../connection/support/server.ts";
import { redkeep } from "../support/cli.ts";
import { answerTo, editedAnswer } from "../support/facts.ts";
import { writeProject } from "../support/project.ts";
import { type RecordedHost, startAnsweringHost, startRecordedHost } from "../support/recorded-host.ts";
import { hostRecord, runRecord } from "../support/records.ts";

let directory: Directory;
beforeEach(() => {
  directory = temporaryDirectory();
});
afterEach(() => directory[Symbol.dispose]());

const ACL = "acl: { users: [{ name: admin, preset: admin, password: { env: ADMIN } }] }";

/** A client of user default, from elsewhere, in what a stock host answers. */
const withClient = (text: string) =>
  text.replace(
    /^(>id=5 .*)$/m,
    ">id=9 addr=10.0.0.7:4001 laddr=172.17.0.2:6379 name=orders flags=N cmd=get user=default\n$1",
  );

async function run(command: "plan" | "apply", host: RecordedHost, ...more: string[]) {
  const yes = command === "apply" ? ["--yes"] : [];
  const args = [
    command,
    ...writeProject(directory, { "redis-01": host }, ACL),
    ...yes,
    "--json",
    "run.json",
    ...more,
  ];
  const outcome = await redkeep(args, { cwd: directory.path, env: { ADMIN: "a-password-of-this-test" } });
  const [record] = JSON.parse(readFileSync(join(directory.path, "run.json"), "utf8")).hosts;
  return { ...outcome, record };
}

describe("--fail-on-impact", () => {
  it("ends a plan with 3 where somebody would notice, and says where", async () => {
    await using host = await startRecordedHost("stock", withClient);
    const stopped = await run("plan", host, "--fail-on-impact");
    expect(stopped.exitCode).toBe(3);
    expect(stopped.stdout).toMatch(/Somebody would notice on redis-01: stopped\s+by\s+--fail-on-impact\./);
    expect(stopped.record.status).toBe("would-change");
    expect((await run("plan", host)).exitCode).toBe(2);
    expect((await run("plan", host, "--fail-on-impact", "--accept", "impact")).exitCode).toBe(2);
  });

  it("does not stop a plan that nobody would notice: a restart alone is no impact", async () => {
    await using host = await startRecordedHost("stock");
    const { exitCode, stdout } = await run("plan", host, "--fail-on-impact");
    expect(exitCode).toBe(2);
    expect(stdout).not.toContain("Somebody would notice");
  });

  it("makes apply refuse a host where somebody would notice", async () => {
    await using host = await startRecordedHost("stock", withClient);
    const { exitCode, record, stdout } = await run("apply", host, "--fail-on-impact");
    expect(exitCode).toBe(3);
    expect(record).toMatchObject({
      status: "refused",
      error: {
        where: "impact",
        guards: ["impact"],
        found: expect.stringMatching(/^10\.0\.0\.7 .*user default goes off/),
      },
    });
    expect(stdout).toContain("take the risk: --accept impact");
    expect(host.scripts).toHaveLength(1);
  });
});

describe("--fail-on-impact on several hosts", () => {
  it("makes apply refuse all of them where somebody would notice on one", async () => {
    await using used = await startRecordedHost("stock", withClient);
    // Another machine.
    await using idle = await startRecordedHost("stock", (text) =>
      text.replace(/InvocationID=\w+/, "InvocationID=0"),
    );
    const args = ["apply", ...writeProject(directory, { "redis-01": idle, "redis-02": used }, ACL), "--yes"];
    const { exitCode } = await redkeep([...args, "--fail-on-impact", "--json", "run.json"], {
      cwd: directory.path,
      env: { ADMIN: "a-password-of-this-test" },
    });
    expect(exitCode).toBe(3);
    const { hosts } = JSON.parse(readFileSync(join(directory.path, "run.json"), "utf8"));
    expect(hosts).toMatchObject([
      {
        status: "not-started",
        error: {
          where: "impact",
          found: "somebody would notice on redis-02: --fail-on-impact stops the whole run",
        },
      },
      { status: "refused", error: { where: "impact" } },
    ]);
    expect([idle.scripts, used.scripts].map(({ length }) => length)).toEqual([1, 1]);
  });
});

describe("a user that lives only in memory and stays", () => {
  const withEve = async () =>
    await startAnsweringHost((nonce) =>
      answerTo(
        nonce,
        editedAnswer("hardened", {
          "acl-list": (text) =>
            `${text.trimEnd()}\nuser eve on #${"e".repeat(64)} ~* resetchannels &* +@all\n`,
        }),
      ),
    );
  const planned = async (task: string) => {
    await using host = await withEve();
    const args = ["plan", ...writeProject(directory, { "redis-01": host }, task), "--json", "run.json"];
    const { exitCode, stdout } = await redkeep([...args, "--fail-on-impact"], { cwd: directory.path });
    const [record] = JSON.parse(readFileSync(join(directory.path, "run.json"), "utf8")).hosts;
    return { exitCode, record, text: stdout.replaceAll(/\s+/g, " ") };
  };
  const WHO =
    /Who will notice . user "eve" lives only in memory, and may be an intruder's: every command on every key and channel, with a password\. It stays/;

  it("is named on a host where nothing would change", async () => {
    const { exitCode, record, text } = await planned("limits: { nofile: 64 }");
    expect(exitCode).toBe(0);
    expect(text).toMatch(WHO);
    expect(record).toMatchObject({ status: "unchanged", impact: [{ kind: "memory-only-user" }] });
  });

  it("does not stop a run with --fail-on-impact, since nobody notices", async () => {
    const { exitCode, record, text } = await planned("limits: { nofile: 64, maxclients: 9000 }");
    expect(exitCode).toBe(2);
    expect(text).toMatch(WHO);
    expect(record.status).toBe("would-change");
  });
});

describe("a difference in what users may do since the last run that recorded it", () => {
  const access = (allowed: boolean[]): AccessRecord => ({
    method: "ACL DRYRUN",
    commands: [
      { command: "KEYS", dangerous: true },
      { command: "GET", dangerous: false },
    ],
    users: [{ user: "app", enabled: true, nopass: false, allowed }],
  });

  it("is reported in one line", async () => {
    const state = await State.open(directory.path, undefined, directory.path);
    const keep = (day: number, allowed: boolean[] | undefined) =>
      state.write(
        `runs/2026-11-0${day}T06-30-12.000Z.json`,
        JSON.stringify(
          runRecord("apply", [
            hostRecord("redis-01", allowed === undefined ? {} : { access: access(allowed) }),
          ]),
        ),
      );
    await keep(1, [true, true]);
    await keep(2, [false, true]);
    await keep(3, undefined);
    const now = hostRecord("redis-01", { access: access([true, true]) });
    const same = hostRecord("redis-01", { access: access([false, true]) });
    const unseen = hostRecord("redis-02", { access: access([true, true]) });
    const run = {
      command: "verify" as const,
      selection: { playbook: null, tags: [], skipTags: [] },
      options: { shard: undefined },
      startedAt: new Date("2026-11-25T06:30:12.000Z"),
    };
    const told = async (host: HostRecord) =>
      (await readEarlierRuns(state, run, [host])).withAccess([host]).flatMap(({ impact }) => impact);
    expect(await told(now)).toEqual([
      { kind: "access-changed", detail: "user app: KEYS allowed, since the apply of 2026-11-24 06:30 UTC" },
    ]);
    expect([await told(same), await told(unseen)]).toEqual([[], []]);
  });
});
