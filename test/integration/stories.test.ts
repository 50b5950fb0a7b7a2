import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Operator } from "../stories/operator.ts";
import { readStories } from "../stories/story.ts";
import { type LabHost, type LabNetwork, startHost, startNetwork } from "./support/lab.ts";

const stories = readStories(readFileSync(join(import.meta.dirname, "../../docs/stories.md"), "utf8"));

/** One after the other, as they happened: each finds the hosts as the one before has left them. */
describe("docs/stories.md", () => {
  let network: LabNetwork;
  let hosts: Record<string, LabHost>;
  let operator: Operator;

  beforeAll(async () => {
    network = await startNetwork();
    const names = ["redis-01", "redis-02", "redis-03"];
    const started = await Promise.all(
      names.map(async (alias) => [alias, await startHost({ network, alias })] as const),
    );
    hosts = Object.fromEntries(started);
    operator = new Operator(hosts, {
      "10.20.0.0/16": network.subnet,
      "10.20.0.11": hosts["redis-01"]?.ip ?? "",
      "10.20.0.12": hosts["redis-02"]?.ip ?? "",
      "10.20.0.13": hosts["redis-03"]?.ip ?? "",
    });
  });
  afterAll(async () => {
    operator?.[Symbol.dispose]();
    for (const host of Object.values(hosts ?? {})) await host[Symbol.asyncDispose]();
    await network?.[Symbol.asyncDispose]();
  });

  it("has eight stories", () => {
    expect(stories).toHaveLength(8);
  });

  it.each(stories)("$title", async ({ steps }) => {
    for (const step of steps) await operator.do(step);
  });
});
