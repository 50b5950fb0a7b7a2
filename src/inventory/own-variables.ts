import { didYouMean, InputError, type Problem } from "../lib/errors.ts";
import type { Variables } from "./inventory.ts";

/** The host variables that redkeep itself reads, besides Ansible's. */
export const OWN_VARIABLES = {
  unit: "redkeep_unit",
  transport: "redkeep_transport",
  passwordName: "redkeep_password_name",
  replicationGroup: "redkeep_replication_group",
  probeAllowed: "redkeep_probe_allowed",
  probeDenied: "redkeep_probe_denied",
  probeFromController: "redkeep_probe_from_controller",
  probeAddress: "redkeep_probe_address",
} as const;

const PREFIX = "redkeep_";

/**
 * Refuses a variable that looks like one of redkeep's but is misspelled. Nobody would notice it otherwise: the host would
 * pass without a check from outside, or redkeep would restart it together with its replica.
 * @throws InputError with every such name.
 */
export function refuseUnknownVariables(variables: Variables): void {
  const names: readonly string[] = Object.values(OWN_VARIABLES);
  const problems = [...variables].flatMap(([name, { place }]): Problem[] =>
    !name.startsWith(PREFIX) || names.includes(name)
      ? []
      : [{ place, key: name, message: `is no such variable.${didYouMean(name, names)}` }],
  );
  if (problems.length > 0) throw new InputError(problems);
}
