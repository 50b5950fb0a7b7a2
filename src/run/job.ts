import type { ConnectionVariables } from "../connection/settings.ts";
import type { ProbeVariables } from "../inventory/probe-variables.ts";
import type { FactsForTemplates, HostTasks } from "../playbook/host-tasks.ts";
import type { Play } from "../playbook/playbook.ts";
import type { HostRecord } from "../record/record.ts";
import type { HostTask } from "../tasks/task.ts";
import type { HostSecrets } from "./secrets.ts";

/** One host of a run, with all that is known before it is reached. */
export interface HostJob {
  readonly host: string;
  /** Where an inventory file names it; a list such as `-i a,b,` is no file. */
  readonly place?: NonNullable<HostRecord["place"]>;
  /** The plays that select it, in order; the first one's keywords count. */
  readonly plays: readonly Play[];
  readonly connection: ConnectionVariables;
  /** `redkeep_unit`, or empty. */
  readonly unit: string;
  /** Units of other hosts of the run that are the same machine by their address. */
  readonly neighbours?: readonly string[];
  /** The tasks; with the host's facts where some of them name `facts`. */
  readonly tasks: (facts?: FactsForTemplates) => HostTasks;
  readonly secrets: (tasks: readonly HostTask[]) => Promise<HostSecrets>;
  /** From where verify looks at it too; absent for other commands. */
  readonly probes?: ProbeVariables;
}

/** Hosts of the inventory with the same one are one machine: the same SSH server, by the same way. */
export function machineOf({ connection: { address, port, sshOptions } }: HostJob): string {
  return JSON.stringify([address, port ?? sshOptions.port, sshOptions.proxyJump]);
}
