import { parseBeforeRules, parseKernelRules } from "../../firewall/kernel-rules.ts";
import type { FirewallState, WantedFirewall } from "../../firewall/plan.ts";
import { parseDefaults, parseRules } from "../../firewall/ufw-rules.ts";
import type { Context } from "./parameters.ts";

/** The addresses that Redis binds, without the dash of those that the host may lack. */
export const boundOf = (config: Context["config"]): string[] =>
  (config.get("bind") ?? ["*"]).map((text) => text.replace(/^-/, ""));

/** ufw as the facts tell of it. */
export function stateOf({ facts }: Context): FirewallState {
  const { ufwConf, defaults, rules4, rules6, before, kernel4 } = facts.firewall;
  const kernel = parseKernelRules(kernel4, 4);
  const configured = parseDefaults(defaults);
  const active = /^ENABLED=yes/im.test(ufwConf) && kernel.active;
  return {
    active,
    ipv6Enabled: configured.ipv6Enabled ?? false,
    defaultIncoming: (active ? kernel.defaultIncoming : undefined) ?? configured.defaultIncoming ?? "deny",
    rules4: parseRules(rules4, 4),
    rules6: parseRules(rules6, 6),
    ahead: active ? [] : [...parseBeforeRules(before, 4), ...parseBeforeRules(before, 6)],
  };
}

/** What the playbook wants of ufw; undefined where the session's own address is not known. */
export function wantedOf({ facts, params, config, server }: Context): WantedFirewall | undefined {
  const peer = facts.host.sshPeer;
  if (peer === undefined) return undefined;
  const sshPorts = [...new Set([...facts.host.sshPorts, ...listeningSshPorts(facts.host), peer.localPort])];
  const ports = redisPorts(config);
  return {
    ssh: {
      ports: sshPorts,
      peer: {
        address: peer.address,
        port: peer.localPort,
        destination: peer.localAddress,
        nextTo: facts.host.addresses.find(({ address }) => address === peer.localAddress)?.interface,
      },
    },
    redisPorts: ports,
    leftPorts: redisPorts(server.config).filter((port) => !ports.includes(port) && !sshPorts.includes(port)),
    allow: params.allow.filter((text) => text !== ""),
    default: params.default,
  };
}

/** Where systemd listens for sshd, which sshd itself does not know. */
function listeningSshPorts({ listeners }: Context["facts"]["host"]): number[] {
  return listeners
    .filter(({ protocol, unit }) => protocol === "tcp" && /^sshd?\.(service|socket)$/.test(unit ?? ""))
    .map(({ port }) => port);
}

/** The ports on which Redis will listen when the other tasks' settings hold. */
export function redisPorts(config: Context["config"]): number[] {
  const ports = [config.get("port")?.[0] ?? "6379", config.get("tls-port")?.[0] ?? "0"].map(Number);
  return [...new Set(ports.filter((port) => port > 0))];
}
