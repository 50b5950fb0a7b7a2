import type { Figure } from "../../faults/figure.ts";
import { measuredOf } from "../mutations.ts";
import { type NoticedOutside, OUTSIDE_MUTATIONS, OutsideScene, tryOutside } from "../outside.ts";

export const figure: Figure = {
  name: "outside",
  title:
    "One change to a hardened host, looked at from an allowed and a denied host: the right control from there",
  target: `${OUTSIDE_MUTATIONS.length} of ${OUTSIDE_MUTATIONS.length}, and nothing once it is taken back`,
  async run({ count = OUTSIDE_MUTATIONS.length, log }) {
    await using scene = await OutsideScene.open();
    const results: NoticedOutside[] = [];
    for (const mutation of OUTSIDE_MUTATIONS.slice(0, count)) {
      const result = await tryOutside(scene, mutation);
      results.push(result);
      log(`${result.isNoticed ? "" : "MISSED "}${result.title}: ${result.failed.join(", ") || "nothing"}`);
    }
    return measuredOf(results, count);
  },
};
