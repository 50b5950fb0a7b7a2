import { notPassed } from "../../../test/integration/support/project.ts";
import type { Figure } from "../../faults/figure.ts";
import { hardened } from "../mutations.ts";

export const figure: Figure = {
  name: "untouched",
  title: "An untouched hardened host: verify finds nothing",
  target: "0 findings in 100 runs",
  async run({ count = 100, log }) {
    await using scene = await hardened();
    const problems: string[] = [];
    let checks = 0;
    for (let run = 1; run <= count; run++) {
      const { status, host } = await scene.project.run("verify");
      checks += host("redis-01").checks.length;
      if (status !== 0)
        problems.push(`run ${run}: exit ${status}: ${notPassed(host("redis-01")).join("; ")}`);
      if (run % 10 === 0) log(`${run} of ${count}`);
    }
    return {
      measured: `${problems.length} runs with findings of ${count}, ${checks} checks`,
      ok: problems.length === 0,
      problems,
    };
  },
};
