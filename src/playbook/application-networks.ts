import type { Inventory } from "../inventory/inventory.ts";
import { InputError } from "../lib/errors.ts";
import { isSelected, type TagSelection } from "../lib/tags.ts";
import { APP_SUBNET } from "../tasks/firewall.ts";
import type { Play, TaskEntry } from "./playbook.ts";
import { type FactsForTemplates, Renderer } from "./renderer.ts";

/**
 * The networks of a host's application, as written, where no firewall task applies to the host: `allow` of a firewall task
 * whose `when` is false there, else the variable `app_subnet`. Undefined where only the tags leave a firewall task out: then
 * you did not ask for it.
 *
 * @param plays those of the host, none of which has a firewall task that applies.
 */
export function applicationNetworks(
  inventory: Inventory,
  host: string,
  plays: readonly Play[],
  tags: TagSelection,
  facts: FactsForTemplates | undefined,
): readonly string[] | undefined {
  for (const play of plays) {
    for (const entry of play.tasks.filter(({ task }) => task === "firewall")) {
      if (!isSelected(entry.tags, tags)) return undefined;
      return allowOf(new Renderer(inventory, host, play, entry, facts));
    }
  }
  const [play] = plays;
  const [model] = play?.tasks ?? [];
  if (play === undefined || model === undefined) return undefined;
  const entry: TaskEntry = { ...model, task: "firewall", params: { allow: [APP_SUBNET] }, vars: new Map() };
  return allowOf(new Renderer(inventory, host, play, entry, facts));
}

/** A value that cannot be rendered counts as unknown: no task that applies needs it. */
function allowOf(renderer: Renderer): readonly string[] | undefined {
  try {
    const { allow } = renderer.params().value as { allow?: unknown };
    return [allow].flat(2).filter((text) => typeof text === "string" && text !== "") as string[];
  } catch (error) {
    if (error instanceof InputError) return undefined;
    throw error;
  }
}
