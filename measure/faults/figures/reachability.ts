import type { Figure } from "../figure.ts";
import { LISTS, runTruthTable } from "../truth-table.ts";

export const figure: Figure = {
  name: "reachability",
  title: "Who reaches a port is what the rules were read to say: real connections, IPv4 and IPv6",
  target: `${LISTS} of ${LISTS} rule lists`,
  async run({ count, log }) {
    const { lists, connections, differences } = await runTruthTable(count ?? LISTS, log);
    return {
      measured: `${lists} rule lists, ${connections} connections, ${differences.length} otherwise than predicted`,
      ok: differences.length === 0,
      problems: differences,
    };
  },
};
