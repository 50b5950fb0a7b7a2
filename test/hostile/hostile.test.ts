import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { dump } from "js-yaml";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { HostRecord, RunRecord } from "../../src/record/record.ts";
import {
  type Directory,
  generateKey,
  type KeyPair,
  temporaryDirectory,
  transport,
  userKey,
} from "../connection/support/server.ts";
import { type Outcome, redkeep } from "../support/cli.ts";
import { startRecordedHost } from "../support/recorded-host.ts";
import { reasonOverSsh, waitsOverSsh } from "./differences.ts";
import type { Played } from "./play.ts";
import { startHostile, type Way } from "./server.ts";
import { WAYS } from "./ways.ts";

/*
 * Servers that speak SSH wrongly, as hosts and as jump hosts, in one run with hosts that do nothing wrong.
 */

vi.setConfig({ hookTimeout: 300_000 });

const key = generateKey();
const GOOD = ["good-1", "good-2", "good-behind"];

interface Host {
  port: number;
  hostKey: KeyPair;
  jump?: { port: number; hostKey: KeyPair };
  way?: Way;
  /** Ends only where somebody loses patience. */
  waits?: boolean;
}

interface Ended extends Outcome {
  record: RunRecord;
}

async function run(hosts: ReadonlyMap<string, Host>, directory: Directory): Promise<Ended> {
  const at = (port: number, { public: text }: KeyPair) => `[127.0.0.1]:${port} ${text}\n`;
  const known = [...hosts.values()].flatMap(({ port, hostKey, jump }) => [
    at(port, hostKey),
    ...(jump === undefined ? [] : [at(jump.port, jump.hostKey)]),
  ]);
  const inventory = Object.fromEntries(
    [...hosts].map(([name, { port, jump, way, waits }]) => [
      name,
      {
        ansible_port: port,
        // Those that say nothing are waited for; the others have the time that a busy machine needs.
        ansible_timeout: waits ? 10 : 60,
        ...(jump === undefined
          ? {}
          : { ansible_ssh_common_args: `-o ProxyJump=root@127.0.0.1:${jump.port}` }),
        ...(way?.hasPassword && jump === undefined ? { ansible_password: "not-for-strangers" } : {}),
      },
    ]),
  );
  const vars = { ansible_host: "127.0.0.1", ansible_user: "root", redkeep_transport: transport() };
  directory.write("hosts.yml", dump({ all: { hosts: inventory, vars } }));
  directory.write("site.yml", "- hosts: all\n  tasks:\n    - limits: { nofile: 64 }\n");
  const options = "-i hosts.yml --forks 200 --json run.json --state state -v".split(" ");
  const files = [
    ["--known-hosts", directory.write("known_hosts", [...new Set(known)].join(""))],
    ["--private-key", directory.write("id_ed25519", userKey.private)],
  ].flat();
  const ended = await redkeep(["plan", "site.yml", ...options, ...files], { cwd: directory.path });
  return { ...ended, record: JSON.parse(readFileSync(join(directory.path, "run.json"), "utf8")) };
}

const hostOf = (record: RunRecord, name: string): HostRecord => {
  const found = record.hosts.find(({ host }) => host === name);
  if (found === undefined) throw new Error(`the record has no ${name}`);
  return found;
};
const essence = ({ status, tasks, checks, error }: HostRecord) => ({ status, tasks, checks, error });
const nameOf = ({ name }: Way) => name.replace(/[^a-z0-9]+/gi, "-");

/** So many at once: with all of them the thread that plays them, or an ssh for each, would be what is slow. */
const PART = transport() === "openssh" ? 8 : 24;
const PARTS = (["host", "jump host"] as const).flatMap((role) => {
  const waits = (way: Way) => (transport() === "openssh" ? waitsOverSsh(way, role) : (way.waits ?? false));
  const ways = WAYS.filter(({ only }) => role === "jump host" || only !== "jump")
    .map((way) => ({ name: way.name, way, waits: waits(way) }))
    .sort((one, other) => Number(one.waits) - Number(other.waits));
  return Array.from({ length: Math.ceil(ways.length / PART) }, (_, part) => ({
    role,
    part: part + 1,
    ways: ways.slice(part * PART, (part + 1) * PART),
  }));
});

it("more than forty ways to speak SSH wrongly are played, each with a name of its own", () => {
  expect(WAYS.length).toBeGreaterThan(40);
  expect(new Set(WAYS.map(({ name }) => name)).size).toBe(WAYS.length);
});

const good = new Map<string, Host>();
const goodServers = new AsyncDisposableStack();
let alone: RunRecord;
beforeAll(async () => {
  const honest = goodServers.use(await startHostile({ name: "does nothing wrong", inside: forwards }));
  for (const name of GOOD) {
    const { port } = goodServers.use(await startRecordedHost("stock", undefined, key));
    good.set(name, { port, hostKey: key, ...(name === "good-behind" ? { jump: honest } : {}) });
  }
  using directory = temporaryDirectory();
  alone = (await run(good, directory)).record;
});
afterAll(() => goodServers.disposeAsync());

describe.each(PARTS)("good hosts beside a $role that ($part)", ({ role, ways }) => {
  const directory = temporaryDirectory();
  const servers = new AsyncDisposableStack();
  let outcome: Ended;

  beforeAll(async () => {
    // In a thread of their own: a flood must not keep the one that suffers it from running.
    const player = new Worker(new URL("play.ts", import.meta.url), {
      workerData: ways.map(({ way }) => WAYS.indexOf(way)),
    });
    servers.defer(async () => {
      await player.terminate();
    });
    const [played] = (await once(player, "message")) as [Played[]];
    const behind = servers.use(await startRecordedHost("stock", undefined, key));
    const hosts = new Map(good);
    for (const [index, { way, waits }] of ways.entries()) {
      const server = played[index] as Played;
      const host = role === "host" ? server : { port: behind.port, hostKey: key, jump: server };
      hosts.set(nameOf(way), { ...host, way, waits });
    }
    outcome = await run(hosts, directory);
  });
  afterAll(async () => {
    await servers.disposeAsync();
    directory[Symbol.dispose]();
  });

  it("end as usual, with the whole run record", () => {
    expect(outcome.exitCode).toBe(outcome.record.exitCode);
    expect([3, 4]).toContain(outcome.exitCode);
    expect(outcome.record.hosts).toHaveLength(GOOD.length + ways.length);
  });

  it.each(GOOD)("end as they do alone: %s", (name) => {
    expect(hostOf(alone, name).status).toBe("would-change");
    expect(essence(hostOf(outcome.record, name))).toEqual(essence(hostOf(alone, name)));
  });

  it("are reported beside it without a byte that steers a terminal or a CI runner", () => {
    for (const text of [outcome.stdout, outcome.stderr, JSON.stringify(outcome.record, null, 1)]) {
      expect(text).not.toMatch(/[^\P{Cc}\n\t]|[\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u);
      expect(text).not.toMatch(/^\s*::/m);
    }
  });

  it.each(ways)("$name", ({ way }) => {
    const { status, error, tasks } = hostOf(outcome.record, nameOf(way));
    const statuses =
      way.status === undefined ? ["failed", "unreachable"] : ["failed", "unreachable", way.status];
    expect(statuses, error?.found).toContain(status);
    expect(tasks).toEqual([]);
    expect(error?.where, error?.found).not.toBe("redkeep");
    const reason = transport() === "openssh" ? reasonOverSsh(way, role) : way.reason;
    expect(error?.found).toMatch(reason ?? /./);
    expect(error?.found).not.toContain("\n");
    expect(error?.found.length).toBeLessThan(700);
  });
});

/** A jump host as it should be. */
function forwards({ client }: Parameters<NonNullable<Way["inside"]>>[0]): void {
  client.on("tcpip", (accept, reject, { destIP, destPort }) => {
    const target = connect(destPort, destIP);
    target.once("error", () => reject());
    target.once("connect", () => {
      const channel = accept();
      target.on("error", () => channel.destroy());
      channel.on("error", () => target.destroy());
      channel.pipe(target).pipe(channel);
    });
  });
}
