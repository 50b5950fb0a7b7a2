import type { Figure } from "../figure.ts";
import { blindPlaces, everyday, findText, missing, told } from "../secrets/check.ts";
import { ENCODINGS } from "../secrets/markers.ts";
import { Scenario } from "../secrets/scenario.ts";

export const figure: Figure = {
  name: "secrets",
  title: "Secret markers found in outputs, records, processes, files and logs",
  target: "0 of 12 × 6",
  run: async ({ log }) => {
    await using scenario = await Scenario.start();
    const repeated = await told(scenario);
    await scenario.watch();
    const problems = [...repeated.problems, ...(await everyday(scenario, { thorough: true, log }))];
    const { finds, places, looks } = await scenario.finds();
    log(looks);
    problems.push(...missing(scenario.markers()), ...(await blindPlaces(scenario)));
    const all = [...finds, ...repeated.finds];
    const found = new Set(all.map(({ marker, encoding }) => `${marker} ${encoding}`));
    return {
      measured: `${found.size} of ${scenario.markers().length} × ${ENCODINGS.length} in ${places} places`,
      ok: found.size === 0 && problems.length === 0,
      problems: [...problems, ...all.map(findText)],
      details: { finds: all, places, looks },
    };
  },
};
