import { afterAll, describe, expect, it, vi } from "vitest";
import { CURATED } from "../../../../measure/faults/hostile/curated.ts";
import { runGenerated } from "../../../../measure/faults/hostile/generated.ts";
import { runCurated } from "../../../../measure/faults/hostile/run.ts";
import { Sandbox } from "../../../../measure/faults/hostile/sandbox.ts";

// The files of hundreds of small projects are written and read here.
vi.setConfig({ testTimeout: 120_000 });

const sandbox = new Sandbox();
afterAll(() => sandbox[Symbol.dispose]());

describe("hostile input is refused with its place or taken literally, and never executed", () => {
  it.each(Object.entries(CURATED))("in %s", async (_, inputs) => {
    const { problems, executed, uncaught } = await runCurated(sandbox, inputs);
    expect({ problems, executed, uncaught }).toEqual({ problems: [], executed: 0, uncaught: 0 });
  });

  it("in inputs that are generated", async () => {
    const { problems, executed, uncaught } = await runGenerated(sandbox, 2500, 1);
    expect({ problems, executed, uncaught }).toEqual({ problems: [], executed: 0, uncaught: 0 });
  });

  it("under hundreds of names, no two alike", () => {
    const names = Object.values(CURATED).flatMap((inputs) => inputs.map(({ name }) => name));
    expect(new Set(names).size).toBe(names.length);
    expect(names.length).toBeGreaterThan(300);
  });
});
