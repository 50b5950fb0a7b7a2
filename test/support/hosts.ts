import { BecomePasswords } from "../../src/connection/become-passwords.ts";
import { type HostOutcome, hostError, type NotStarted } from "../../src/record/outcome.ts";
import type { HostStatus } from "../../src/record/statuses.ts";
import { type Host, newHost } from "../../src/run/host.ts";
import type { HostJob } from "../../src/run/job.ts";

/** A host of a run that nobody has asked, with as much of its job as a test needs. */
export function hostNamed(host: string, job: Partial<HostJob> = {}): Host<NotStarted> {
  const connection = { host, sshOptions: {} } as HostJob["connection"];
  return newHost({ host, plays: [], unit: "", connection, ...job } as HostJob, new BecomePasswords());
}

/** An outcome with this status, and an error where it bears one. */
export function ending(status: HostStatus): HostOutcome {
  switch (status) {
    case "unchanged":
    case "would-change":
    case "changed":
    case "restored":
      return { status, error: null };
    default:
      return { status, error: hostError({ where: "test" }) };
  }
}
