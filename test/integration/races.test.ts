import { describe, expect, it } from "vitest";
import { raceConfirm, raceRuns } from "../../measure/faults/figures/races.ts";
import { startHost } from "./support/lab.ts";
import { openProject } from "./support/project.ts";

// Catalogue F1 to F3: a few of the races of `npm run faults`.

// Eight runs of the program.
describe("the second of two runs on a host", { timeout: 300_000 }, () => {
  it("is refused with the holder of the lock or as a stale plan, and changes nothing", async () => {
    await using host = await startHost();
    using project = openProject({ "redis-01": host });
    for (const [number, offset] of [0, 200].entries()) {
      const { told, problems } = await raceRuns(host, project, number, offset);
      expect(problems, told.join(", ")).toEqual([]);
    }
    for (const number of [0, 1]) {
      const { told, problems } = await raceConfirm(host, project, number);
      expect(problems, told.join(", ")).toEqual([]);
    }
  });
});
