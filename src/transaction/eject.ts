import { shellQuote } from "../connection/shell-quote.ts";
import { chosen } from "../facts/origin.ts";
import type { HostFacts } from "../facts/probe.ts";
import { FRAME_FUNCTIONS, FrameError, parseFrames, unsigned } from "../lib/frame.ts";
import type { Server } from "../redis/server.ts";
import { shellAssignments, wrap } from "./program.ts";
import { ROOT } from "./report.ts";
import { plainPath } from "./what-runs.ts";

/**
 * Takes redkeep's own traces off a host: the program is laid down as a transaction's is, and takes its own folder away last. What is
 * left of one that was cut off, the next one takes.
 */
export function compileEject(input: {
  id: string;
  nonce: string;
  facts: HostFacts;
  server: Server;
  program: string;
}): string {
  const { id, nonce, facts, server } = input;
  const conf = server.configPath.slice(0, server.configPath.lastIndexOf("/")) || "/";
  const folders = [
    conf,
    `${conf}/tls`,
    plainPath(facts.files.dataDirectory),
    "/etc/ufw",
    "/etc/default",
    "/etc/systemd/system",
    `/etc/systemd/system/${server.unit}.d`,
  ].filter((path) => path !== "");
  const user = facts.service.properties.get("User") || chosen("root");
  const env = shellAssignments({
    CAP: 30,
    RUNUSER: user,
    RUNGROUP: facts.service.properties.get("Group") || server.group,
    OLDUSER: user,
    OLDGROUP: facts.service.properties.get("Group") || server.group,
  });
  const put = ([name, text]: readonly [string, string]) =>
    `printf %s ${shellQuote(text)} >"$d/${name}" || exit 65\n`;
  const parts: [string, string][] = [
    ["env", env],
    ["folders", folders.map((path) => `${path}\n`).join("")],
    ["transaction.sh", input.program],
  ];
  return `set -u; umask 077; PATH=/usr/sbin:/usr/bin:/sbin:/bin; LC_ALL=C; export PATH LC_ALL
N=${nonce}; NL='
'; ${FRAME_FUNCTIONS}
root=${ROOT}; d=$root/txn/${id}
mkdir -p -m 700 $root/txn && [ ! -L $root ] && [ "$(stat -c '%u %a' $root)" = '0 700' ] && mkdir "$d" || exit 65
laid=; eval "$(base64 -d <<'.'
${wrap(`${parts.map(put).join("")}laid=1\n`)}
.
)"
[ -n "$laid" ] || exit 65
said=$(/bin/sh "$d/transaction.sh" eject </dev/null 2>&1 | head -c 4096; echo .)
status=0; if [ -e $root ] || [ -L $root ]; then status=1; rm -rf "$d"; fi
section status; echo $status
tell said "\${said%.}"
section end
`;
}

/** What the host said of it: undefined where the answer was cut short. `status` 0: its folder is gone. */
export function parseEjected(output: Buffer, nonce: string): { status: number; text: string } | undefined {
  try {
    const frames = parseFrames(output, nonce, (title) => title === "status" || title === "said");
    const status = Number(frames.get("status")?.toString("utf8").trim() || "1");
    return { status, text: unsigned("said", frames.get("said") ?? Buffer.alloc(0)).trim() };
  } catch (error) {
    if (error instanceof FrameError) return undefined;
    throw error;
  }
}
