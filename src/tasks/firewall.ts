import { z } from "zod";
import { isAllowed, reach, strangers } from "../firewall/evaluate.ts";
import { bypasses, foreignFirewalls, otherFirewall } from "../firewall/foreign.ts";
import { parseBeforeRules, parseKernelRules } from "../firewall/kernel-rules.ts";
import {
  type FirewallPlan,
  type FirewallState,
  planFirewall,
  portsCutOff,
  type WantedFirewall,
} from "../firewall/plan.ts";
import { describeEntry, makeRule, parseDefaults, parseRules } from "../firewall/ufw-rules.ts";
import { isLoopback, normalizeSubnet, splitZone } from "../network.ts";
import type { Refusal } from "../plan/desired.ts";
import { type Check, check } from "../verify/controls.ts";
import { defineTask, type TaskContext } from "./task.ts";

const subnet = z.string().refine((text) => text === "" || normalizeSubnet(text) !== undefined, {
  error: ({ input }) =>
    `should be an address or a subnet such as 10.0.0.0/24, found ${JSON.stringify(input)}`,
});

const params = z.strictObject({
  backend: z
    .literal("ufw", { error: 'should be "ufw", the only firewall that redkeep manages' })
    .default("ufw"),
  allow: z.array(subnet).default([]),
  default: z.enum(["deny", "reject"]).default("deny"),
  other_ports: z.enum(["refuse", "keep", "close"]).default("refuse"),
});

type Params = z.output<typeof params>;
type Context = TaskContext<Params>;

/** Services that ufw's own before.rules let through, or that need no new incoming connection: DHCP, mDNS, SSDP. */
const UNAFFECTED_UDP = new Set([68, 546, 1900, 5353]);

/** Only the application network reaches Redis, and SSH stays open. */
export default defineTask<Params>({
  params,
  leftOut: { allow: ['<%= typeof app_subnet === "undefined" ? "" : app_subnet %>'] },
  facts: ["firewall"],
  // Opens the ports that the other tasks decide on.
  phase: 3,

  desired: (context) => {
    const { facts } = context;
    if (!facts.firewall.installed) {
      return {
        resources: [],
        refusals: [
          {
            guard: null,
            found: "ufw is not installed",
            remedy: "apt-get install ufw, or leave the firewall task out for this host",
          },
        ],
      };
    }
    const state = stateOf(context);
    const wanted = wantedOf(context);
    if (wanted === undefined) {
      return {
        resources: [],
        refusals: [
          {
            guard: null,
            found: "the SSH session's own address is not known on the host, so it cannot be kept open",
            remedy: "connect over SSH as usual (SSH_CONNECTION was not found)",
          },
        ],
      };
    }
    const kept =
      context.params.other_ports === "keep"
        ? otherPorts(context, state, wanted, planFirewall(state, wanted))
        : [];
    const plan = withReload(context, state, withKept(planFirewall(withRules(state, kept), wanted), kept));
    return {
      resources: [{ kind: "firewall", plan }],
      refusals: [
        ...refusals(context, state, wanted, plan),
        ...otherPortRefusals(context, state, wanted, plan),
      ],
      notes: [...plan.notes, ...foreignFirewalls(facts.firewall)],
    };
  },

  checks: (context) => firewallChecks(context),
});

function stateOf({ facts }: Context): FirewallState {
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

function wantedOf({ facts, params, config, server }: Context): WantedFirewall | undefined {
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
function redisPorts(config: Context["config"]): number[] {
  const ports = [config.get("port")?.[0] ?? "6379", config.get("tls-port")?.[0] ?? "0"].map(Number);
  return [...new Set(ports.filter((port) => port > 0))];
}

/** Ports that the plan would close, of other services and of the server's own cluster bus. */
function otherPorts(
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

/** Files that are right while the kernel has other rules: they are loaded anew. */
function withReload(context: Context, state: FirewallState, plan: FirewallPlan): FirewallPlan {
  if (plan.changes.length > 0 || plan.problems.length > 0 || !state.active) return plan;
  const findings = [...kernelFindings(context, 4), ...(state.ipv6Enabled ? kernelFindings(context, 6) : [])];
  if (findings.length === 0) return plan;
  const change = {
    address: "ufw:rules",
    action: "update" as const,
    before: findings.join("; "),
    after: "ufw's own rules, loaded anew",
    reason: "",
  };
  return { ...plan, changes: [change] };
}

type OtherPort = { protocol: "tcp" | "udp"; port: number; unit: string | undefined };

/** The rules with the other services' ports open, as `ufw allow PORT/PROTOCOL` would have added them. */
function withRules(state: FirewallState, ports: readonly OtherPort[]): FirewallState {
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

function withKept(plan: FirewallPlan, ports: readonly OtherPort[]): FirewallPlan {
  const created = ports.map(({ protocol, port, unit }) => ({
    address: `ufw:allow ${port}/${protocol}`,
    action: "create" as const,
    before: null,
    after: `allow ${port}/${protocol}`,
    reason: unit === undefined ? "a service listens there" : `${unit} listens there`,
  }));
  return { ...plan, changes: [...created, ...plan.changes] };
}

function* refusals(
  { config, facts }: Context,
  state: FirewallState,
  wanted: WantedFirewall,
  { problems, onlyPeer }: FirewallPlan,
): Iterable<Refusal> {
  const everywhere = wanted.allow.find((text) => /\/0$/.test(text));
  if (everywhere !== undefined) {
    yield {
      guard: "firewall-open",
      found: `firewall.allow ${everywhere} opens Redis to everyone`,
      remedy: "name the application's subnet",
    };
  }
  const bound = (config.get("bind") ?? ["*"]).map((text) => text.replace(/^-/, ""));
  if (wanted.allow.length === 0 && !bound.every(isLoopback)) {
    yield {
      guard: "firewall-empty",
      found: "firewall.allow is empty, but Redis listens beyond loopback: every client would be cut off",
      remedy: "name the application's subnet (app_subnet), or bind loopback only",
    };
  }
  for (const problem of problems)
    yield {
      guard: null,
      found: problem,
      remedy: "correct the rule by hand (ufw status numbered), then run again",
    };
  // `ufw enable` writes its files anew, from the rules that it can read.
  const dropped = state.active ? [] : [...state.rules4.entries, ...state.rules6.entries];
  for (const entry of dropped.filter(({ kind }) => kind === "unknown")) {
    yield {
      guard: null,
      found: `ufw would drop this from /etc/ufw/user${entry.family === 4 ? "" : "6"}.rules when it is switched on: ${describeEntry(entry)}`,
      remedy: "say it as a rule of ufw's, or move it to before.rules",
    };
  }
  if (onlyPeer !== undefined) {
    yield {
      guard: "ssh-peer-only",
      found: `${onlyPeer}: the host's own rules, switched off until now, turn everybody else away`,
      remedy: "let in by ufw who else comes over SSH, or delete the rule that denies it (ufw show added)",
    };
  }
  const other = state.active ? undefined : otherFirewall(facts.firewall);
  if (other !== undefined) {
    yield {
      guard: "other-firewall",
      found: `ufw is off, and ${other}: another firewall is at work here`,
      remedy: "keep one of the two: switch the other off, or leave the firewall task out for this host",
    };
  }
  if (!state.ipv6Enabled && !state.active) {
    yield {
      guard: "ufw-ipv6-off",
      found: "IPV6=no in /etc/default/ufw: an enabled ufw would drop all IPv6, outgoing too",
      remedy: "set IPV6=yes there",
    };
  }
}

function* otherPortRefusals(
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

/** What the kernel's own rules of one family do otherwise than wanted: files say only what will be loaded. */
function kernelFindings({ facts, params, config }: Context, family: 4 | 6): string[] {
  const { kernel4, kernel6, defaults } = facts.firewall;
  if (family === 6 && isIpv6Dropped(defaults, kernel6)) return [];
  const kernel = parseKernelRules(family === 4 ? kernel4 : kernel6, family);
  if (!kernel.active) return [family === 4 ? "ufw is inactive" : "IPv6 is not filtered"];
  const allow = allowedSubnets(params);
  const policy = kernel.defaultIncoming ?? "allow";
  const meaning = { allow: "let in", deny: "dropped", reject: "rejected" }[policy];
  const found = policy === params.default ? [] : [`what no rule names is ${meaning}`];
  for (const port of redisPorts(config)) {
    if (strangers(kernel.entries, policy, port, allow).length > 0) found.push(`others reach port ${port}`);
    for (const subnet of allow) {
      if (subnet.includes(":") === (family === 6) && !reach(kernel.entries, subnet, port).isReached) {
        found.push(`${subnet} does not reach port ${port}`);
      }
    }
  }
  const peer = facts.host.sshPeer;
  const isOurs = peer !== undefined && peer.address.includes(":") === (family === 6);
  if (isOurs) {
    const packet = {
      protocol: "tcp" as const,
      source: splitZone(peer.address).address,
      destinationPort: peer.localPort,
    };
    if (!isAllowed(kernel.entries, policy, packet)) found.push(`SSH from ${peer.address} is not let in`);
  }
  return found;
}

/** With IPV6=no an enabled ufw drops all of it, and loads no rule. */
function isIpv6Dropped(defaults: string, kernel6: string): boolean {
  return (
    !parseDefaults(defaults).ipv6Enabled &&
    /^:INPUT DROP/m.test(kernel6) &&
    !parseKernelRules(kernel6, 6).active
  );
}

function allowedSubnets({ allow }: Params): string[] {
  return allow.flatMap((text) => normalizeSubnet(text)?.subnet ?? []);
}

function firewallChecks(context: Context): Check[] {
  const { facts, params } = context;
  const networks = allowedSubnets(params).join(", ") || "nobody";
  const expected = `default ${params.default}, only ${networks} reaches Redis, SSH stays open`;
  if (!facts.firewall.installed) {
    return [check("RK-NET-04", { expected, observed: "ufw is not installed", source: "/etc/ufw" }, false)];
  }
  const [four, six] = [kernelFindings(context, 4), kernelFindings(context, 6)];
  const isDropped = isIpv6Dropped(facts.firewall.defaults, facts.firewall.kernel6);
  const past = bypasses(facts.firewall, redisPorts(context.config), allowedSubnets(params));
  const others = foreignFirewalls(facts.firewall).filter((text) => !past.includes(text));
  return [
    check(
      "RK-NET-04",
      { expected, observed: four.join("; ") || "as wanted", source: "iptables-save" },
      four.length === 0,
    ),
    check(
      "RK-NET-04",
      {
        expected: "nobody else reaches Redis past ufw's rules",
        observed: past.join("; ") || "nobody",
        source: "iptables-save, nft, docker ps",
        isAdvisory: true,
      },
      past.length === 0,
    ),
    check(
      "RK-NET-04",
      {
        expected: "ufw alone decides about incoming packets",
        observed: others.join("; ") || "ufw alone",
        source: "iptables-save, nft, docker ps",
        isAdvisory: true,
      },
      // What they do to which packet is theirs: it is named, and called neither good nor bad.
      others.length === 0 || { outcome: "unknown" },
    ),
    check(
      "RK-NET-06",
      {
        expected: "the same for IPv6",
        observed: six.join("; ") || (isDropped ? "all IPv6 is dropped" : "as wanted"),
        source: "ip6tables-save",
      },
      six.length === 0,
    ),
  ];
}
