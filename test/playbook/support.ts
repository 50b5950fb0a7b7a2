import { type FactsForTemplates, type HostTasks, hostTasks } from "../../src/playbook/host-tasks.ts";
import { loadPlaybook } from "../../src/playbook/load-playbook.ts";
import type { Play, Playbook } from "../../src/playbook/playbook.ts";
import { unlocking } from "../../src/vault/locked.ts";
import { noVault } from "../../src/vault/vault.ts";
import { directoryWith, type Files, inventoryOf } from "../inventory/inventory-on-disk.ts";

/** The playbook of this text, in a file named site.yml. */
export async function playbookOf(text: string): Promise<Playbook> {
  return loadPlaybook("site.yml", await directoryWith({ "site.yml": text }));
}

/** The only play of a playbook: `hosts: all` and whatever `play` says beside it. */
export async function playOf(play: string): Promise<Play> {
  const { plays } = await playbookOf(`- hosts: all\n${play.replace(/^/gm, "  ")}\n`);
  if (plays[0] === undefined) throw new Error("no play");
  return plays[0];
}

export interface Situation {
  /** What stands in the play beside `hosts: all`. */
  play: string;
  /** Variables of the host h1 as a flow mapping; or a whole inventory. */
  host?: string;
  files?: Files;
  extraVars?: string[];
  tags?: string[];
  skipTags?: string[];
  facts?: FactsForTemplates;
}

/** The tasks of the host h1. */
export async function tasksOf({
  play,
  host = "{}",
  files = {},
  extraVars = [],
  tags = [],
  skipTags = [],
  facts,
}: Situation): Promise<HostTasks> {
  const inventory = await inventoryOf({
    files: { "hosts.yml": `all: { hosts: { h1: ${host} } }\n`, ...files },
    extraVars,
  });
  const only = await playOf(play);
  return unlocking(noVault(), () => hostTasks(inventory, "h1", only, { only: tags, skip: skipTags }, facts));
}

/** The parameters of the play's only task. */
export async function paramsOf(situation: Situation): Promise<Record<string, unknown>> {
  const { tasks } = await tasksOf(situation);
  if (tasks.length !== 1) throw new Error(`${tasks.length} tasks`);
  return tasks[0]?.params as Record<string, unknown>;
}
