import type { CheckRecord, RunRecord } from "./record.ts";
import type { HostStatus } from "./statuses.ts";

/** Why a check has no verdict, though nothing failed, was waived or allowed. */
export function skippedInWords({ skipped }: Pick<CheckRecord, "skipped">): string {
  if (skipped === undefined) return "does not apply";
  return { untold: "could not be told", reported: "for you to judge" }[skipped];
}

/** @param command A verify only looks: whether the host is as wanted, its checks say. */
export function statusInWords(status: HostStatus, command?: RunRecord["command"]): string {
  switch (status) {
    case "unchanged":
      return command === "verify" ? "looked at" : "as wanted";
    case "would-change":
      return "would change";
    case "rolled-back":
      return "rolled back";
    case "restored":
      return "put back";
    case "not-started":
      return "not started";
    case "unknown":
      return "state unknown";
    case "changed":
    case "failed":
    case "unreachable":
    case "refused":
      return status;
  }
}
