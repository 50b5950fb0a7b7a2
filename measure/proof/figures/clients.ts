import type { Figure } from "../../faults/figure.ts";
import { CLIENTS, EXPECTED, loginOf } from "../clients.ts";
import { hardened } from "../mutations.ts";

export const figure: Figure = {
  name: "clients",
  title:
    "ioredis, node-redis and redis-py over TLS with the issued certificates: what works, and what is denied",
  target: `${EXPECTED.length} of ${EXPECTED.length} for each of 3`,
  async run({ log }) {
    await using scene = await hardened();
    const problems: string[] = [];
    const counts: string[] = [];
    for (const [name, use] of Object.entries(CLIENTS)) {
      const seen = new Map(await use(loginOf(scene.project, scene.host.ip)));
      const wrong = EXPECTED.filter(([what, reply]) => !reply.test(seen.get(what) ?? ""));
      for (const [what] of wrong) problems.push(`${name}: ${what}: ${seen.get(what) ?? "not tried"}`);
      counts.push(`${name} ${EXPECTED.length - wrong.length}`);
      log(`${name}: ${[...seen].map(([what, reply]) => `${what}: ${reply}`).join("; ")}`);
    }
    return {
      measured: `${counts.join(", ")}, of ${EXPECTED.length} each`,
      ok: problems.length === 0,
      problems,
    };
  },
};
