import { outcomeOf } from "./failure.ts";
import { as } from "./host.ts";
import type { Hosts } from "./hosts.ts";
import type { HostJob } from "./job.ts";
import type { Environment } from "./options.ts";
import { asPart } from "./strays.ts";

/**
 * Does one host's part of a run; never throws. Errors become that host's outcome, both those that the work throws and those
 * that nobody catches. An uncaught error also closes the host's connection, so that nothing waits for an answer for ever.
 * Where the host's record says how it ended all the same, the error is told beside it.
 */
export async function partOf(
  hosts: Hosts,
  job: HostJob,
  { strays }: Environment,
  work: () => Promise<void>,
): Promise<void> {
  const errors: unknown[] = [];
  const onStray = (error: unknown) => {
    errors.push(error);
    hosts.of(job).link.close();
  };
  await asPart(onStray, work).catch((error: unknown) => errors.push(error));
  const host = hosts.of(job);
  const { status, error } = host.outcome;
  const hasNoVerdict = error === null && status !== "changed" && status !== "restored";
  if (errors.length > 0 && hasNoVerdict) hosts.put(as(host, outcomeOf(errors.shift())));
  for (const stray of errors)
    strays.push(`${job.host}: ${stray instanceof Error ? (stray.stack ?? stray.message) : String(stray)}`);
}
