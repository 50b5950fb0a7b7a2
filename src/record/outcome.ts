import type { HostErrorRecord } from "./record.ts";
import type { HostStatus } from "./statuses.ts";

/*
 * How a host stands after each step of its way: which status is possible there, and which of them bears an error.
 */

interface Standing<S extends HostStatus, E extends HostErrorRecord | null> {
  readonly status: S;
  readonly error: E;
}

/** Nobody has asked the host, or something about the run keeps it from being begun. */
export type NotStarted = Standing<"not-started", HostErrorRecord | null>;
/** Its way ended early. */
export type Stopped = Standing<"failed" | "unreachable" | "refused" | "unknown", HostErrorRecord>;
export type Planned = Standing<"unchanged" | "would-change", null>;
/** After the look and the guards. */
export type Looked = NotStarted | Stopped | Planned;
/** After the change: confirmed, or taken back. */
export type Changed =
  | Standing<"changed" | "restored", null>
  | Standing<"rolled-back", HostErrorRecord>
  | Standing<"unchanged", null>
  | NotStarted
  | Stopped;
export type HostOutcome = Looked | Changed;

export const NOT_STARTED: NotStarted = { status: "not-started", error: null };

/** The four parts of every failure. Unless it is said otherwise, the host is as it was. */
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
