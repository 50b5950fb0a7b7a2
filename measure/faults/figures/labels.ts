import type { Figure } from "../figure.ts";
import { ABRUPT, CUTS, labelsOf, many } from "../labels.ts";

const AT_COMMIT = 100;
const ABRUPTLY = 200;

export const figure: Figure = {
  name: "labels",
  title: "What redkeep says is what happened: the link cut at the commit, channels that end without a word",
  target: "100 of 100 labels right, 0 false successes in 200",
  async run({ count = AT_COMMIT + ABRUPTLY, log }) {
    const cuts = Math.ceil(count / 3);
    const cut = await labelsOf(many(CUTS, cuts));
    log(`cut at the commit: ${cut.right} of ${cuts} labels right`);
    const ends = count - cuts;
    const ended = await labelsOf(many(ABRUPT, ends));
    log(`ended abruptly: ${ended.right} of ${ends} labels right, ${ended.falseSuccesses} false successes`);
    return {
      measured: `${cut.right} of ${cuts} labels right, ${ended.falseSuccesses} false successes in ${ends}`,
      ok:
        cut.right === cuts && cut.falseSuccesses === 0 && ended.right === ends && ended.falseSuccesses === 0,
      problems: [...cut.problems, ...ended.problems],
      details: { cut, ended },
    };
  },
};
