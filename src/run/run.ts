import type { ConnectionVariables } from "../connection/settings.ts";
import type { Inventory } from "../inventory/inventory.ts";
import type { TagSelection } from "../lib/tags.ts";
import type { TemplateData } from "../lib/template.ts";
import type { Playbook } from "../playbook/playbook.ts";
import type { RunRecord, Selection } from "../record/record.ts";
import type { State } from "../state/state.ts";
import type { Waiver } from "../waivers/waivers.ts";
import type { HostJob } from "./job.ts";
import type { Environment, RunOptions } from "./options.ts";
import type { Secrets } from "./secrets.ts";

/** All that a run knows before its first connection. */
export interface Run {
  readonly command: RunRecord["command"];
  readonly startedAt: Date;
  readonly options: RunOptions;
  readonly environment: Environment;
  readonly inventory: Inventory;
  readonly playbook: Playbook;
  readonly state: State;
  readonly secrets: Secrets;
  readonly jobs: readonly HostJob[];
  /** How to reach the hosts from which verify looks at others, by name. */
  readonly vantages: ReadonlyMap<string, ConnectionVariables>;
  readonly tags: TagSelection;
  /** Which tasks were asked for, as the record has it. */
  readonly selection: Selection;
  /** The hosts of the whole run, of which `jobs` has those of the shard. */
  readonly selected: ReadonlySet<string>;
  /** Undefined where there is no file of them. */
  readonly waivers: readonly Waiver[] | undefined;
  /** The day on which the waivers are read, `YYYY-MM-DD`, UTC. */
  readonly today: string;
  readonly render: (name: string, data: TemplateData) => string;
}
