import type { Fact } from "./fact.ts";

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
        /** It restarted Redis, so that putting it back does too. */
        restarted: boolean;
        written: readonly string[];
        set: readonly string[];
      }
    | undefined;
}

export const transactionFact: Fact<TransactionFact> = {
  script: () => `
section pending; if [ -L /var/lib/redkeep/pending ]; then
  readlink /var/lib/redkeep/pending; cat /var/lib/redkeep/pending/state /var/lib/redkeep/pending/holder 2>/dev/null
fi
for txn in $(ls -1td /var/lib/redkeep/txn/* 2>/dev/null); do
  if [ "$(cat "$txn/state")" = committed ]; then
    section last; echo "\${txn##*/}"; cat "$txn/holder"; if [ -f "$txn/undoes" ]; then echo rollback; fi
    if [ -f "$txn/restarted" ]; then echo restarted; fi
    section last-written; cut -d' ' -f2 "$txn/files"
    section last-set; cut -d' ' -f1 "$txn/modes" "$txn/directories"
    break
  fi
done
if [ -f /etc/systemd/system/redkeep-recover.service ]; then section recover-unit; cat /etc/systemd/system/redkeep-recover.service; fi
`,
  parse: (sections) => {
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
              written: sections.lines("last-written"),
              set: sections.lines("last-set"),
            },
      pending: link === "" ? undefined : { id: link.replace(/^txn\//, ""), state, holder },
      recoverUnit: sections.text("recover-unit"),
    };
  },
};
