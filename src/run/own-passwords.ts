import { InputError } from "../lib/errors.ts";
import type { Host } from "./host.ts";
import type { Run } from "./run.ts";
import { warn } from "./terminal.ts";

/** The hosts have them all the same: where the note cannot be kept, the next apply makes it. */
export async function noteOwnPasswords(run: Run, hosts: readonly Host[]): Promise<void> {
  const { limit, shard, retryFailed } = run.options;
  const isWhole = limit === undefined && shard === undefined && retryFailed === undefined;
  try {
    await run.secrets.noteOwn(hosts, isWhole);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    warn([`which servers have passwords of their own cannot be noted: ${error.message}`], run.environment);
  }
}
