import { family as familyOf } from "../lib/network.ts";
import { networksPassage, type Seen, strangersPassage } from "./reachability.ts";
import { verdictOf } from "./walk/passage.ts";

/** What a host's rules, whoever wrote them, do with new connections to Redis. */
export interface Judged {
  /** Ports that somebody outside the networks reaches, with the rule that lets them in. */
  open: { family: 4 | 6; port: number; rule: string; isPolicy: boolean }[];
  /** Networks from which nobody reaches a port. */
  keptOut: { network: string; port: number }[];
  /** What stays unknown, with the rule that leaves it open. */
  doubts: { who: string; port: number; rule: string }[];
}

/** Walks the rules for each port, with those from the networks, and with everybody else. */
export function judgeRules(
  seen: Seen,
  {
    families,
    ports,
    networks,
  }: { families: readonly (4 | 6)[]; ports: readonly number[]; networks: readonly string[] },
): Judged {
  const judged: Judged = { open: [], keptOut: [], doubts: [] };
  for (const family of families) {
    for (const port of ports) {
      const { openings, doubts } = strangersPassage(seen, family, port, networks);
      const [opening, doubt] = [openings[0]?.rule, doubts[0]];
      if (opening !== undefined)
        judged.open.push({ family, port, rule: opening.text, isPolicy: opening.isPolicy === true });
      else if (doubt !== undefined) judged.doubts.push({ who: "others", port, rule: doubt.text });
      for (const network of networks.filter((text) => familyOf(text) === family)) {
        const passage = networksPassage(seen, family, port, [network]);
        const verdict = verdictOf(passage);
        if (verdict === "closed") judged.keptOut.push({ network, port });
        if (verdict === "unknown")
          judged.doubts.push({ who: network, port, rule: passage.doubts[0]?.text ?? "" });
      }
    }
  }
  return judged;
}

/** "10.0.0.0/24 does not reach port 6380" */
export const keptOutText = ({ network, port }: Judged["keptOut"][number]): string =>
  `${network} does not reach port ${port}`;
