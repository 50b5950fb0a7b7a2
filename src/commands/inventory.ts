import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { limitedHosts, readLimit } from "../inventory/host-pattern.ts";
import { inventoryGraph, inventoryHost, inventoryList } from "../inventory/listing.ts";
import { loadInventory } from "../inventory/load-inventory.ts";
import { InputError } from "../lib/errors.ts";
import { printableText } from "../lib/printable.ts";
import type { Environment } from "../run/options.ts";
import type { Vault } from "../vault/vault.ts";

export interface InventoryCommandOptions {
  inventory: readonly string[];
  limit: string | undefined;
  extraVars: readonly string[];
  vault: Vault;
  mergesMappings: boolean;
  list: boolean;
  graph: boolean;
  host: string | undefined;
}

/** What ansible-inventory prints; reaches no host. */
export async function inventory(
  options: InventoryCommandOptions,
  { cwd, stdout, stderr, interrupted }: Environment,
): Promise<number> {
  const asked = [options.list, options.graph, options.host !== undefined].filter(Boolean).length;
  if (asked > 1) throw new InputError({ message: "inventory takes one of --list, --graph and --host NAME" });
  // Beside the playbook that plan would take, so that its group_vars are listed as they will count.
  const playbook = join(cwd, "playbooks", "harden.yml");
  const locked = await loadInventory({
    sources: options.inventory,
    ...(existsSync(playbook) ? { playbookDir: dirname(playbook) } : {}),
    extraVars: options.extraVars,
    vault: options.vault,
    mergesMappings: options.mergesMappings,
    cwd,
    interrupted,
  });
  for (const warning of locked.warnings) stderr.write(`warning: ${printableText(warning)}\n`);
  const hosts =
    options.limit === undefined ? undefined : limitedHosts(locked, await readLimit(options.limit, cwd));
  // Only what is printed is opened: the names of the variables in an encrypted file, their values stay masked.
  const shown = options.graph
    ? []
    : options.host === undefined
      ? (hosts ?? locked.hosts.keys())
      : [options.host];
  const loaded = await locked.unlock(shown, options.vault);
  const text = options.graph
    ? inventoryGraph(loaded)
    : options.host !== undefined
      ? inventoryHost(loaded, options.host)
      : inventoryList(loaded, hosts);
  stdout.write(`${text}\n`);
  return 0;
}
