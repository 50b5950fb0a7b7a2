import { chosen } from "../facts/origin.ts";
import type { HostFacts } from "../facts/probe.ts";
import { FrameError, parseFrames, unsigned } from "../lib/frame.ts";
import type { Server } from "../redis/server.ts";
import { shellProgram } from "../shell/program.ts";
import { shellAssignments } from "../shell/quote.ts";
import { laid } from "./program.ts";
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
  const parts: [string, string][] = [
    ["env", env],
    ["folders", folders.map((path) => `${path}\n`).join("")],
    ["transaction.sh", input.program],
  ];
  return shellProgram("eject.sh", { N: nonce, ID: id, LAID: laid(parts) });
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
