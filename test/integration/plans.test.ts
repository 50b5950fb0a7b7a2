import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { runPlanCase } from "../../measure/faults/figures/plans.ts";
import { runStale } from "../../measure/faults/figures/stale.ts";
import { startHost } from "./support/lab.ts";
import { redisProcess } from "./support/observe.ts";
import { openProject } from "./support/project.ts";
import { RespClient } from "./support/resp.ts";

// Catalogue F4, F6, F7, F8, F9: the parts of `npm run faults` that need no hours.

// Several runs of the program each: on a machine that is busy they take their time.
const timeout = 300_000;

describe.concurrent("a host as operators leave it", { timeout }, () => {
  it.for([3, 20, 26, 105])(
    "is left alone by plan, and changed by apply as planned: start state %i",
    async (seed, { expect }) => {
      const { problems, habits } = await runPlanCase(seed);
      expect(problems, habits.join(", ")).toEqual([]);
    },
  );
});

describe("a host that changes between plan and yes", { timeout }, () => {
  it("is refused with the name of what changed, and not touched", async () => {
    const names = ["a drop-in, not loaded", "CONFIG SET maxmemory", "a new user", "another primary"];
    const results = await runStale(
      () => {},
      (name) => names.includes(name),
    );
    expect(results.map(({ name }) => name)).toEqual(names);
    expect(results.flatMap(({ name, problems }) => problems.map((problem) => `${name}: ${problem}`))).toEqual(
      [],
    );
  });
});

describe("a second run", () => {
  it("drops no client, and opens no connection but its own", async () => {
    await using host = await startHost();
    using project = openProject({ "redis-01": host });
    expect((await project.run("apply", "--yes")).status).toBe(0);
    const read = (name: string): string => readFileSync(project.path(`.redkeep/pki/${name}`), "utf8");
    using client = await RespClient.open({
      host: host.ip,
      port: 6380,
      tls: { ca: read("ca.crt"), cert: read("clients/app.crt"), key: read("clients/app.key") },
      user: "app",
      password: project.appPassword,
    });
    const process = await redisProcess(host);
    let isOver = false;
    const calls = (async () => {
      let count = 0;
      for (; !isOver; count++) await client.command("SET", "app:again", `${count}`);
      return count;
    })();
    const again = await project.run("apply", "--yes").finally(() => {
      isOver = true;
    });
    expect(await calls).toBeGreaterThan(100);
    expect(again.record.summary).toMatchObject({ unchanged: 1, changes: 0 });
    expect(await redisProcess(host)).toBe(process);
    expect(client.isClosed).toBe(false);
  });
});
