import { resolve } from "node:path";
import { performance } from "node:perf_hooks";
import { packageVersion } from "../lib/package.ts";
import { printRecord, writeRecord } from "../record/json.ts";
import type { HostRecord, RunRecord } from "../record/record.ts";
import { exitCodeOf, summarize } from "../record/summary.ts";
import { endAllowed } from "../verify/allowance.ts";
import { waive, waiverRecords } from "../waivers/waivers.ts";
import type { Run } from "./run.ts";

/** A host's record with what the playbook allowed and whose day has come, waivers applied. */
export function judged({ waivers = [], today }: Run, host: HostRecord): HostRecord {
  return waive(endAllowed(host, today), waivers, today);
}

/**
 * The record of a run as it stands: the only place that makes one.
 * @param seen the hosts as they were found, before waivers
 */
export function runRecordOf(
  run: Run,
  seen: readonly HostRecord[],
  {
    controller,
    vantages = [],
  }: Pick<Partial<RunRecord>, "vantages"> & { controller?: RunRecord["controller"] | undefined } = {},
): RunRecord {
  const { command, startedAt, waivers, today, options, environment } = run;
  const { failOn, shard } = options;
  const { strays } = environment;
  const hosts = seen.map((host) => judged(run, host));
  const interrupted = environment.interrupted.aborted;
  const exitCode = exitCodeOf({ hosts, interrupted, failOn, controller });
  return {
    schema: "redkeep.run/1",
    version: packageVersion(),
    command,
    startedAt: startedAt.toISOString(),
    durationMs: Math.round(performance.timeOrigin + performance.now() - startedAt.getTime()),
    exitCode: strays.length === 0 || exitCode === 130 || exitCode === 5 ? exitCode : 3,
    summary: summarize(hosts),
    hosts,
    ...(controller === undefined ? {} : { controller }),
    selection: run.selection,
    ...(shard === undefined ? {} : { shard }),
    ...(failOn === undefined ? {} : { failOn }),
    ...(strays.length === 0 ? {} : { problems: [...strays] }),
    ...(waivers === undefined
      ? {}
      : {
          waivers: waiverRecords(
            waivers,
            seen.map((host) => endAllowed(host, today)),
            today,
          ),
        }),
    ...(vantages.length === 0 ? {} : { vantages }),
  };
}

/** Writes the record where `--json` says. */
export async function writeAsAsked(record: RunRecord, { options, environment }: Run): Promise<void> {
  const { json } = options;
  if (json === "-") await printRecord(record, environment.stdout);
  else if (json !== undefined) await writeRecord(record, resolve(environment.cwd, json));
}
