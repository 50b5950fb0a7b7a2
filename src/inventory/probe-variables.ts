import { isIP } from "node:net";
import { didYouMean, InputError, type Place, type Problem } from "../lib/errors.ts";
import { isWildcard } from "../lib/network.ts";
import type { Inventory, Variables } from "./inventory.ts";
import { OWN_VARIABLES } from "./own-variables.ts";
import { Rendering } from "./rendering.ts";
import type { Variable } from "./variable.ts";

/** From where, besides the host itself, verify looks at a host, and what it should find. */
export interface ProbeVariables {
  /** Hosts of the inventory that must reach Redis. */
  allowed: readonly string[];
  /** Hosts of the inventory that must not. */
  denied: readonly string[];
  /** Whether the controller must reach Redis; `auto`: as the playbook's firewall says. */
  controller: "auto" | "allowed" | "denied" | "off";
  /** The name or address by which others reach Redis; undefined where the playbook's bind address is meant. */
  address: string | undefined;
}

const {
  probeAllowed: ALLOWED,
  probeDenied: DENIED,
  probeFromController: CONTROLLER,
  probeAddress: ADDRESS,
} = OWN_VARIABLES;
const STANCES = ["auto", "allowed", "denied", "off"] as const;

/**
 * What a host's variables say about probes from outside.
 *
 * @throws InputError listing every name that the inventory lacks, and every invalid value.
 */
export function probeVariables(host: string, variables: Variables, inventory: Inventory): ProbeVariables {
  const problems: Problem[] = [];
  const rendering = new Rendering(host, variables, inventory);
  const read = <T>(name: string, otherwise: T, parse: (variable: Variable) => T): T => {
    try {
      const variable = rendering.variable(name);
      return variable === undefined || variable.value === null ? otherwise : parse(variable);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      problems.push(...error.problems);
      return otherwise;
    }
  };
  const listed = (name: string) => read(name, [], (variable) => hostList(name, variable, host, inventory));
  const [allowed, denied] = [listed(ALLOWED), listed(DENIED)];
  const both = denied.find((name) => allowed.includes(name));
  if (both !== undefined) {
    problems.push({
      place: variables.get(DENIED)?.place,
      key: DENIED,
      message: `names ${both}, which ${ALLOWED} names too: keep it in one of them`,
    });
  }
  const controller = read(CONTROLLER, "auto" as const, stance);
  const address = read(ADDRESS, undefined, addressOf);
  if (problems.length > 0) throw new InputError(problems);
  return { allowed, denied, controller, address };
}

function hostList(name: string, { value, place, node }: Variable, host: string, inventory: Inventory) {
  if (!Array.isArray(value) || value.some((item) => typeof item !== "string")) {
    throw problem(place, name, "a list of hosts of the inventory, such as [app-01]", value);
  }
  const wrong = value.flatMap((item: string, index): Problem[] => {
    const at = (node?.kind === "sequence" ? node.items[index]?.place : undefined) ?? place;
    if (item === host)
      return [{ place: at, key: name, message: `names ${host} itself: expected another host` }];
    if (inventory.hosts.has(item)) return [];
    return [{ place: at, key: name, message: notAHost(item, inventory) }];
  });
  if (wrong.length > 0) throw new InputError(wrong);
  return [...new Set<string>(value)];
}

function notAHost(item: string, { hosts, groups }: Inventory): string {
  const found = `expected a host of the inventory, found ${JSON.stringify(item.slice(0, 80))}`;
  if (groups.has(item)) return `${found}, which is a group: name its hosts`;
  if (item === "controller") return `${found}. For the machine that redkeep runs on, set ${CONTROLLER}`;
  return `${found}.${didYouMean(item, hosts.keys())}`;
}

/** In YAML 1.1 a bare `off` is false. */
function stance({ value, place }: Variable): ProbeVariables["controller"] {
  const word = value === false ? "off" : value;
  const found = STANCES.find((known) => known === word);
  if (found === undefined) throw problem(place, CONTROLLER, "auto, allowed, denied or off", value);
  return found;
}

function addressOf({ value, place }: Variable): string | undefined {
  if (value === "") return undefined;
  const isAddress =
    typeof value === "string" &&
    !isWildcard(value) &&
    (isIP(value) !== 0 || /^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9])?$/.test(value));
  if (isAddress) return value;
  throw problem(place, ADDRESS, "a DNS name or an IP address, without a port", value);
}

function problem(place: Place, key: string, expected: string, value: unknown): InputError {
  return new InputError({
    place,
    key,
    message: `expected ${expected}, found ${JSON.stringify(value)?.slice(0, 80)}`,
  });
}
