import type { Fact } from "./fact.ts";

/** What redkeep itself left on the host: a transaction that still waits for its confirmation, and its recovery unit. */
export interface TransactionFact {
  /** The transaction's id, its state, and who started it when (`user@controller since …`). */
  pending: { id: string; state: string; holder: string } | undefined;
  recoverUnit: string | undefined;
}

export const transactionFact: Fact<TransactionFact> = {
  script: () => `
section pending; if [ -L /var/lib/redkeep/pending ]; then
  readlink /var/lib/redkeep/pending; cat /var/lib/redkeep/pending/state /var/lib/redkeep/pending/holder 2>/dev/null
fi
if [ -f /etc/systemd/system/redkeep-recover.service ]; then section recover-unit; cat /etc/systemd/system/redkeep-recover.service; fi
`,
  parse: (sections) => {
    const [link = "", state = "", holder = ""] = (sections.text("pending") ?? "").trim().split("\n");
    return {
      pending: link === "" ? undefined : { id: link.replace(/^txn\//, ""), state, holder },
      recoverUnit: sections.text("recover-unit"),
    };
  },
};
