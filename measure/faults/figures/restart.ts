import { setTimeout } from "node:timers/promises";
import { onHost } from "../../../test/integration/support/observe.ts";
import { openProject } from "../../../test/integration/support/project.ts";
import { Clients, lostWrites } from "../clients.ts";
import type { Figure } from "../figure.ts";
import { KEYS, keysOf, prepareHost } from "../host.ts";

/** What the one restart that hardens a host may take more than `systemctl restart` by hand. */
const MORE_MS = 300;
const MANY_KEYS = 1_000_000;

interface Pair {
  keys: number;
  /** How long a client at 5 ms was without a reply, in milliseconds. */
  bareMs: number;
  redkeepMs: number;
  /** A restart by hand of the hardened host, for comparison: TLS and ACL file cost a start something too. */
  bareHardenedMs: number;
  keysLost: number;
  writesAcked: number;
  writesLost: number;
  problems: string[];
}

async function measurePair(keys: number): Promise<Pair> {
  await using host = await prepareHost({ keys });
  using project = openProject({ "redis-01": host });
  await using clients = await Clients.start(host, {
    password: project.appPassword,
    // A hardened host has the first, a stock one the second.
    clients: [{ name: "client", to: ["/run/redis/redis.sock", ["127.0.0.1", 6379, false]], everyMs: 5 }],
  });
  const acknowledged: number[] = [];
  const problems: string[] = [];
  const without = async (restart: () => Promise<unknown>): Promise<number> => {
    await setTimeout(1000);
    acknowledged.push(...((await clients.noticed()).client?.acknowledged ?? []));
    await restart();
    let longest = 0;
    for (let replies = 0; replies === 0; ) {
      await setTimeout(500);
      const seen = (await clients.noticed()).client;
      acknowledged.push(...(seen?.acknowledged ?? []));
      longest = Math.max(longest, seen?.longestGapMs ?? 0);
      replies = seen?.replies ?? 0;
    }
    return Math.round(longest);
  };
  const byHand = () => onHost(host, "systemctl restart redis-server");
  const bareMs = await without(byHand);
  const redkeepMs = await without(async () => {
    const run = await project.run("apply", "--yes");
    if (run.status !== 0) throw new Error(run.stdout);
    if (!run.host("redis-01").restart.needed) problems.push("the run needed no restart");
  });
  const bareHardenedMs = await without(byHand);
  return {
    keys,
    bareMs,
    redkeepMs,
    bareHardenedMs,
    keysLost: keys - (await keysOf(host, project, keys)),
    writesAcked: acknowledged.length,
    writesLost: await lostWrites(host, project, "client", acknowledged),
    problems,
  };
}

export const figure: Figure = {
  name: "restart",
  title: "The one restart that hardens a stock host, beside a bare `systemctl restart redis-server`",
  target: `at most ${MORE_MS / 1000} s more, in the median; no key and no acknowledged write lost`,
  async run({ count = 10, log }) {
    const sizes = [
      ...Array<number>(count).fill(KEYS),
      ...Array<number>(Math.ceil(count / 4)).fill(MANY_KEYS),
    ];
    const pairs: Pair[] = [];
    for (const keys of sizes) {
      const pair = await measurePair(keys);
      pairs.push(pair);
      log(
        `${keys} keys: bare ${pair.bareMs} ms, redkeep ${pair.redkeepMs} ms, bare once hardened ${pair.bareHardenedMs} ms; ` +
          `${pair.keysLost} keys and ${pair.writesLost} of ${pair.writesAcked} writes lost`,
      );
    }
    const problems = pairs.flatMap(({ problems }) => problems);
    const told = [KEYS, MANY_KEYS].map((keys) => {
      const these = pairs.filter((pair) => pair.keys === keys);
      const bare = spread(these.map(({ bareMs }) => bareMs));
      const redkeep = spread(these.map(({ redkeepMs }) => redkeepMs));
      if (redkeep.median > bare.median + MORE_MS)
        problems.push(
          `${keys} keys: ${redkeep.median} ms, ${redkeep.median - bare.median} ms more than bare`,
        );
      return (
        `${keys} keys, ${these.length} pairs: bare median ${bare.median} ms (worst ${bare.worst}), ` +
        `redkeep median ${redkeep.median} ms (worst ${redkeep.worst})`
      );
    });
    const sum = (of: (pair: Pair) => number) => pairs.reduce((all, pair) => all + of(pair), 0);
    const [keysLost, writesLost] = [sum((pair) => pair.keysLost), sum((pair) => pair.writesLost)];
    if (keysLost > 0) problems.push(`${keysLost} keys lost`);
    if (writesLost > 0) problems.push(`${writesLost} acknowledged writes lost`);
    return {
      measured: `${told.join("; ")}; ${keysLost} of ${sum(({ keys }) => keys)} keys and ${writesLost} of ${sum(({ writesAcked }) => writesAcked)} acknowledged writes lost`,
      ok: problems.length === 0,
      problems,
      details: pairs,
    };
  },
};

function spread(values: readonly number[]): { median: number; worst: number } {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const median = ((sorted[Math.floor(middle)] ?? 0) + (sorted[Math.ceil(middle) - 1] ?? 0)) / 2;
  return { median: Math.round(median), worst: sorted.at(-1) ?? 0 };
}
