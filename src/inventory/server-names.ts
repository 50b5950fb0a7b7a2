import { InputError } from "../lib/errors.ts";
import { Locked } from "../vault/locked.ts";
import { hostVariables, type Inventory } from "./inventory.ts";
import { OWN_VARIABLES } from "./own-variables.ts";
import { Rendering } from "./rendering.ts";

/** What two names of one server have in common: the way to it, and its unit. */
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
 * The name that a host's own passwords are made for: `redkeep_password_name`, else the first of the inventory's names that lead
 * to the same server (most servers have one). It comes from the inventory alone: a host that could name itself could ask for
 * another host's password.
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
    return givenName(host, rendering) ?? this.#firstNames().get(this.#wayTo(host)) ?? host;
  }

  #rendering(host: string): Rendering {
    return renderingOf(host, this.#inventory);
  }

  /** Looks only at what needs no password, so that a server keeps its name whichever hosts a run selects. */
  #wayTo(host: string): string {
    return wayTo(host, renderingOf(host, this.#inventory.locked ?? this.#inventory));
  }

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

function renderingOf(host: string, inventory: Inventory): Rendering {
  return new Rendering(host, hostVariables(inventory, host), inventory);
}

/** A way that cannot be rendered, or stands in a vault, equals no other: it must never give two servers one password. */
function wayTo(host: string, rendering: Rendering): string {
  try {
    const found = WAY.map((name) => rendering.variable(name));
    if (found.some((variable) => variable?.place.fromVault)) return JSON.stringify({ host });
    const values = found.map((variable) => variable?.value || null);
    const hasAddress = values.slice(0, 2).some((address) => address !== null);
    return JSON.stringify(hasAddress ? values : [host, ...values]);
  } catch (error) {
    if (!(error instanceof InputError || error instanceof Locked)) throw error;
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
