/** A run that must leave a host as it found it. */
import { expect } from "vitest";
import type { HostErrorRecord } from "../../../src/record/record.ts";
import type { LabHost } from "./lab.ts";
import { filesOf, onHost, redisProcess, residueOf } from "./observe.ts";
import type { Project } from "./project.ts";

/**
 * `redkeep apply` on `redis-01`, which has to end with nothing changed there: no file, no restart, no residue, every key,
 * and writes are served. Returns what the operator is told.
 */
export async function applyInVain(
  host: LabHost,
  project: Project,
  status: "refused" | "failed",
  ...args: string[]
): Promise<HostErrorRecord> {
  const look = async () => ({
    // A transaction that was refused on the host leaves the record of it, and nothing else.
    files: (await filesOf(host)).replaceAll(/^\/var\/lib\/redkeep.*\n/gm, ""),
    process: await redisProcess(host),
    keys: await onHost(host, "redis-cli DBSIZE || true"),
    residue: await residueOf(host),
  });
  const before = await look();
  const run = await project.run("apply", ...args, "--yes");
  const { error } = run.host("redis-01");
  expect(run.host("redis-01"), JSON.stringify(error)).toMatchObject({
    status,
    error: { state: "nothing was changed on this host" },
  });
  expect(run.status).toBe(3);
  expect(await look()).toEqual({ ...before, residue: "" });
  if (error === null) throw new Error("no error");
  return error;
}
