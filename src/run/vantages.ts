import type { ConnectionVariables } from "../connection/settings.ts";
import { connectionVariables, type SecretContext } from "../inventory/connection-variables.ts";
import { hostVariables, type Inventory } from "../inventory/inventory.ts";
import { connectionDefaults } from "./connection-defaults.ts";
import type { HostJob } from "./job.ts";
import { checkKeyFiles } from "./key-files.ts";
import type { Environment, RunOptions } from "./options.ts";

/** The hosts from which those of a run are to be looked at. */
export function vantageNames(jobs: readonly HostJob[]): Set<string> {
  return new Set(jobs.flatMap(({ probes }) => [...(probes?.allowed ?? []), ...(probes?.denied ?? [])]));
}

/** A place to look from needs no root: what the inventory says of becoming it is left unread. */
export async function vantageConnection(
  host: string,
  inventory: Inventory,
  options: RunOptions,
  environment: Environment,
  cache: NonNullable<SecretContext["cache"]>,
): Promise<ConnectionVariables> {
  const variables = [...hostVariables(inventory, host)].filter(
    ([name]) => !/^ansible_(become|sudo)/.test(name),
  );
  const { become, becomePassword, ...defaults } = connectionDefaults(options, environment);
  const { cwd, env } = environment;
  const connection = await connectionVariables(host, new Map(variables), defaults, {
    cwd,
    env,
    cache,
    inventory,
  });
  await checkKeyFiles(connection, options, cwd);
  return connection;
}
