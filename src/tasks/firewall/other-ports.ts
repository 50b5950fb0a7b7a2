import type { FirewallPlan, FirewallState, WantedFirewall } from "../../firewall/plan.ts";
import { portsCutOff } from "../../firewall/plan-firewall.ts";
import { makeRule } from "../../firewall/ufw-rules.ts";
import { isLoopback } from "../../lib/network.ts";
import type { Refusal } from "../../resources/kind.ts";
import type { Context } from "./parameters.ts";
import { redisPorts } from "./state.ts";

/** Services that ufw's own before.rules let through, or that need no new incoming connection: DHCP, mDNS, SSDP. */
const UNAFFECTED_UDP = new Set([68, 546, 1900, 5353]);

/** Ports that the plan would close, of other services and of the server's own cluster bus. */
export function otherPorts(
  { facts, server, config }: Context,
  state: FirewallState,
  wanted: WantedFirewall,
  plan: FirewallPlan,
): OtherPort[] {
  const ours = [...redisPorts(server.config), ...redisPorts(config)];
  const listeners = facts.host.listeners.filter(
    ({ protocol, address, port, unit }) =>
      !isLoopback(address) &&
      !(unit === server.unit && ours.includes(port)) &&
      !wanted.ssh.ports.includes(port) &&
      !(protocol === "udp" && UNAFFECTED_UDP.has(port)),
  );
  const cut = portsCutOff(state, plan, wanted, listeners);
  const ports = new Map(cut.map(({ protocol, port }) => [`${port}/${protocol}`, { protocol, port }]));
  return [...ports.values()].map(({ protocol, port }) => ({
    protocol,
    port,
    unit: listeners.find((listener) => listener.port === port && listener.protocol === protocol)?.unit,
  }));
}

type OtherPort = { protocol: "tcp" | "udp"; port: number; unit: string | undefined };

/** The rules with the other services' ports open, as `ufw allow PORT/PROTOCOL` would have added them. */
export function withRules(state: FirewallState, ports: readonly OtherPort[]): FirewallState {
  const add = (file: FirewallState["rules4"]) => ({
    ...file,
    entries: [
      ...file.entries,
      ...ports.map(({ protocol, port }) =>
        makeRule({ family: file.family, action: "allow", protocol, destinationPorts: String(port) }),
      ),
    ],
  });
  return ports.length === 0
    ? state
    : { ...state, rules4: add(state.rules4), rules6: state.ipv6Enabled ? add(state.rules6) : state.rules6 };
}

/** The plan with the other services' ports among its changes. */
export function withKept(plan: FirewallPlan, ports: readonly OtherPort[]): FirewallPlan {
  const created = ports.map(({ protocol, port, unit }) => ({
    address: `ufw:allow ${port}/${protocol}`,
    action: "create" as const,
    before: null,
    after: `allow ${port}/${protocol}`,
    reason: unit === undefined ? "a service listens there" : `${unit} listens there`,
  }));
  return { ...plan, changes: [...created, ...plan.changes] };
}

export function* otherPortRefusals(
  context: Context,
  state: FirewallState,
  wanted: WantedFirewall,
  plan: FirewallPlan,
): Iterable<Refusal> {
  if (context.params.other_ports !== "refuse") return;
  const cut = otherPorts(context, state, wanted, plan);
  if (cut.length === 0) return;
  yield {
    guard: "other-ports",
    found: `the firewall would cut off ${cut.map(({ protocol, port, unit }) => `${port}/${protocol}${unit === undefined ? "" : ` (${unit})`}`).join(", ")}`,
    remedy: "say firewall.other_ports: keep, which opens them, or close",
  };
}
