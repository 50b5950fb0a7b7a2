import { InputError } from "../lib/errors.ts";
import { hostVariables, type Inventory } from "./inventory.ts";
import { OWN_VARIABLES } from "./own-variables.ts";
import { Rendering } from "./rendering.ts";

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
    const rendering = this.#rendering(host);
    return givenName(host, rendering) ?? this.#firstNames().get(wayTo(host, rendering)) ?? host;
  }

  #rendering(host: string): Rendering {
    return new Rendering(host, hostVariables(this.#inventory, host), this.#inventory);
  }

  #firstNames(): Map<string, string> {
    if (this.#first !== undefined) return this.#first;
    this.#first = new Map();
    for (const host of this.#inventory.hosts.keys()) {
      const way = wayTo(host, this.#rendering(host));
      if (!this.#first.has(way)) this.#first.set(way, host);
    }
    return this.#first;
  }
}

/** What cannot be rendered is nobody else's way: two servers must never have one password for it. */
function wayTo(host: string, rendering: Rendering): string {
  try {
    const values = WAY.map((name) => rendering.variable(name)?.value || null);
    const hasAddress = values.slice(0, 2).some((address) => address !== null);
    return JSON.stringify(hasAddress ? values : [host, ...values]);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return JSON.stringify({ host });
  }
}

function givenName(host: string, rendering: Rendering): string | undefined {
  const given = rendering.variable(OWN_VARIABLES.passwordName);
  if (given === undefined || given.value === null || given.value === "") return undefined;
  if (typeof given.value === "string" && /^[^\p{Cc}]{1,255}$/u.test(given.value)) return given.value;
  throw new InputError({
    place: given.place,
    key: `${OWN_VARIABLES.passwordName} of ${host}`,
    message: `should be a name, found ${JSON.stringify(given.value)}`,
  });
}
