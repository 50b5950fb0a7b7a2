import { type Manager, managerOf } from "../../firewall/manager.ts";
import type { Refusal } from "../../resources/kind.ts";
import { clientsInterface, type Unmanaged } from "../../verify/unmanaged-firewall.ts";
import { allowedSubnets, type Context, parameters } from "./parameters.ts";
import { boundOf, redisPorts } from "./state.ts";

export function unmanagedOf({ facts, params, config }: Context): Unmanaged {
  return {
    facts,
    ports: redisPorts(config),
    bound: boundOf(config),
    networks: allowedSubnets(params),
    because: "firewall.backend: none",
    by: parameters.by("backend", params, "firewall"),
  };
}

/** How the operator leaves the rules to whom they belong, and lets the application in there. */
export function leftTo({ params, config }: Context, manager: Manager): string {
  const networks = allowedSubnets(params);
  const leave = "leave the rules to it: set firewall.backend: none for this host";
  return networks.length === 0
    ? leave
    : `${leave}; and let the application in there: ${manager.opening(networks, redisPorts(config))}`;
}

/** What else than ufw decides here about incoming packets. */
export function managerAt({ facts, config }: Context): Manager | undefined {
  return managerOf(facts, clientsInterface(facts, boundOf(config)));
}

export function withoutUfwRefusal(context: Context): Refusal {
  const manager = managerAt(context);
  return manager === undefined
    ? {
        guard: null,
        found: "ufw is not installed, and no other firewall on the host turns anybody away",
        remedy:
          "apt-get install ufw; or, where something in front of the host filters, firewall.backend: none for this host",
      }
    : { guard: null, found: `ufw is not installed, and ${manager.text}`, remedy: leftTo(context, manager) };
}
