/*
 * The words of the run record that the program itself needs on every start. They stand apart from the record's
 * schema, so that `--help` and a run that reads no record never build it.
 */

export const HOST_STATUSES = [
  "unchanged",
  "would-change",
  "changed",
  "failed",
  "unreachable",
  /** An apply that did not come to its end was taken back. */
  "rolled-back",
  /** A rollback put back what an earlier run had changed, as it was asked to. */
  "restored",
  "refused",
  "unknown",
  "not-started",
] as const;

export const TASK_STATUSES = ["ok", "would-change", "changed", "skipped", "failed", "blocked"] as const;

export const OUTCOMES = ["pass", "fail", "skip", "unknown"] as const;

export const CERTIFICATE_STATES = ["valid", "ending", "ended", "unusable", "unknown"] as const;

/** The gravest first. */
export const SEVERITIES = ["critical", "high", "medium", "low", "info"] as const;

export type HostStatus = (typeof HOST_STATUSES)[number];
export type TaskStatus = (typeof TASK_STATUSES)[number];
export type Outcome = (typeof OUTCOMES)[number];
export type CertificateState = (typeof CERTIFICATE_STATES)[number];
export type Severity = (typeof SEVERITIES)[number];
