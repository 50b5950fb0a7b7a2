import { describe, expect, it } from "vitest";
import { batchesOf, inBatches } from "../../src/fleet/batches.ts";
import { Groups } from "../../src/fleet/groups.ts";
import type { Play, Serial } from "../../src/playbook/playbook.ts";
import type { HostStatus } from "../../src/record/statuses.ts";
import { as, type Host } from "../../src/run/host.ts";
import { Hosts } from "../../src/run/hosts.ts";
import { ending, hostNamed } from "../support/hosts.ts";

const ALL: readonly Serial[] = [];
const CANARY: readonly Serial[] = [{ count: 1 }, { percent: 10 }, { percent: 100 }];
const sizes = (hosts: number, serial: readonly Serial[]) =>
  batchesOf(Array.from({ length: hosts }), serial).map((batch) => batch.length);

describe("serial", () => {
  it.each([
    ["a canary, a tenth, the rest", 10, CANARY, [1, 1, 8]],
    ["a canary, a tenth, the rest of 200", 200, CANARY, [1, 20, 179]],
    ["a share of few hosts, which is one at least", 3, CANARY, [1, 1, 1]],
    ["a single host", 1, CANARY, [1]],
    ["no hosts", 0, CANARY, []],
    ["nothing said", 7, ALL, [7]],
    ["a last entry, which repeats", 7, [{ count: 1 }, { count: 2 }], [1, 2, 2, 2]],
    ["more than there are", 3, [{ count: 50 }], [3]],
    ["a share that is no whole number", 9, [{ percent: 25 }], [2, 2, 2, 2, 1]],
    ["a share that floats badly", 100, [{ percent: 29 }], [29, 29, 29, 13]],
  ] as [string, number, readonly Serial[], number[]][])("%s", (_, hosts, serial, expected) => {
    expect(sizes(hosts, serial)).toEqual(expected);
  });

  it("takes every host once, in order", () => {
    const hosts = Array.from({ length: 137 }, (_, index) => index);
    expect(batchesOf(hosts, CANARY).flat()).toEqual(hosts);
  });
});

function play(name: string, more: Partial<Play> = {}): Play {
  return {
    name,
    place: { file: "site.yml" },
    hosts: ["all"],
    defaults: new Map(),
    vars: new Map(),
    serial: ALL,
    maxFailPercentage: undefined,
    anyErrorsFatal: false,
    order: "inventory",
    become: undefined,
    becomeUser: undefined,
    becomeMethod: undefined,
    remoteUser: undefined,
    port: undefined,
    connection: undefined,
    tasks: [],
    ...more,
  };
}

function hostOf(name: string, plays: Play[], status: HostStatus = "would-change"): Host {
  return as(hostNamed(name, { plays }), ending(status));
}

/** Runs the batches; hosts end as their name says, `ok-…` as changed. The names that were worked on, batch by batch. */
async function run(
  plays: readonly Play[],
  all: readonly Host[],
  { interruptAfter = Number.POSITIVE_INFINITY }: { interruptAfter?: number } = {},
): Promise<{ done: string[][]; hosts: Hosts }> {
  const done: string[][] = [];
  const interrupt = new AbortController();
  const hosts = new Hosts(all);
  const pending = all.filter(({ outcome }) => outcome.status === "would-change").map(({ job }) => job);
  await inBatches(plays, hosts, pending, new Groups(hosts), interrupt.signal, (batch) => {
    done.push(batch.map(({ host }) => host));
    for (const job of batch) {
      const status = job.host.startsWith("ok") ? "changed" : (job.host.replace(/-\d+$/, "") as HostStatus);
      hosts.put(as(hosts.of(job), ending(status)));
    }
    if (done.length >= interruptAfter) interrupt.abort();
    return Promise.resolve();
  });
  return { done, hosts };
}

/** The batches alone. */
async function batches(...args: Parameters<typeof run>): Promise<string[][]> {
  return (await run(...args)).done;
}

const named = (plays: Play[], ...names: string[]) => names.map((name) => hostOf(name, plays));

describe("a play", () => {
  it("does its canary, then the others", async () => {
    const one = play("one", { serial: CANARY });
    expect(await batches([one], named([one], "ok-1", "ok-2", "ok-3", "ok-4"))).toEqual([
      ["ok-1"],
      ["ok-2"],
      ["ok-3", "ok-4"],
    ]);
  });

  it("goes on after a batch that a rollback has restored as asked", async () => {
    const one = play("one", { serial: [{ count: 1 }] });
    expect(await batches([one], named([one], "restored-1", "restored-2"))).toEqual([
      ["restored-1"],
      ["restored-2"],
    ]);
  });

  it("counts in serial only hosts that would change: an unchanged canary proves nothing", async () => {
    const one = play("one", { serial: CANARY });
    const sessions = [hostOf("right", [one], "unchanged"), ...named([one], "ok-1", "ok-2")];
    expect(await batches([one], sessions)).toEqual([["ok-1"], ["ok-2"]]);
  });

  it.each(["failed", "rolled-back", "refused", "unknown"])(
    "ends after a batch of which every host is %s",
    async (status) => {
      const one = play("one", { serial: [{ count: 2 }] });
      const hosts = named([one], `${status}-1`, `${status}-2`, "ok-3", "ok-4");
      const { done, hosts: after } = await run([one], hosts);
      expect(done).toEqual([[`${status}-1`, `${status}-2`]]);
      expect(after.all().at(-1)?.outcome.status).toBe("would-change");
    },
  );

  it("goes on after a batch of which one host failed", async () => {
    const one = play("one", { serial: [{ count: 2 }] });
    expect(await batches([one], named([one], "failed-1", "ok-2", "ok-3"))).toEqual([
      ["failed-1", "ok-2"],
      ["ok-3"],
    ]);
  });

  it("ends at the first failure with any_errors_fatal, and does not begin with a host that is down", async () => {
    const one = play("one", { serial: [{ count: 2 }], anyErrorsFatal: true });
    expect(await batches([one], named([one], "failed-1", "ok-2", "ok-3"))).toEqual([["failed-1", "ok-2"]]);
    expect(await batches([one], [...named([one], "ok-1"), hostOf("down", [one], "unreachable")])).toEqual([]);
  });

  describe("with max_fail_percentage", () => {
    const limited = (percentage: number) =>
      play("one", { serial: [{ count: 4 }], maxFailPercentage: percentage });

    it("ends above that percentage, and not at it", async () => {
      for (const [percentage, count] of [
        [24, 1],
        [25, 2],
      ] as const) {
        const one = limited(percentage);
        const hosts = named([one], "failed-1", "ok-2", "ok-3", "ok-4", "ok-5", "ok-6", "ok-7", "ok-8");
        expect(await batches([one], hosts)).toHaveLength(count);
      }
    });

    it.each(["unreachable", "refused", "unknown", "failed"] as const)(
      "counts hosts that are %s before anything is changed",
      async (status) => {
        const one = limited(24);
        const sessions = [hostOf("lost", [one], status), ...named([one], "ok-1", "ok-2", "ok-3")];
        expect(await batches([one], sessions)).toEqual([]);
      },
    );

    it("goes on at exactly that percentage: 7 of 100 is not above 7", async () => {
      const one = play("one", { serial: [{ count: 100 }], maxFailPercentage: 7 });
      const names = Array.from({ length: 101 }, (_, index) =>
        index < 7 ? `failed-${index}` : `ok-${index}`,
      );
      expect(await batches([one], named([one], ...names))).toHaveLength(2);
    });

    it("of 0 ends the play at the first failure", async () => {
      const one = limited(0);
      expect(await batches([one], named([one], "failed-1", "ok-2", "ok-3", "ok-4", "ok-5"))).toHaveLength(1);
    });
  });

  it("begins no batch after an interruption", async () => {
    const one = play("one", { serial: [{ count: 1 }] });
    expect(await batches([one], named([one], "ok-1", "ok-2", "ok-3"), { interruptAfter: 1 })).toEqual([
      ["ok-1"],
    ]);
  });
});

describe("several plays", () => {
  it("come one after the other, each with its own batches", async () => {
    const [one, two] = [play("one", { serial: [{ count: 1 }] }), play("two")];
    const sessions = [...named([one], "ok-1", "ok-2"), ...named([two], "ok-3", "ok-4")];
    expect(await batches([one, two], sessions)).toEqual([["ok-1"], ["ok-2"], ["ok-3", "ok-4"]]);
  });

  it("change a host of two plays once, in the first", async () => {
    const [one, two] = [play("one"), play("two")];
    expect(await batches([one, two], named([one, two], "ok-1"))).toEqual([["ok-1"]]);
  });

  it("end after the play that failed, as in Ansible", async () => {
    const [one, two] = [play("one"), play("two")];
    const sessions = [...named([one], "failed-1"), ...named([two], "ok-2")];
    expect(await batches([one, two], sessions)).toEqual([["failed-1"]]);
  });

  it("go on after a play in which nothing had to change", async () => {
    const [one, two] = [play("one"), play("two")];
    const sessions = [hostOf("right", [one], "unchanged"), ...named([two], "ok-2")];
    expect(await batches([one, two], sessions)).toEqual([["ok-2"]]);
  });
});
