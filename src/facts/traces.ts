import { shellProgram } from "../shell/program.ts";
import type { Fact } from "./fact.ts";

/** What redkeep itself left on the host. */
export interface TracesFact {
  /** How many transactions redkeep keeps here; undefined where it has no folder of its own. */
  transactions: number | undefined;
  /** Paths below redkeep's folder that are not root's alone, with what they are: `root:root 755 /var/lib/redkeep`. */
  open: readonly string[];
  /** Logins and keys of transactions that are over, by path. */
  secrets: readonly string[];
  /** Units and temporary files that no transaction needs any more. Unusual names are reported without the name. */
  leftovers: readonly string[];
}

/** Redkeep's own folder, and what it may have left in those of others. Undefined where only root could look. */
export const tracesFact: Fact<TracesFact | undefined> = {
  script: () => shellProgram("probe/traces.sh"),
  parse: ({ seen: sections }) => {
    if (sections.text("traces") === undefined) return undefined;
    const said = (word: string) =>
      sections
        .lines("traces")
        .flatMap((line) => (line.startsWith(`${word} `) ? [line.slice(word.length + 1)] : []));
    const [transactions] = said("transactions");
    return {
      transactions: transactions === undefined ? undefined : Number(transactions),
      open: said("open"),
      secrets: said("secret"),
      leftovers: [...new Set(said("leftover"))],
    };
  },
};
