import { shellProgram } from "../shell/program.ts";
import type { Fact } from "./fact.ts";

/** A Sentinel that is active on the host. */
export interface Sentinel {
  unit: string;
  /** Lines of its configuration that say who may reach it and what it watches; passwords read `(set)`. */
  settings: readonly { name: string; value: string }[];
  /** Its reply to PING without a login; empty where it was not asked, for it speaks TLS alone. */
  reply: string;
  /** Of each primary that it watches: the flags, and what it says to CKQUORUM. */
  watched: readonly { name: string; flags: string; quorum: string }[];
}

/** The active Sentinels. They are asked as a stranger would, from the host itself. */
export const sentinelFact: Fact<readonly Sentinel[]> = {
  script: ({ prove }) => (prove ? shellProgram("probe/sentinels.sh") : ""),
  parse: ({ said: sections }) => {
    const replies = new Map(sections.startingWith("sentinel-reply"));
    const watched = new Map(sections.startingWith("sentinel-watched"));
    const settings = new Map(sections.startingWith("sentinel-conf"));
    return [...new Set([...settings.keys(), ...replies.keys()])].map((unit) => ({
      unit,
      settings: (settings.get(unit) ?? "").split("\n").flatMap((line) => {
        const at = line.indexOf(" ");
        return at < 0 ? [] : [{ name: line.slice(0, at).toLowerCase(), value: line.slice(at + 1).trim() }];
      }),
      reply: (replies.get(unit) ?? "").trim(),
      watched: triples((watched.get(unit) ?? "").split("\n").filter(Boolean)),
    }));
  },
};

function triples(lines: readonly string[]): Sentinel["watched"] {
  const found = [];
  for (let i = 0; i + 2 < lines.length; i += 3)
    found.push({ name: lines[i] ?? "", flags: lines[i + 1] ?? "", quorum: lines[i + 2] ?? "" });
  return found;
}
