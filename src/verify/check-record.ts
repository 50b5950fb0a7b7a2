import type { CheckRecord } from "../record/record.ts";
import type { Check } from "./controls.ts";
import { witnessOf } from "./witness.ts";

/** A check as the record has it. */
export function toRecord({
  control,
  title,
  severity,
  outcome,
  expected,
  observed,
  source,
  witness,
  blockedBy,
  skipped,
  allowed,
  setting,
}: Check): CheckRecord {
  return {
    control,
    title,
    severity,
    outcome,
    expected,
    observed,
    source,
    ...(witnessOf({ source, ...(witness && { witness }) }) === "server"
      ? { witness: "server" as const }
      : {}),
    ...(blockedBy === undefined ? {} : { blockedBy }),
    ...(skipped === undefined ? {} : { skipped }),
    ...(allowed === undefined ? {} : { allowed }),
    ...(setting === undefined ? {} : { setting }),
  };
}
