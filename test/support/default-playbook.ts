import { join, resolve } from "node:path";
import { loadInventory } from "../../src/inventory/load-inventory.ts";
import { type HostTasks, hostTasks } from "../../src/playbook/host-tasks.ts";
import { loadPlaybook } from "../../src/playbook/load-playbook.ts";

const repository = resolve(import.meta.dirname, "../..");
const playbook = await loadPlaybook(join(repository, "playbooks/harden.yml"));

/** The tasks of the default playbook for a host with these variables, such as `private_ip=10.0.0.5`. */
export async function defaultTasks(variables: readonly string[]): Promise<HostTasks> {
  const [play] = playbook.plays;
  if (play === undefined) throw new Error("the default playbook has no play");
  const inventory = await loadInventory({ sources: ["redis-01,"], extraVars: variables, cwd: repository });
  return hostTasks(inventory, "redis-01", play, { only: [], skip: [] }, undefined);
}
