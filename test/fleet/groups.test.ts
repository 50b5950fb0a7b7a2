import { setImmediate } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { inBatches } from "../../src/fleet/batches.ts";
import { Groups } from "../../src/fleet/groups.ts";
import type { Play, Serial } from "../../src/playbook/playbook.ts";
import type { HostStatus } from "../../src/record/statuses.ts";
import { as, type Host, type Observation } from "../../src/run/host.ts";
import { Hosts } from "../../src/run/hosts.ts";
import { factsOf } from "../support/facts.ts";
import { ending, hostNamed } from "../support/hosts.ts";
import { server } from "../support/run-task.ts";

const CANARY: readonly Serial[] = [{ count: 1 }, { percent: 100 }];

/** What a host tells: the recorded primary or replica, moved to group N. */
function observation(kind: "primary" | "replica" | "stock", group: number): Observation {
  const facts = factsOf(kind);
  const info = new Map(
    [...facts.redis.info].map(([key, value]) => [key, value.replaceAll("172.22.0.", `172.22.${group}.`)]),
  );
  info.set("master_replid", `${kind === "stock" ? "b" : "a"}${String(group).padStart(39, "0")}`);
  if (kind === "replica") info.set("master_link_status", "up");
  const addresses = facts.host.addresses.map(({ address, ...rest }) => ({
    ...rest,
    address: address.replace("172.22.0.", `172.22.${group}.`),
  }));
  const moved = { ...facts, host: { ...facts.host, addresses }, redis: { ...facts.redis, info } };
  return {
    facts: moved,
    server: server(moved),
    tasks: { tasks: [], skipped: [], needsFacts: false },
  } as never;
}

function hostOf(name: string, play: Play, observation: Observation): Host {
  // Such as `stock-1@m`: on machine m.
  const address = name.split("@").at(-1);
  const made = hostNamed(name, { plays: [play], connection: { address, sshOptions: {} } as never });
  return { ...made, observation, outcome: ending("would-change") };
}

const play = (serial: readonly Serial[]) => ({ serial, anyErrorsFatal: false }) as unknown as Play;

interface Ending {
  /** Of the replica's link to its primary, as fresh facts have it. */
  link?: string;
  status?: HostStatus;
}

/** Changes `hosts`, such as `primary-1`, at once as far as that is allowed; says when each began and ended. */
async function change(
  hosts: readonly string[],
  { serial = [], ends = {} }: { serial?: readonly Serial[]; ends?: Record<string, Ending> } = {},
) {
  const one = play(serial);
  const all = new Hosts(
    hosts.map((host) => {
      const [kind = "", group] = host.split(/[-@]/);
      return hostOf(host, one, observation(kind.replace(/\d/, "") as "primary", Number(group)));
    }),
  );
  const pending = all.all().map(({ job }) => job);
  const groups = new Groups(all);
  const events: string[] = [];
  await inBatches([one], all, pending, groups, new AbortController().signal, (batch) =>
    groups.work(batch, 50, async (job) => {
      const { host } = job;
      events.push(`+${host}`);
      for (let i = 0; i < 3; i++) await setImmediate();
      const { link, status = "changed" } = ends[host] ?? {};
      const { observation } = all.of(job);
      all.put(as(all.of(job), ending(status)));
      if (link !== undefined && observation !== undefined)
        (observation.facts.redis.info as Map<string, string>).set("master_link_status", link);
      events.push(`-${host}`);
    }),
  );
  return { events: events.join(" "), records: all.records() };
}

describe("servers of one machine", () => {
  it("are changed one after the other, while others are at work", async () => {
    const { events } = await change(["stock-1@m", "stock-2@m", "stock-3@n"]);
    expect(events).toBe("+stock-1@m +stock-3@n -stock-1@m +stock-2@m -stock-3@n -stock-2@m");
  });

  it("of two replication groups are changed in one sequence with both groups", async () => {
    const { events } = await change(["replica-1@m", "primary-1@n", "replica-2@m", "primary-2@o"]);
    expect(events.match(/\+\S+/g)).toEqual(["+replica-1@m", "+primary-1@n", "+replica-2@m", "+primary-2@o"]);
    expect(events).not.toMatch(/\+\S+ \+/);
  });
});

describe("hosts of a replication group", () => {
  it("are changed one after the other in one batch, replicas first, while others are at work", async () => {
    const { events } = await change(["primary-1", "stock-2", "replica-1"]);
    expect(events).toBe("+replica-1 +stock-2 -replica-1 +primary-1 -stock-2 -primary-1");
  });

  it("never make a primary the canary", async () => {
    const { events } = await change(["primary-1", "stock-2", "replica-1"], { serial: CANARY });
    expect(events).toMatch(/^\+replica-1 -replica-1 /);
  });

  it("of many groups are all changed, never two of one group at once", async () => {
    const hosts = [1, 2, 3, 4].flatMap((group) => [
      `primary-${group}`,
      `replica1-${group}`,
      `replica2-${group}`,
    ]);
    const { events, records } = await change(hosts);
    expect(records.every(({ status }) => status === "changed")).toBe(true);
    const busy = new Map<string, number>();
    let most = 0;
    for (const event of events.split(" ")) {
      const group = event.slice(event.lastIndexOf("-") + 1);
      busy.set(group, (busy.get(group) ?? 0) + (event.startsWith("+") ? 1 : -1));
      expect(busy.get(group)).toBeLessThanOrEqual(1);
      most = Math.max(
        most,
        [...busy.values()].reduce((sum, count) => sum + count),
      );
    }
    expect(most).toBe(4);
    for (const group of [1, 2, 3, 4])
      expect(events.indexOf(`+primary-${group}`)).toBeGreaterThan(events.indexOf(`-replica2-${group}`));
  });

  it.each(["failed", "unknown", "rolled-back", "refused", "unreachable"] as const)(
    "are left alone after one of them was %s, also in a later batch, while other groups go on",
    async (status) => {
      for (const serial of [[], [{ count: 2 }]] as readonly (readonly Serial[])[]) {
        const { records } = await change(["primary-1", "primary-2", "replica-1", "replica-2"], {
          serial,
          ends: { "replica-1": { status } },
        });
        expect(records.map((record) => record.status)).toEqual(["not-started", "changed", status, "changed"]);
        expect(records[0]?.error).toMatchObject({
          where: "replication group",
          found: expect.stringContaining("replica-1"),
          state: "nothing was changed on this host",
        });
      }
    },
  );

  it("wait until a restarted replica is in step again", async () => {
    const { records } = await change(["primary-1", "replica-1"], { ends: { "replica-1": { link: "down" } } });
    expect(records.map(({ status }) => status)).toEqual(["not-started", "changed"]);
    expect(records[0]?.error?.found).toContain("replica-1 is not in step");
  });
});
