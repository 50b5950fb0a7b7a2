import { z } from "zod";
import { evaluate, strangers } from "../firewall/evaluate.ts";
import { foreignFirewalls } from "../firewall/foreign.ts";
import { type FirewallState, planFirewall, portsCutOff, type WantedFirewall } from "../firewall/plan.ts";
import { parseRules } from "../firewall/ufw-rules.ts";
import { isLoopback, normalizeSubnet } from "../network.ts";
import type { Refusal, Resource } from "../plan/desired.ts";
import { check } from "../verify/controls.ts";
import type { CheckRecord } from "../report/record.ts";
import { defineTask, type TaskContext } from "./task.ts";

const subnet = z.string().refine((text) => text === "" || normalizeSubnet(text) !== undefined, {
  error: ({ input }) => `should be an address or a subnet such as 10.0.0.0/24, found ${JSON.stringify(input)}`,
});

const params = z.strictObject({
  backend: z.literal("ufw", { error: 'should be "ufw", the only firewall that redkeep manages' }).default("ufw"),
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
  facts: ["firewall"],
  // Opens the ports that the other tasks decide on.
  phase: 3,

  desired: (context) => {
    const { facts } = context;
    if (!facts.firewall.installed) {
      return { resources: [], refusals: [{ guard: null, found: "ufw is not installed", remedy: "apt-get install ufw, or leave the firewall task out for this host" }] };
    }
    const state = stateOf(context);
    const wanted = wantedOf(context);
    if (wanted === undefined) {
      return { resources: [], refusals: [{ guard: null, found: "the SSH session's own address is not known on the host, so it cannot be kept open", remedy: "connect over SSH as usual (SSH_CONNECTION was not found)" }] };
    }
    const plan = planFirewall(state, wanted);
    const resources: Resource[] = [{ kind: "firewall", plan, defaultPolicy: state.defaultIncoming === "allow" ? (context.params.default === "deny" ? "DROP" : "REJECT") : undefined }];
    return {
      resources,
      refusals: [...refusals(context, state, wanted, plan.problems), ...otherPortRefusals(context, state, wanted, plan)],
      notes: [...plan.notes, ...foreignFirewalls(facts.firewall)],
    };
  },

  checks: (context) => firewallChecks(context),
});

function stateOf({ facts }: Context): FirewallState {
  const { ufwConf, defaults, rules4, rules6, kernel4 } = facts.firewall;
  const active = /^ENABLED=yes/im.test(ufwConf) && /^:ufw-user-input /m.test(kernel4);
  const policy = active
    ? (/^:INPUT (\w+)/m.exec(kernel4)?.[1] ?? "DROP")
    : (/^DEFAULT_INPUT_POLICY="?(\w+)"?/m.exec(defaults)?.[1] ?? "DROP");
  return {
    active,
    ipv6Enabled: /^IPV6="?yes"?/im.test(defaults),
    defaultIncoming: policy === "ACCEPT" ? "allow" : /^DEFAULT_INPUT_POLICY="?REJECT/m.test(defaults) ? "reject" : "deny",
    rules4: parseRules(rules4, 4),
    rules6: parseRules(rules6, 6),
  };
}

function wantedOf({ facts, params, config }: Context): WantedFirewall | undefined {
  const peer = facts.host.sshPeer;
  if (peer === undefined) return undefined;
  return {
    ssh: {
      ports: [...new Set([...facts.host.sshPorts, peer.localPort])],
      peer: { address: peer.address, port: peer.localPort, destination: peer.localAddress },
    },
    redisPorts: redisPorts(config),
    allow: params.allow.filter((text) => text !== ""),
    default: params.default,
  };
}

/** The ports on which Redis will listen when the other tasks' settings hold. */
function redisPorts(config: Context["config"]): number[] {
  const ports = [config.get("port")?.[0] ?? "6379", config.get("tls-port")?.[0] ?? "0"].map(Number);
  return [...new Set(ports.filter((port) => port > 0))];
}

function* refusals({ params, config }: Context, state: FirewallState, wanted: WantedFirewall, problems: readonly string[]): Iterable<Refusal> {
  const everywhere = wanted.allow.find((text) => /\/0$/.test(text));
  if (everywhere !== undefined) {
    yield { guard: "firewall-open", found: `firewall.allow ${everywhere} opens Redis to everyone`, remedy: "name the application's subnet" };
  }
  const bound = (config.get("bind") ?? ["*"]).map((text) => text.replace(/^-/, ""));
  if (wanted.allow.length === 0 && !bound.every(isLoopback)) {
    yield {
      guard: "firewall-empty",
      found: "firewall.allow is empty, but Redis listens beyond loopback: every client would be cut off",
      remedy: "name the application's subnet (app_subnet), or bind loopback only",
    };
  }
  for (const problem of problems) yield { guard: null, found: problem, remedy: "correct the rule by hand (ufw status numbered), then run again" };
  if (!state.ipv6Enabled && !state.active) {
    yield { guard: "ufw-ipv6-off", found: "IPV6=no in /etc/default/ufw: an enabled ufw would drop all IPv6, outgoing too", remedy: "set IPV6=yes there" };
  }
  void params;
}

function* otherPortRefusals({ facts, params, server }: Context, state: FirewallState, wanted: WantedFirewall, plan: ReturnType<typeof planFirewall>): Iterable<Refusal> {
  if (params.other_ports !== "refuse") return;
  const listeners = facts.host.listeners.filter(
    ({ protocol, address, port, unit }) =>
      !isLoopback(address) && unit !== server.unit && !wanted.ssh.ports.includes(port) && !(protocol === "udp" && UNAFFECTED_UDP.has(port)),
  );
  const cut = portsCutOff(state, plan, wanted, listeners);
  if (cut.length === 0) return;
  const names = cut.map(({ protocol, port }) => {
    const unit = listeners.find((listener) => listener.port === port && listener.protocol === protocol)?.unit;
    return `${port}/${protocol}${unit === undefined ? "" : ` (${unit})`}`;
  });
  yield {
    guard: "other-ports",
    found: `the firewall would cut off ${[...new Set(names)].join(", ")}`,
    remedy: "allow them in ufw first, or say firewall.other_ports: keep (opens them) or close",
  };
}

function firewallChecks(context: Context): CheckRecord[] {
  const { facts, params } = context;
  const expected = `default ${params.default}, only ${params.allow.filter(Boolean).join(", ") || "nobody"} reaches Redis, SSH stays open`;
  if (!facts.firewall.installed) return [check("RK-NET-04", { expected, observed: "ufw is not installed", source: "/etc/ufw" }, false)];
  const state = stateOf(context);
  const wanted = wantedOf(context);
  const ports = redisPorts(context.config);
  const allow = params.allow.flatMap((text) => normalizeSubnet(text)?.subnet ?? []);
  const family = (entries: FirewallState["rules4"], kernel: string): string[] => {
    const findings: string[] = [];
    for (const port of ports) {
      const open = strangers(entries.entries, state.defaultIncoming, port, allow);
      if (open.length > 0) findings.push(`others reach port ${port}`);
      for (const source of allow.filter((text) => text.includes(":") === (entries.family === 6))) {
        const [address = ""] = source.split("/");
        const { verdict } = evaluate(entries.entries, state.defaultIncoming, { protocol: "tcp", source: address, destinationPort: port });
        if (verdict !== "allow" && verdict !== "limit") findings.push(`${source} does not reach port ${port}`);
      }
    }
    const inFile = entries.entries.flatMap(({ raw }) => raw.split("\n")).filter((line) => /^-A ufw6?-user-input /.test(line)).length;
    const inKernel = kernel.split("\n").filter((line) => /^-A ufw6?-user-input /.test(line)).length;
    if (state.active && inFile !== inKernel) findings.push(`the kernel has ${inKernel} rules, the file ${inFile}: they differ`);
    return findings;
  };
  const four = [...(state.active ? [] : ["ufw is inactive"]), ...(state.defaultIncoming === "allow" ? ["default allow"] : []), ...family(state.rules4, facts.firewall.kernel4)];
  const peer = wanted?.ssh.peer;
  if (peer !== undefined && state.active) {
    const rules = peer.address.includes(":") ? state.rules6 : state.rules4;
    const { verdict } = evaluate(rules.entries, state.defaultIncoming, { protocol: "tcp", source: peer.address, destinationPort: peer.port });
    if (verdict !== "allow" && verdict !== "limit") four.push(`SSH from ${peer.address} is not let in`);
  }
  const six = state.ipv6Enabled
    ? [...(state.active && !/^:INPUT (DROP|REJECT)/m.test(facts.firewall.kernel6) ? ["IPv6 is not filtered"] : []), ...(state.active ? [] : ["ufw is inactive"]), ...family(state.rules6, facts.firewall.kernel6)]
    : state.active ? [] : ["ufw is inactive"];
  return [
    check("RK-NET-04", { expected, observed: four.join("; ") || "as wanted", source: "/etc/ufw, iptables-save" }, four.length === 0),
    check("RK-NET-06", { expected: "the same for IPv6", observed: six.join("; ") || (state.ipv6Enabled ? "as wanted" : "all IPv6 is dropped"), source: "/etc/ufw, ip6tables-save" }, six.length === 0),
  ];
}
