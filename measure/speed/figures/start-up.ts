import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Figure } from "../../faults/figure.ts";
import { measure } from "../measure.ts";
import { median } from "../results.ts";
import { redkeepCommand } from "../tools.ts";

const LIMIT = 0.15;

/** What starting the program costs by itself. */
export const figure: Figure = {
  name: "start-up",
  title: "`redkeep --help`: CPU, all of the run",
  target: `at most ${LIMIT * 1000} ms`,
  async run({ count = 9 }) {
    const dir = mkdtempSync(join(tmpdir(), "rk-bench-"));
    const seconds: number[] = [];
    const problems: string[] = [];
    try {
      for (let run = 0; run < count; run++) {
        const { cpu, status, output } = await measure([...redkeepCommand(), "--help"], {
          cwd: dir,
          hosts: [],
          limit: 60,
        });
        if (status !== 0) problems.push(`exit status ${status}: ${output}`);
        seconds.push(cpu);
      }
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
    const middle = median(seconds) ?? Number.NaN;
    return {
      measured: `${Math.round(middle * 1000)} ms`,
      ok: middle <= LIMIT && problems.length === 0,
      problems,
    };
  },
};
