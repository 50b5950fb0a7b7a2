import { FRAME_FUNCTIONS, FrameError, parseFrames, SIGN_LINES, unsigned } from "../lib/frame.ts";

/** Where a host keeps what redkeep needs there; each transaction has its folder in txn. */
export const ROOT = "/var/lib/redkeep";

/** Asks again how a transaction stands, after a reply was lost: once it has come to rest, after at most a minute. */
export function compileStatus(id: string, nonce: string): string {
  return `d=${ROOT}/txn/${id}; i=0
while [ $i -lt 240 ]; do
  case $(systemctl show -p ActiveState --value redkeep-apply-${id}.service) in active|activating|deactivating) ;; *) break;; esac
  i=$((i + 1)); sleep 0.25
done
${reportScript(nonce)}`;
}

/** `confirm` turns `applied` into `committed`, or finds that the host has put itself back meanwhile. */
export function compileConfirm(id: string, secretNonce: string, nonce: string): string {
  return `d=${ROOT}/txn/${id}\necho ${secretNonce} | /bin/sh "$d/transaction.sh" confirm >/dev/null 2>&1\n${reportScript(nonce)}`;
}

/** Has the host put back what this transaction changed. */
export function compileRollback(id: string, nonce: string): string {
  return `d=${ROOT}/txn/${id}\n/bin/sh "$d/transaction.sh" rollback asked >/dev/null 2>&1\n${reportScript(nonce)}`;
}

/** Words and numbers of transaction.sh's own. */
const OWN_PARTS = ["state", "unavailable", "keys.before", "keys.after"];
/** What may hold the words of Redis, of its log and of other programs. */
const FOREIGN_PARTS = ["journal", "log"];

/** Prints how a transaction stands: `parseReport` reads it. The folder is $d. */
export function reportScript(nonce: string): string {
  return `N=${nonce}; ${FRAME_FUNCTIONS}
for part in ${OWN_PARTS.join(" ")}; do
  section $part; if [ -f "$d/$part" ]; then read -r line <"$d/$part"; printf '%s\\n' "$line"; fi
done
for part in ${FOREIGN_PARTS.join(" ")}; do
  section $part; if [ -s "$d/$part" ]; then head -c 65536 "$d/$part" | sed '${SIGN_LINES}'; fi
done
printf '\\n%s end\\n' ${nonce}`;
}

/** How a transaction stands on the host. */
export interface TransactionReport {
  /** undefined where there is no such transaction. */
  state: string | undefined;
  /** Journal lines without their times. */
  journal: string[];
  unavailableMs: number;
  keysBefore: number | undefined;
  keysAfter: number | undefined;
  /** What the programs on the host said, for the case that nothing began. */
  log: string;
}

/** Undefined where the answer is cut short, or is not framed as the script frames it: then nothing is known. */
export function parseReport(output: Buffer, nonce: string): TransactionReport | undefined {
  const parts = [...OWN_PARTS, ...FOREIGN_PARTS];
  const texts = new Map<string, string>();
  try {
    for (const [part, body] of parseFrames(output, nonce, (title) => parts.includes(title)))
      texts.set(part, FOREIGN_PARTS.includes(part) ? unsigned(part, body) : body.toString("utf8"));
  } catch (error) {
    if (error instanceof FrameError) return undefined;
    throw error;
  }
  const state = texts.get("state")?.trim();
  const count = (name: string) => {
    const found = /^\d+/.exec(texts.get(name) ?? "")?.[0];
    return found === undefined ? undefined : Number(found);
  };
  return {
    state: state === "" ? undefined : state,
    journal: (texts.get("journal") ?? "")
      .split("\n")
      .filter(Boolean)
      .map((line) => line.replace(/^[\d.]+ /, "")),
    unavailableMs: count("unavailable") ?? 0,
    keysBefore: count("keys.before"),
    keysAfter: count("keys.after"),
    log: (texts.get("log") ?? "").trim(),
  };
}
