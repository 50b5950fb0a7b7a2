import { shellQuote } from "../connection/shell-quote.ts";
import type { Server } from "../redis/server.ts";
import { ROOT, reportScript } from "./report.ts";

/** Seconds that a confirmation may take; after them the host puts itself back. */
export const CONFIRM_WINDOW = 60;

/**
 * Seconds from a change of the firewall on, where there is one: the way back takes some, and whoever is locked out by the
 * new rules can log in again within a minute.
 */
export const FIREWALL_WINDOW = 45;

/** Seconds after which a host puts back a change that has not come to its end: time to save and load on a slow disk. */
export function capSeconds({ usedMemory = 0 }: Pick<Server, "usedMemory">): number {
  return 120 + Math.ceil(usedMemory / (30 * 1024 * 1024)) * 3;
}

/** Exit status of the script where the transaction could not be laid down: nothing has begun. */
export const NOT_BEGUN = 65;

/** Lays down a transaction's folder, starts it in a unit of its own, waits, and prints what came of it. */
export function program(given: {
  id: string;
  nonce: string;
  capSeconds: number;
  parts: readonly (readonly [name: string, text: string])[];
  /** Shell that comes before the unit's start, on the same command line. */
  prepare: string;
}): string {
  const { id, nonce, parts, prepare } = given;
  // Written by the shell itself: a program for each file would cost more than all that the host is asked at first.
  const put = ([name, text]: readonly [string, string]) =>
    `printf %s ${shellQuote(text)} >"$d/${name}" || exit 65\n`;
  return `set -u; umask 077; PATH=/usr/sbin:/usr/bin:/sbin:/bin; LC_ALL=C; export PATH LC_ALL
root=${ROOT}; d=$root/txn/${id}
mkdir -p -m 700 $root/txn && [ ! -L $root ] && [ "$(stat -c '%u %a' $root)" = '0 700' ] && mkdir "$d" "$d/new" "$d/old" "$d/scratch" || exit 65
begun=; trap 'if [ -z "$begun" ]; then rm -rf "$d"; fi' EXIT
laid=; eval "$(base64 -d <<'.'
${wrap(`${parts.map(put).join("")}laid=1\n`)}
.
)"
[ -n "$laid" ] || exit 65
echo prepared >"$d/state" && : >"$d/log" && : >"$d/journal" && begun=1 || exit 65
${prepare} systemd-run -q --wait --collect --unit=redkeep-apply-${id} --description=redkeep -p RuntimeDirectory=redkeep-${id} \\
  -p RuntimeDirectoryMode=0711 -p "StandardOutput=append:$d/log" -p "StandardError=append:$d/log" -p "ExecStopPost=/bin/sh $d/transaction.sh rollback stop" \\
  -p TimeoutStopSec=${2 * given.capSeconds + 60} /bin/sh "$d/transaction.sh" apply </dev/null >>"$d/log" 2>&1
read -r state <"$d/state"; case $state in prepared|refused) rm -f "$d"/login.*;; esac
# Where the unit never started, nothing of it takes away what nobody uses now.
if [ "$state" = refused ]; then rm -rf "$d/new" "$d/scratch"; fi
${reportScript(nonce)}
`;
}

/**
 * A file of assignments that sh reads with `.`: whatever a value holds, it stays text.
 * @throws TypeError for a NUL, which no shell can keep.
 */
export function shellAssignments(values: Readonly<Record<string, string | number>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}=${shellQuote(String(value))}\n`)
    .join("");
}

/** Encoded: whatever it holds, it is one word to the shell that reads it, and in lines that no tool cuts. */
export function wrap(text: string): string {
  return Buffer.from(text)
    .toString("base64")
    .replace(/(.{76})/g, "$1\n");
}
