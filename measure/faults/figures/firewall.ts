import { isTrue, judgeSets, prepare } from "../../../test/firewall/truth/judge.ts";
import { SETS } from "../../../test/firewall/truth/sets.ts";
import { startHost } from "../../../test/integration/support/lab.ts";
import type { Figure } from "../figure.ts";

export const figure: Figure = {
  name: "firewall",
  title: "What verify reads of whole rule sets, iptables' and nft's, is what packets meet, IPv4 and IPv6",
  target: `${SETS.length} of ${SETS.length} rule sets`,
  async run({ count = SETS.length, log }) {
    const sets = SETS.slice(0, count);
    await using host = await startHost();
    await prepare(host);
    log(`${sets.length} rule sets`);
    const judged = await judgeSets(host, sets);
    const wrong = judged.filter((one) => !isTrue(one));
    const unknown = sets.filter(({ name }) =>
      judged.some(({ set, said }) => set === name && said === "unknown"),
    );
    return {
      measured: `${sets.length} rule sets, ${judged.length} answers, ${wrong.length} otherwise than the packets; ${unknown.length} rule sets cannot be told`,
      ok: wrong.length === 0,
      problems: wrong.map(
        ({ set, client, family, isIn, said, by }) =>
          `${set}: ${client} over IPv${family} ${isIn ? "gets in" : "stays out"}, "${said}" was said: ${by}`,
      ),
      details: judged,
    };
  },
};
