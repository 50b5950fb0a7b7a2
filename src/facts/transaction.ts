import { shellProgram } from "../shell/program.ts";
import { parseAssignments } from "../shell/quote.ts";
import type { Fact } from "./fact.ts";

/** The variable of a transaction in which the host keeps the mark of the state that made it: see src/state/generation.ts. */
export const STATE_MARK = "STATE_MARK";

/** What redkeep itself left on the host: a transaction that still waits for its confirmation, and its recovery unit. */
export interface TransactionFact {
  /** The transaction's id, its state, and who started it when (`user@controller since …`). */
  pending: { id: string; state: string; holder: string } | undefined;
  recoverUnit: string | undefined;
  /** The last transaction that was committed here, with the paths that it wrote or set. */
  last:
    | {
        id: string;
        holder: string;
        isRollback: boolean;
        /** It restarted Redis, so undoing it does too. */
        restarted: boolean;
        /** It switched the firewall on, so undoing it switches it off. */
        firewall: boolean;
        /** The marks of the states that made it and, where it is a rollback, what it undid. */
        marks: readonly string[];
        written: readonly string[];
        set: readonly string[];
        /** Owner and mode that it gave to what stayed as it was otherwise, by path: `root:redis 750`. */
        modes: ReadonlyMap<string, string>;
      }
    | undefined;
}

export const transactionFact: Fact<TransactionFact> = {
  script: () => shellProgram("probe/transaction.sh"),
  parse: ({ seen: sections }) => {
    const [link = "", state = "", holder = ""] = (sections.text("pending") ?? "").trim().split("\n");
    const [id = "", who = "", ...kinds] = (sections.text("last") ?? "").trim().split("\n");
    return {
      last:
        id === ""
          ? undefined
          : {
              id,
              holder: who,
              isRollback: kinds.includes("rollback"),
              restarted: kinds.includes("restarted"),
              firewall: kinds.includes("firewall"),
              marks: kinds.flatMap((line) => parseAssignments(line).get(STATE_MARK) ?? []),
              // `NUMBER PATH OWNER MODE` of files, `PATH OWNER MODE` of what was only set. No path holds a blank.
              written: sections.lines("last-files").map((line) => line.split(" ")[1] ?? ""),
              set: [...sections.lines("last-modes"), ...sections.lines("last-directories")].map(
                (line) => line.split(" ")[0] ?? "",
              ),
              modes: new Map(
                sections.lines("last-modes").map((line) => {
                  const [path = "", ...attributes] = line.split(" ");
                  return [path, attributes.join(" ")] as const;
                }),
              ),
            },
      pending: link === "" ? undefined : { id: link.replace(/^txn\//, ""), state, holder },
      recoverUnit: sections.text("recover-unit"),
    };
  },
};
