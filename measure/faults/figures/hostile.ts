import type { Figure } from "../figure.ts";
import { CURATED } from "../hostile/curated.ts";
import { runGenerated } from "../hostile/generated.ts";
import { runCurated } from "../hostile/run.ts";
import { Sandbox } from "../hostile/sandbox.ts";

const CURATED_AT_LEAST = 300;
const GENERATED = 100_000;
/** Of the generated ones: the same in every run. */
const SEED = 20_261_124;

export const figure: Figure = {
  name: "hostile",
  title: "Hostile inputs are refused or taken literally",
  target: "at least 300 curated and 100 000 generated, 0 executed, 0 uncaught",
  async run({ count = GENERATED, log }) {
    using sandbox = new Sandbox();
    const tallies = [];
    for (const [way, inputs] of Object.entries(CURATED)) {
      tallies.push(await runCurated(sandbox, inputs));
      log(`${inputs.length} curated: ${way}`);
    }
    const curated = tallies.reduce((sum, { cases }) => sum + cases, 0);
    log(`generated from seed ${SEED}`);
    const generated = await runGenerated(sandbox, count, SEED, log);
    const all = [...tallies, generated];
    const executed = all.reduce((sum, tally) => sum + tally.executed, 0);
    const uncaught = all.reduce((sum, tally) => sum + tally.uncaught, 0);
    return {
      measured: `${curated} curated and ${generated.cases} generated, ${executed} executed, ${uncaught} uncaught`,
      ok: curated >= CURATED_AT_LEAST && generated.cases >= count && executed === 0 && uncaught === 0,
      problems: all.flatMap(({ problems }) => problems),
      details: { seed: SEED, curated, generated: generated.families },
    };
  },
};
