import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { inShard } from "../../src/inventory/shard.ts";
import type { RunRecord } from "../../src/record/record.ts";
import { userKey } from "../connection/support/server.ts";
import { redkeep } from "../support/cli.ts";
import { perTest } from "../support/per-test.ts";
import { startRecordedHost } from "../support/recorded-host.ts";

const made = perTest();

const COUNT = 2;
const indexOf = (name: string) => (inShard(name, { index: 1, count: COUNT }) ? 1 : 2);
/** A primary and a replica that the hash of their names puts into different shards. */
const PRIMARY = "primary-1";
const REPLICA = ["replica-1", "replica-2", "replica-3", "replica-4"].find(
  (name) => indexOf(name) !== indexOf(PRIMARY),
) as string;

/** Redis would restart on both. */
const RESTARTS = "limits: { maxclients: 200000 }";
/** No restart, and nothing that a guard of replication looks at. */
const LIVE = "limits: { maxclients: 9000, nofile: 64 }";

async function shardWith(
  host: string,
  command: string,
  { variables = {}, task = RESTARTS, more = [] }: Situation = {},
) {
  const recorded = {
    [PRIMARY]: made.servers.use(await startRecordedHost("primary")),
    [REPLICA]: made.servers.use(await startRecordedHost("replica")),
  };
  const address = { [PRIMARY]: "172.22.0.2", [REPLICA]: "172.22.0.3" };
  const lines = Object.entries(recorded).map(([name, { port }]) => {
    const all = {
      ansible_host: "127.0.0.1",
      ansible_port: port,
      ansible_user: "root",
      private_ip: address[name],
      ...variables[name],
    };
    return `    ${name}: ${JSON.stringify(all)}`;
  });
  made.directory.write("hosts.yml", `all:\n  hosts:\n${lines.join("\n")}\n`);
  made.directory.write("site.yml", `- hosts: all\n  tasks:\n    - ${task}\n`);
  const known = Object.values(recorded).map(({ port, hostKey }) => `[127.0.0.1]:${port} ${hostKey.public}`);
  const shard = ["--shard", `${indexOf(variables[host]?.redkeep_replication_group ?? host)}/${COUNT}`];
  const outcome = await redkeep(
    [
      ...[command, "site.yml", "-i", "hosts.yml", ...shard, "--json", "run.json", ...more],
      ...["--known-hosts", made.directory.write("known_hosts", `${known.join("\n")}\n`)],
      ...["--private-key", made.directory.write("id_ed25519", userKey.private)],
    ],
    { cwd: made.directory.path },
  );
  const text = readFileSync(join(made.directory.path, "run.json"), "utf8");
  return { ...outcome, record: JSON.parse(text) as RunRecord };
}

interface Situation {
  variables?: Record<string, Record<string, string>>;
  task?: string;
  more?: string[];
}

const both = (group: string) => ({
  [PRIMARY]: { redkeep_replication_group: group },
  [REPLICA]: { redkeep_replication_group: group },
});

describe("a shard that has a replica without its primary", () => {
  it("is reported by verify, with both hosts and the variable to set", async () => {
    const { stderr, record } = await shardWith(REPLICA, "verify");
    expect(record.hosts.map(({ host }) => host)).toEqual([REPLICA]);
    expect(stderr).toContain(
      `warning: ${REPLICA} replicates from ${PRIMARY}, which is in another shard than ${indexOf(REPLICA)}/2: give ${REPLICA} and ${PRIMARY} the same redkeep_replication_group`,
    );
  });

  it("is recognised from the primary's side too, by its list of replicas", async () => {
    const { stderr } = await shardWith(PRIMARY, "verify");
    expect(stderr).toContain(`${PRIMARY} is the primary of ${REPLICA}, which is in another shard`);
  });

  it.each(["plan", "apply"])("is refused by %s where Redis would restart", async (command) => {
    const more = command === "apply" ? ["--yes"] : [];
    const { exitCode, record, stdout } = await shardWith(REPLICA, command, { more });
    expect(exitCode).toBe(3);
    expect(record.hosts).toMatchObject([
      { status: "refused", roundTrips: 1, error: { guards: ["split-replication-group"] } },
    ]);
    expect(stdout.replaceAll(/\s+/g, " ")).toContain("both could restart at once");
  });

  it("is planned where the guard is accepted or nothing restarts", async () => {
    const accept = ["--accept", "split-replication-group"];
    expect((await shardWith(REPLICA, "plan", { more: accept })).record.hosts[0]?.status).toBe("would-change");
    const live = await shardWith(REPLICA, "plan", { task: LIVE });
    expect(live.record.hosts[0]).toMatchObject({ status: "would-change", restart: { needed: false } });
    expect(live.stderr).toContain("in another shard");
  });

  it("is no longer possible once both hosts have the variable", async () => {
    const { stderr, record } = await shardWith(REPLICA, "plan", { variables: both("orders") });
    expect(record.hosts.map(({ host }) => host)).toEqual([PRIMARY, REPLICA]);
    expect(stderr).not.toContain("warning");
  });

  it("is refused where the inventory lacks the primary, until the variable names the group", async () => {
    const unknown = { [PRIMARY]: { private_ip: "10.9.9.9" } };
    const asked = await shardWith(REPLICA, "verify", { variables: unknown });
    expect(asked.stderr).toMatch(/replicates from 172\.22\.0\.2, which no host of shard \d\/2 is known as/);
    const outside = { ...unknown, [REPLICA]: { redkeep_replication_group: REPLICA } };
    expect((await shardWith(REPLICA, "verify", { variables: outside })).stderr).not.toContain("warning");
  });
});
