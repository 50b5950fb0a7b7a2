import type { ConnectionVariables } from "../connection/settings.ts";
import { connectionVariables, type SecretContext } from "../inventory/connection-variables.ts";
import { hostVariables, type Inventory } from "../inventory/inventory.ts";
import type { HostJob } from "./job.ts";
import { checkKeyFiles } from "./key-files.ts";
import type { RunOptions } from "./options.ts";

/** The hosts from which those of a run are to be looked at. */
export function vantageNames(jobs: readonly HostJob[]): Set<string> {
  return new Set(jobs.flatMap(({ probes }) => [...(probes?.allowed ?? []), ...(probes?.denied ?? [])]));
}

/** A place to look from needs no root: what the inventory says of becoming it is left unread. */
export async function vantageConnection(
  host: string,
  inventory: Inventory,
  options: RunOptions,
  context: SecretContext,
): Promise<ConnectionVariables> {
  const variables = [...hostVariables(inventory, host)].filter(
    ([name]) => !/^ansible_(become|sudo)/.test(name),
  );
  const { user, privateKey, password, timeoutSeconds, knownHosts } = options;
  const defaults = { user, privateKey, password, timeoutSeconds, knownHosts };
  const connection = await connectionVariables(host, new Map(variables), defaults, context);
  await checkKeyFiles(connection, options, context.cwd);
  return connection;
}
