import { existsSync } from "node:fs";
import { join, normalize, resolve } from "node:path";
import type { ConnectionVariables } from "../connection/settings.ts";
import { limitedHosts, readLimit } from "../inventory/host-pattern.ts";
import type { Inventory } from "../inventory/inventory.ts";
import { loadInventory } from "../inventory/load-inventory.ts";
import { packageDirectory } from "../lib/package.ts";
import type { TagSelection } from "../lib/tags.ts";
import { loadPlaybook } from "../playbook/load-playbook.ts";
import { templateRenderer } from "../playbook/templates.ts";
import type { RunRecord } from "../record/record.ts";
import { State } from "../state/state.ts";
import { loadWaivers } from "../waivers/load-waivers.ts";
import { checkRecordPath, checkRotate, checkTags, unknownTags } from "./check-options.ts";
import { selectPlays, unfinishedHosts } from "./choose-hosts.ts";
import { hostJobs, type JobInput, Problems } from "./host-jobs.ts";
import type { Environment, RunOptions } from "./options.ts";
import type { Run } from "./run.ts";
import { Secrets } from "./secrets.ts";
import { warn } from "./terminal.ts";
import { vantageConnection, vantageNames } from "./vantages.ts";

/**
 * Everything before the first connection: whatever is wrong with the input ends here, and no host is touched. What is only
 * strange is told.
 * @param read the inventory, where it was read already
 * @throws InputError with every problem found.
 */
export async function prepare(
  command: RunRecord["command"],
  options: RunOptions,
  environment: Environment,
  read?: Inventory,
): Promise<Run> {
  const startedAt = new Date();
  const { cwd, env, interrupted } = environment;
  await checkRecordPath(options.json, cwd);
  const file = playbookFile(options.playbook, cwd);
  const playbook = await loadPlaybook(file, cwd);
  const { vault } = options;
  const locked =
    read ??
    (await loadInventory({
      sources: options.inventory,
      playbookDir: playbook.directory,
      extraVars: options.extraVars,
      vault,
      mergesMappings: options.settings.mergesMappings,
      cwd,
      interrupted,
      env,
    }));
  const limit =
    options.limit === undefined ? undefined : limitedHosts(locked, await readLimit(options.limit, cwd));
  // Nothing that a rollback does is checked: a waiver could only keep it from its work.
  const waived =
    command === "rollback" || command === "eject"
      ? undefined
      : await loadWaivers(options.waivers, locked, options.inventory[0], cwd);
  const tags: TagSelection = { only: options.tags, skip: options.skipTags };
  const { selected, warnings: selectionWarnings } = selectPlays(locked, playbook, limit);
  const unfinished =
    options.retryFailed === undefined ? undefined : await unfinishedHosts(options.retryFailed, locked, cwd);
  const wanted = new Map([...selected].filter(([host]) => unfinished?.has(host) !== false));
  let inventory = await locked.unlock(wanted.keys(), vault);
  const state = await State.open(options.state, options.inventory[0], cwd, vault);
  const secrets = new Secrets(state, inventory, {
    rotate: options.rotate,
    baseDir: resolve(cwd, playbook.directory),
    env,
    vault,
  });
  const problems = new Problems(vault);
  const cache = new Map();
  const input: JobInput = { command, inventory, tags, secrets, options, environment, cache };
  const { jobs, warnings, lackSecrets } = await hostJobs(input, wanted, problems);
  const vantages = new Map<string, ConnectionVariables>();
  inventory = await inventory.unlock(vantageNames(jobs), vault);
  for (const name of vantageNames(jobs)) {
    const connection = await problems.of(name, () =>
      vantageConnection(name, inventory, options, environment, cache),
    );
    if (connection !== undefined) vantages.set(name, connection);
  }
  problems.throwIfAny();
  if (command === "apply" && lackSecrets) await state.prepareToWrite();
  checkRotate(options.rotate, jobs);
  checkTags(playbook, tags, command);
  warn(
    [
      ...inventory.warnings,
      ...state.warnings,
      ...selectionWarnings,
      ...unknownTags(playbook, options, command),
      ...warnings,
      ...(waived?.warnings ?? []),
    ],
    environment,
  );
  return {
    command,
    startedAt,
    options,
    environment,
    inventory,
    playbook,
    state,
    secrets,
    jobs,
    vantages,
    tags,
    selection: {
      playbook: file.startsWith(packageDirectory) && options.playbook === undefined ? null : normalize(file),
      tags: [...options.tags],
      skipTags: [...options.skipTags],
    },
    selected: new Set(selected.keys()),
    waivers: waived?.waivers,
    today: new Date().toISOString().slice(0, 10),
    render: templateRenderer(resolve(cwd, playbook.directory)),
  };
}

function playbookFile(given: string | undefined, cwd: string): string {
  if (given !== undefined) return given;
  const own = join("playbooks", "harden.yml");
  return existsSync(join(cwd, own)) ? own : join(packageDirectory, own);
}
