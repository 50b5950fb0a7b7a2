import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { z } from "zod";
import { matchHosts } from "../inventory/host-pattern.ts";
import type { Inventory } from "../inventory/inventory.ts";
import { isDay } from "../lib/day.ts";
import { didYouMean, formatProblem, InputError, type Problem } from "../lib/errors.ts";
import { readYamlFile } from "../lib/yaml.ts";
import type { YamlPath } from "../lib/yaml-node.ts";
import { keyOf } from "../playbook/playbook.ts";
import { schemaProblems } from "../playbook/schema-problems.ts";
import { CONTROL_IDS } from "../verify/controls.ts";
import type { Waiver } from "./waivers.ts";

const text = z
  .string()
  .trim()
  .refine((text) => text !== "", "should be some text");

const SCHEMA = z.array(
  z.strictObject({
    control: z.string(),
    hosts: text,
    reason: text,
    owner: text,
    expires: z.string().refine(isDay, "should be a date such as 2027-03-31, the last day on which it holds"),
  }),
);

/**
 * Reads the waivers.
 *
 * @param given --waivers; without it, `waivers.yml` beside the first `-i`, if it is there.
 * @returns undefined where that file is not there; `warnings` name patterns that match no host.
 * @throws InputError with every problem found, each with its place.
 */
export async function loadWaivers(
  given: string | undefined,
  inventory: Inventory,
  firstInventory: string | undefined,
  cwd: string,
): Promise<{ waivers: Waiver[]; warnings: string[] } | undefined> {
  const file = given ?? join(dirname(firstInventory ?? ""), "waivers.yml");
  if (given === undefined && !existsSync(resolve(cwd, file))) return undefined;
  const { value, placeOf } = await readYamlFile(resolve(cwd, file), file);
  const locate = (path: YamlPath) => ({ place: placeOf(path), key: keyOf([0, ...path]) });
  const parsed = SCHEMA.safeParse(value ?? []);
  if (!parsed.success)
    throw new InputError(
      schemaProblems(parsed.error.issues, { schema: SCHEMA, value: value ?? [], noun: "key", locate }),
    );
  const problems: Problem[] = [];
  const warnings: string[] = [];
  const waivers = parsed.data.map((waiver, index): Waiver => {
    if (!CONTROL_IDS.includes(waiver.control)) {
      const message = `there is no control "${waiver.control}".${didYouMean(waiver.control, CONTROL_IDS)}`;
      problems.push({ ...locate([index, "control"]), message });
    }
    const { hosts, unmatched } = matchHosts(inventory, waiver.hosts, placeOf([index, "hosts"]));
    warnings.push(...unmatched.map(({ message }) => formatProblem({ ...locate([index, "hosts"]), message })));
    return { ...waiver, selected: new Set(hosts) };
  });
  if (problems.length > 0) throw new InputError(problems);
  return { waivers, warnings };
}
