import { HostError } from "../connection/connection.ts";
import { InputError } from "../lib/errors.ts";
import { TemplateError } from "../lib/template.ts";
import { NOT_STARTED, type NotStarted, type Stopped, stopped } from "../record/outcome.ts";

/** Any error as a host's outcome; a bug stays visible as one. */
export function outcomeOf(error: unknown): Stopped | NotStarted {
  if (error instanceof HostError) {
    const status = ({ unreachable: "unreachable", failed: "failed", lost: "unknown" } as const)[error.kind];
    const where = { unreachable: "connect", failed: "command", lost: "link" }[error.kind];
    return stopped(status, { where, found: error.message, remedy: error.remedy });
  }
  if (error instanceof InputError || error instanceof TemplateError)
    return stopped("failed", {
      where: "playbook",
      found: error.message,
      remedy: "correct the playbook, its templates or the inventory",
    });
  if (error instanceof Error && error.name === "AbortError") return NOT_STARTED;
  return stopped("failed", {
    where: "redkeep",
    found: error instanceof Error ? (error.stack ?? error.message) : String(error),
    remedy: "this is a bug in redkeep: please report it",
  });
}
