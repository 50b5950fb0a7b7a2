import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { CheckRecord, RunRecord } from "../../src/record/record.ts";
import type { TestServer } from "../connection/support/server.ts";
import { type Outcome, redkeep } from "../support/cli.ts";
import { perTest } from "../support/per-test.ts";
import { writeProject } from "../support/project.ts";
import { startAnsweringHost, startRecordedHost } from "../support/recorded-host.ts";

const made = perTest();

/** A place to look from that says what a test wants it to say. */
const startVantage = async (answer: (nonce: string) => string) =>
  made.servers.use(await startAnsweringHost(answer));

/** What a denied place prints for `count` hosts, each line with the nonce. */
const printed = (nonce: string, lines: readonly string[]) =>
  lines.map((line) => `${nonce} ${line}\n`).join("");
const nothingAnswers = (count: number) => [
  "- tool bash",
  "- openssl yes",
  ...Array.from({ length: count }, (_, index) => [
    `${index} port 6379 timed out`,
    `${index} port 6380 timed out`,
    `${index} done`,
  ]).flat(),
  "- end",
];

interface Places {
  [name: string]: Pick<TestServer, "port"> & Partial<TestServer>;
}

/** Verifies recorded hardened hosts in group redis; `vars` of that group in flow style. */
async function verify(
  names: readonly string[],
  places: Places,
  vars: string,
  ...more: string[]
): Promise<Outcome & { record: RunRecord | undefined }> {
  const hosts = Object.fromEntries(
    await Promise.all(
      names.map(async (name) => [name, made.servers.use(await startRecordedHost("hardened"))] as const),
    ),
  );
  const [, ...args] = writeProject(made.directory, { ...hosts, ...places });
  const entry = (name: string, port: number) =>
    `    ${name}: { ansible_host: 127.0.0.1, ansible_port: ${port}, ansible_user: root }\n`;
  const group = (title: string, entries: Record<string, { port: number }>) =>
    `${title}:\n  hosts:\n${Object.entries(entries)
      .map(([name, { port }]) => entry(name, port))
      .join("")}`;
  made.directory.write(
    "hosts.yml",
    `${group("redis", hosts)}  vars: { ${vars} }\n${group("places", places)}`,
  );
  const outcome = await redkeep(
    [
      "verify",
      ...args,
      ...["-e", "private_ip=172.17.0.10", "-e", "app_subnet=172.17.0.0/16"],
      ...["--json", "run.json", "--state", "state", ...more],
    ],
    { cwd: made.directory.path, env: { APP_PASSWORD: "Recorded-app-password-0001" } },
  );
  const path = join(made.directory.path, "run.json");
  const record = outcome.exitCode === 1 ? undefined : JSON.parse(readFileSync(path, "utf8"));
  return { ...outcome, record };
}

const fromPlace = (record: RunRecord | undefined, host: string, place: string): CheckRecord[] =>
  (record?.hosts.find((one) => one.host === host)?.checks ?? []).filter(({ source }) =>
    new RegExp(` (from|on) ${place}$`).test(source),
  );

describe("places that the inventory names", () => {
  it("are connected to once each, for all hosts of the run", async () => {
    const bastion = await startVantage((nonce) => printed(nonce, nothingAnswers(3)));
    const names = ["redis-01", "redis-02", "redis-03"];
    const { record, stdout } = await verify(
      names,
      { "bastion-01": bastion },
      "redkeep_probe_denied: [bastion-01]",
      "-v",
    );
    expect(bastion.connections).toBe(1);
    expect(bastion.scripts).toHaveLength(1);
    expect(record?.vantages).toMatchObject([
      { host: "bastion-01", targets: 3, connections: 1, roundTrips: 1, error: null },
    ]);
    for (const name of names) {
      expect(fromPlace(record, name, "bastion-01").map(({ outcome }) => outcome)).toEqual(["pass", "pass"]);
      expect(record?.hosts.find(({ host }) => host === name)).toMatchObject({
        connections: 1,
        roundTrips: 1,
      });
    }
    expect(stdout).toMatch(
      /Also looked at from bastion-01 \(3 hosts,\s+1 connection,\s+1 round trip,\s.*\)\./,
    );
  });

  it("are not asked by a verify of other controls, nor by other commands", async () => {
    const bastion = await startVantage((nonce) => printed(nonce, nothingAnswers(1)));
    await verify(
      ["redis-01"],
      { "bastion-01": bastion },
      "redkeep_probe_denied: [bastion-01]",
      "--tags",
      "limits",
    );
    expect(bastion.connections).toBe(0);
  });

  it("can neither answer for a host that they were not asked about nor end their answer early", async () => {
    const told = await startVantage((nonce) =>
      printed(nonce, [
        ...nothingAnswers(2).slice(0, -1),
        "7 port 6380 open",
        "0 port 22 open",
        "1 tls TLSv1 New, TLSv1.0, Cipher is NULL-MD5",
        "0 done \x1b[2J::error::x",
        "- end",
      ]),
    );
    const cut = await startVantage((nonce) => printed(nonce, nothingAnswers(2).slice(0, -1)));
    const lies = await startVantage(() => printed("0".repeat(24), nothingAnswers(2)));
    const { record, stdout, exitCode } = await verify(
      ["redis-01", "redis-02"],
      { told, cut, lies },
      "redkeep_probe_denied: [told, cut, lies]",
    );
    for (const name of ["redis-01", "redis-02"]) {
      expect(fromPlace(record, name, "told").map(({ outcome }) => outcome)).toEqual(["pass", "pass"]);
      for (const place of ["cut", "lies"])
        for (const check of fromPlace(record, name, place))
          expect(check).toMatchObject({
            outcome: "unknown",
            blockedBy: "vantage",
            observed: `${place}: its answer ends too early`,
          });
    }
    expect(exitCode).toBe(3);
    expect(stdout).toContain("nobody could look from cut: its answer ends too early");
    expect(stdout).not.toContain("\x1b");
  });

  it("that cannot be reached, or have an unknown host key, prove nothing", async () => {
    const stranger = await startVantage((nonce) => printed(nonce, nothingAnswers(1)));
    const { record, exitCode } = await verify(
      ["redis-01"],
      { gone: { port: 9 }, stranger: { port: stranger.port } },
      "redkeep_probe_denied: [gone, stranger]",
    );
    expect(exitCode).toBe(3);
    for (const place of ["gone", "stranger"])
      for (const check of fromPlace(record, "redis-01", place))
        expect(check).toMatchObject({ outcome: "unknown", blockedBy: "vantage" });
    expect(stranger.scripts).toEqual([]);
  });
});

it("a place that the inventory lacks ends the run before any host is reached", async () => {
  const { exitCode, stderr } = await verify(
    ["redis-01", "redis-02"],
    { "app-01": { port: 9 } },
    "redkeep_probe_allowed: [app-1]",
  );
  expect(exitCode).toBe(1);
  expect(stderr).toContain(
    'hosts.yml:5:35  redkeep_probe_allowed: expected a host of the inventory, found "app-1". Did you mean "app-01"?\n1 problem. No host was touched.',
  );
});

it("a host without an address that others can reach is reported where it should be looked at from outside", async () => {
  const bastion = await startVantage((nonce) => printed(nonce, nothingAnswers(1)));
  const { record, exitCode } = await verify(
    ["redis-01"],
    { "bastion-01": bastion },
    "redkeep_probe_denied: [bastion-01]",
    "-e",
    "private_ip=",
  );
  expect(exitCode).toBe(3);
  expect(fromPlace(record, "redis-01", "bastion-01").map(({ observed }) => observed)).toEqual(
    Array(2).fill(
      "bastion-01: no address is known by which others reach this host: set redkeep_probe_address",
    ),
  );
});
