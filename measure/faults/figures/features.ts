import { FEATURES, tryFeature } from "../features.ts";
import type { Figure } from "../figure.ts";

export const figure: Figure = {
  name: "features",
  title: "Each safety feature, taken out, is missed",
  target: "all of them",
  async run({ count = FEATURES.length, log }) {
    const features = FEATURES.slice(0, count);
    const problems: string[] = [];
    const details = [];
    for (const feature of features) {
      const { name, fault } = feature;
      const { whole, without } = await tryFeature(feature);
      log(`${name}: ${without.join("; ") || "not missed"}`);
      problems.push(...whole.map((line) => `${name}: with it, too: ${line}`));
      if (without.length === 0) problems.push(`${name}: not missed`);
      details.push({ name, fault, whole, without });
    }
    const missed = details.filter(({ whole, without }) => whole.length === 0 && without.length > 0);
    return {
      measured: `${missed.length} of ${features.length}`,
      ok: missed.length === features.length,
      problems,
      table: [
        "| Without | and where | this happens |",
        "| --- | --- | --- |",
        ...details.map(({ name, fault, without }) => `| ${name} | ${fault} | ${without.join("; ")} |`),
      ].join("\n"),
      details,
    };
  },
};
