import { didYouMean, InputError, type Problem } from "../lib/errors.ts";
import type { Variables } from "./inventory.ts";

/** The variables of a host that redkeep itself reads, beside Ansible's. */
export const OWN_VARIABLES = {
  unit: "redkeep_unit",
  passwordName: "redkeep_password_name",
  replicationGroup: "redkeep_replication_group",
  probeAllowed: "redkeep_probe_allowed",
  probeDenied: "redkeep_probe_denied",
  probeFromController: "redkeep_probe_from_controller",
  probeAddress: "redkeep_probe_address",
} as const;

const PREFIX = "redkeep_";

/**
 * Refuses what would be one of redkeep's variables but for a slip in its name. Nobody would ever hear of it: the host
 * would be looked at from nowhere, and pass, or be restarted together with its replica.
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
