import { InputError } from "../lib/errors.ts";
import { vaultTexts } from "../lib/yaml-node.ts";
import { hostVariables, type Inventory, type Variables } from "./inventory.ts";
import { OWN_VARIABLES } from "./own-variables.ts";
import { refuseUnrendered } from "./unrendered.ts";

/** What two names of one server have in common: how it is reached, and which unit is meant. */
const WAY = [
  "ansible_host",
  "ansible_ssh_host",
  "ansible_port",
  "ansible_ssh_port",
  "ansible_ssh_args",
  "ansible_ssh_common_args",
  "ansible_ssh_extra_args",
  OWN_VARIABLES.unit,
] as const;

/**
 * The name that a host's own passwords are made for: `redkeep_password_name`, else the first of the inventory's names that
 * are reached in the same way (a server may have several names, but mostly has one). It comes from the inventory alone: a
 * host that could name itself could ask for another host's password.
 */
export class ServerNames {
  readonly #inventory: Inventory;
  #first: Map<string, string> | undefined;

  constructor(inventory: Inventory) {
    this.#inventory = inventory;
  }

  /** @throws InputError for a `redkeep_password_name` that is no name. */
  of(host: string): string {
    const variables = hostVariables(this.#inventory, host);
    return givenName(host, variables) ?? this.#firstNames().get(this.#wayTo(host)) ?? host;
  }

  #wayTo(host: string): string {
    return wayTo(host, hostVariables(this.#inventory.locked ?? this.#inventory, host));
  }

  /** By what is told without a password: whoever a run selects, a server keeps its name. */
  #firstNames(): Map<string, string> {
    if (this.#first !== undefined) return this.#first;
    this.#first = new Map();
    for (const host of this.#inventory.hosts.keys()) {
      const way = this.#wayTo(host);
      if (!this.#first.has(way)) this.#first.set(way, host);
    }
    return this.#first;
  }
}

function wayTo(host: string, variables: Variables): string {
  const values = WAY.map((name) => {
    const { value, node } = variables.get(name) ?? {};
    // A !vault value as it was encrypted: that is the same before and after it is opened.
    const [encrypted] = node === undefined ? [] : vaultTexts(node);
    return (encrypted ?? value) || null;
  });
  const hasAddress = values.slice(0, 2).some((address) => address !== null);
  return JSON.stringify(hasAddress ? values : [host, ...values]);
}

function givenName(host: string, variables: Variables): string | undefined {
  const given = variables.get(OWN_VARIABLES.passwordName);
  if (given === undefined || given.value === null || given.value === "") return undefined;
  refuseUnrendered(given, OWN_VARIABLES.passwordName, host);
  if (typeof given.value === "string" && /^[^\p{Cc}]{1,255}$/u.test(given.value)) return given.value;
  throw new InputError({
    place: given.place,
    key: `${OWN_VARIABLES.passwordName} of ${host}`,
    message: `should be a name, found ${JSON.stringify(given.value)}`,
  });
}
