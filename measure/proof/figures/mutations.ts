import type { Figure } from "../../faults/figure.ts";
import { hardened, MUTATIONS, type Mutation, measuredOf, type Noticed, tryMutation } from "../mutations.ts";

const HOSTS = 2;

export const figure: Figure = {
  name: "mutations",
  title: "One change to a hardened host: verify names the right control",
  target: `${MUTATIONS.length} of ${MUTATIONS.length}, and nothing once it is taken back`,
  async run({ count = MUTATIONS.length, log }) {
    const todo: Mutation[] = MUTATIONS.slice(0, count);
    const results: Noticed[] = [];
    const work = async () => {
      await using scene = await hardened();
      for (let mutation = todo.shift(); mutation !== undefined; mutation = todo.shift()) {
        const result = await tryMutation(scene, mutation);
        results.push(result);
        log(`${result.isNoticed ? "" : "MISSED "}${result.title}: ${result.failed.join(", ") || "nothing"}`);
      }
    };
    await Promise.all(Array.from({ length: HOSTS }, work));
    return measuredOf(results, count);
  },
};
