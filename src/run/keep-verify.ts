import { keepRecord, pruneRecords, recordName } from "../history/kept-records.ts";
import { InputError } from "../lib/errors.ts";
import { printable } from "../lib/printable.ts";
import type { RunRecord } from "../record/record.ts";
import type { Run } from "./run.ts";

/** For the next run to compare with. What verify proves does not depend on it: where it cannot be kept, that is told. */
export async function keepForNextVerify(run: Run, record: RunRecord): Promise<void> {
  try {
    await keepRecord(run.state, recordName(run), record);
    await pruneRecords(run.state, "verify");
  } catch (error) {
    if (!(error instanceof InputError || (error instanceof Error && "code" in error))) throw error;
    run.environment.stderr.write(
      `warning: the next run has nothing to compare with, since the record of this one cannot be kept: ${printable(error.message)}\n`,
    );
  }
}
