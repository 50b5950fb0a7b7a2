import type { Figure } from "../../faults/figure.ts";
import { hardened, MUTATIONS, type Mutation } from "../mutations.ts";
import { differences, PEERS } from "../peers.ts";

export const figure: Figure = {
  name: "peers",
  title: "The same changes, seen by Lynis and by the checklist at the end of the guide",
  target: "each run over all of them; what they notice is theirs",
  async run({ count = MUTATIONS.length, log }) {
    const peers = PEERS.filter((peer) => peer.missing() === undefined);
    const problems = PEERS.flatMap((peer) => {
      const why = peer.missing();
      return why === undefined ? [] : [`${peer.name} was not run: ${why}`];
    });
    const todo: Mutation[] = MUTATIONS.slice(0, count);
    const results: { title: string; noticedBy: Record<string, string[]> }[] = [];
    await using scene = await hardened();
    const known = new Map<string, Set<string>>();
    for (const peer of peers) {
      await peer.install(scene.host);
      known.set(peer.name, new Set(await peer.findings(scene)));
    }
    for (const mutation of todo) {
      const noticedBy: Record<string, string[]> = {};
      await mutation.change(scene);
      for (const peer of peers)
        noticedBy[peer.name] = differences(
          known.get(peer.name) ?? new Set(),
          new Set(await peer.findings(scene)),
        );
      await mutation.undo(scene);
      results.push({ title: mutation.title, noticedBy });
      log(
        `${mutation.title}: ${peers.map(({ name }) => `${name} ${noticedBy[name]?.length ?? 0}`).join(", ")}`,
      );
      // What is taken back must be as it was, or the next change is blamed for it.
      for (const peer of peers.filter(({ isQuick }) => isQuick)) {
        const left = differences(known.get(peer.name) ?? new Set(), new Set(await peer.findings(scene)));
        if (left.length > 0) problems.push(`${mutation.title}, taken back: ${left[0]}`);
      }
    }
    const noticed = (name: string) =>
      results.filter(({ noticedBy }) => (noticedBy[name]?.length ?? 0) > 0).length;
    return {
      measured: peers.map(({ name }) => `${name} ${noticed(name)} of ${results.length}`).join(", "),
      ok: problems.length === 0 && results.length === count,
      problems,
      details: results,
    };
  },
};
