import type { HostErrorRecord } from "./record.ts";
import type { HostStatus } from "./statuses.ts";

/*
 * The outcome of a host after each step: which statuses are possible there, and which of them have an error.
 */

interface Standing<S extends HostStatus, E extends HostErrorRecord | null> {
  readonly status: S;
  readonly error: E;
}

/** The host was not observed yet, or something in the run keeps it from being started. */
export type NotStarted = Standing<"not-started", HostErrorRecord | null>;
/** It stopped early: failed, refused or lost. */
export type Stopped = Standing<"failed" | "unreachable" | "refused" | "unknown", HostErrorRecord>;
export type Planned = Standing<"unchanged" | "would-change", null>;
/** After the observation and the guards. */
export type Looked = NotStarted | Stopped | Planned;
/** After the change: confirmed, or rolled back. */
export type Changed =
  | Standing<"changed" | "restored", null>
  | Standing<"rolled-back", HostErrorRecord>
  | Standing<"unchanged", null>
  | NotStarted
  | Stopped;
export type HostOutcome = Looked | Changed;

export const NOT_STARTED: NotStarted = { status: "not-started", error: null };

/** The four parts of every failure. By default, the state says that the host was not changed. */
export type Failure = Partial<HostErrorRecord> & Pick<HostErrorRecord, "where">;

export function hostError(failure: Failure): HostErrorRecord {
  return { found: "", state: "nothing was changed on this host", remedy: "", guards: [], ...failure };
}

export function stopped(status: Stopped["status"], failure: Failure): Stopped {
  return { status, error: hostError(failure) };
}

export function notStarted(failure: Failure): NotStarted {
  return { status: "not-started", error: hostError(failure) };
}
