import type { Figure } from "../../faults/figure.ts";
import { hardened, MUTATIONS, type Mutation, type Noticed, tryMutation } from "../mutations.ts";

const HOSTS = 2;

export const figure: Figure = {
  name: "mutations",
  title: "One change to a hardened host: verify names the right control",
  target: `${MUTATIONS.length} of ${MUTATIONS.length}, and nothing once it is taken back`,
  async run({ count = MUTATIONS.length, log }) {
    const todo: Mutation[] = MUTATIONS.slice(0, count);
    const results: Noticed[] = [];
    const problems: string[] = [];
    const work = async () => {
      await using scene = await hardened();
      for (let mutation = todo.shift(); mutation !== undefined; mutation = todo.shift()) {
        const result = await tryMutation(scene, mutation);
        results.push(result);
        const { title, control, failed, isNoticed, afterwards } = result;
        log(`${isNoticed ? "" : "MISSED "}${title}: ${failed.join(", ") || "nothing"}`);
        if (!isNoticed)
          problems.push(`${title}: ${control} holds; what fails: ${failed.join(", ") || "nothing"}`);
        problems.push(...afterwards.map((text) => `${title}, taken back: ${text}`));
      }
    };
    await Promise.all(Array.from({ length: HOSTS }, work));
    const noticed = results.filter(({ isNoticed }) => isNoticed).length;
    return {
      measured: `${noticed} of ${results.length} noticed, ${results.flatMap(({ afterwards }) => afterwards).length} findings once they were taken back`,
      ok: problems.length === 0 && results.length === count,
      problems,
      details: results,
    };
  },
};
