import { z } from "zod";
import { isAllowed, reach, strangers } from "../firewall/evaluate.ts";
import { everybodyIn } from "../firewall/everybody.ts";
import { foreignFirewalls, forwarders } from "../firewall/foreign.ts";
import { judgeRules, keptOutText } from "../firewall/judged.ts";
import { parseBeforeRules, parseKernelRules } from "../firewall/kernel-rules.ts";
import { type Manager, managerOf } from "../firewall/manager.ts";
import type { RuleName } from "../firewall/packets.ts";
import {
  type FirewallPlan,
  type FirewallState,
  planFirewall,
  portsCutOff,
  type WantedFirewall,
} from "../firewall/plan.ts";
import { networksPassage, strangersPassage } from "../firewall/reachability.ts";
import {
  describeEntry,
  makeRule,
  parseDefaults,
  parseRules,
  shellValue,
  type UfwEntry,
} from "../firewall/ufw-rules.ts";
import { type Passage, verdictOf } from "../firewall/walk.ts";
import {
  family as familyOf,
  isLoopback,
  normalizeSubnet,
  rangeOf,
  sameAddress,
  splitZone,
} from "../lib/network.ts";
import { excerpt } from "../lib/secret.ts";
import type { Refusal } from "../plan/desired.ts";
import { type Allows, weakenable } from "../verify/allowance.ts";
import { type Check, check, type Verdict } from "../verify/controls.ts";
import {
  clientsInterface,
  type Unmanaged,
  unmanagedCheck,
  unmanagedNotes,
} from "../verify/unmanaged-firewall.ts";
import { defineTask, type TaskContext } from "./task.ts";

const subnet = z.string().refine((text) => text === "" || normalizeSubnet(text) !== undefined, {
  error: ({ input }) =>
    `should be an address or a subnet such as 10.0.0.0/24, found ${JSON.stringify(input)}`,
});

const parameters = weakenable(
  {
    backend: z
      .enum(["ufw", "none"], {
        error:
          'should be "ufw", the only firewall that redkeep manages, or "none" to leave the rules to another',
      })
      .default("ufw"),
    allow: z.array(subnet).default([]),
    default: z.enum(["deny", "reject"]).default("deny"),
    other_ports: z.enum(["refuse", "keep", "close"]).default("refuse"),
  },
  {
    backend: { controls: ["RK-NET-04"], weak: ({ backend }) => (backend === "none" ? backend : undefined) },
    allow: {
      controls: ({ allow }) => [
        ...new Set(everybodyIn(allow).map((text) => (familyOf(text) === 4 ? "RK-NET-04" : "RK-NET-06"))),
      ],
      weak: ({ allow }) => inShort(everybodyIn(allow)) || undefined,
    },
  },
);

const params = parameters.schema;

/** A list may cut everybody up into hundreds of subnets. */
function inShort(subnets: readonly string[]): string {
  const more = subnets.length - 4;
  return more <= 0 ? subnets.join(", ") : `${subnets.slice(0, 4).join(", ")} and ${more} more`;
}

type Params = z.output<typeof params>;
type Context = TaskContext<Params>;

/** Services that ufw's own before.rules let through, or that need no new incoming connection: DHCP, mDNS, SSDP. */
const UNAFFECTED_UDP = new Set([68, 546, 1900, 5353]);

/** Where the playbook names no network: the one that the inventory does. */
export const APP_SUBNET = '<%= typeof app_subnet === "undefined" ? "" : app_subnet %>';

/** Only the application network reaches Redis, and SSH stays open. */
declare module "./task.ts" {
  interface TaskParams {
    firewall: Params;
  }
}

export default defineTask("firewall", {
  params,
  leftOut: { allow: [APP_SUBNET] },
  facts: ["firewall"],
  // Opens the ports that the other tasks decide on.
  phase: "firewall",

  allowances: (params) => parameters.all(params, "firewall"),

  desired: (context) => {
    const { facts } = context;
    if (context.params.backend === "none")
      return { resources: [], notes: unmanagedNotes(unmanagedOf(context)) };
    if (!facts.firewall.installed) return { resources: [], refusals: [withoutUfwRefusal(context)] };
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
    const planned = withKept(planFirewall(withRules(state, kept), wanted), kept);
    const plan = withReload(context, state, withStoredDefault(context, state, planned));
    return {
      resources: [{ kind: "firewall", plan }],
      refusals: [
        ...refusals(context, state, wanted, plan),
        ...otherPortRefusals(context, state, wanted, plan),
      ],
      notes: [...plan.notes, ...foreignFirewalls(facts.firewall)],
    };
  },

  checks: (context) =>
    context.params.backend === "none" ? [unmanagedCheck(unmanagedOf(context))] : firewallChecks(context),
});

function unmanagedOf({ facts, params, config }: Context): Unmanaged {
  return {
    facts,
    ports: redisPorts(config),
    bound: boundOf(config),
    networks: allowedSubnets(params),
    because: "firewall.backend: none",
    by: parameters.by("backend", params, "firewall"),
  };
}

/** The addresses that Redis binds, without the dash of those that the host may lack. */
const boundOf = (config: Context["config"]): string[] =>
  (config.get("bind") ?? ["*"]).map((text) => text.replace(/^-/, ""));

/** How the operator leaves the rules to whom they belong, and lets the application in there. */
function leftTo({ params, config }: Context, manager: Manager): string {
  const networks = allowedSubnets(params);
  const leave = "leave the rules to it: firewall.backend: none for this host";
  return networks.length === 0
    ? leave
    : `${leave}; and let the application in there: ${manager.opening(networks, redisPorts(config))}`;
}

function managerAt({ facts, config }: Context): Manager | undefined {
  return managerOf(facts, clientsInterface(facts, boundOf(config)));
}

function withoutUfwRefusal(context: Context): Refusal {
  const manager = managerAt(context);
  return manager === undefined
    ? {
        guard: null,
        found: "ufw is not installed, and nothing else on the host turns anybody away",
        remedy:
          "apt-get install ufw; or, where something in front of the host filters, firewall.backend: none for this host",
      }
    : { guard: null, found: `ufw is not installed, and ${manager.text}`, remedy: leftTo(context, manager) };
}

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
  const findings = [4 as const, ...(state.ipv6Enabled ? [6 as const] : [])].flatMap((family) => {
    const { wrong, unclear } = kernelFindings(context, family);
    return [...wrong, ...unclear];
  });
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

/** A policy that is right in the kernel and wrong in the file. A file without a line for it is left as it is. */
function withStoredDefault(
  { facts, params }: Context,
  state: FirewallState,
  plan: FirewallPlan,
): FirewallPlan {
  const { defaults } = facts.firewall;
  const stored = shellValue(defaults, "DEFAULT_INPUT_POLICY");
  const isRight = parseDefaults(defaults).defaultIncoming === params.default;
  if (!state.active || plan.defaultPolicy !== undefined || stored === undefined || isRight) return plan;
  const change = {
    address: "ufw:default incoming",
    action: "update" as const,
    before: `${excerpt(stored, 20)} in /etc/default/ufw`,
    after: `${params.default} (as the kernel has it: now in the file too)`,
    reason: "",
  };
  return { ...plan, storedDefault: params.default, changes: [...plan.changes, change] };
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
  context: Context,
  state: FirewallState,
  wanted: WantedFirewall,
  { problems, onlyPeer }: FirewallPlan,
): Iterable<Refusal> {
  const everybody = everybodyIn(wanted.allow);
  if (everybody.length > 0) {
    yield {
      guard: "firewall-open",
      found: `firewall.allow ${inShort(everybody)} ${everybody.length === 1 ? "opens" : "open"} Redis to everyone`,
      remedy: "name the application's subnet",
    };
  }
  if (wanted.allow.length === 0 && !boundOf(context.config).every(isLoopback)) {
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
  // Rules of ufw's that are loaded while ufw.conf says that it is off are ufw's all the same.
  const isLoaded = parseKernelRules(context.facts.firewall.kernel4, 4).active;
  const other = state.active || isLoaded ? undefined : managerAt(context);
  if (other !== undefined) {
    yield {
      guard: "other-firewall",
      found: `ufw is off, and ${other.text}: another firewall is at work here`,
      remedy: `${leftTo(context, other)}; or switch it off`,
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

interface Findings {
  /** In sentences. */
  wrong: string[];
  /** What could not be told, with the rule that leaves it open. */
  unclear: string[];
}

/**
 * What the kernel does otherwise than wanted with packets of one family by ufw's own rules: files say only what will be loaded.
 * What rules beside them let in is `pastFindings`'.
 */
function kernelFindings(context: Context, family: 4 | 6): Findings {
  const { facts, params, config } = context;
  const { kernel4, kernel6, defaults } = facts.firewall;
  if (family === 6 && isIpv6Dropped(defaults, kernel6)) return droppedFindings(context);
  const kernel = parseKernelRules(family === 4 ? kernel4 : kernel6, family);
  if (!kernel.active) return withoutUfw(context, [family]);
  const policy = kernel.defaultIncoming ?? "allow";
  const meaning = { allow: "let in", deny: "dropped", reject: "rejected" }[policy];
  const wrong = policy === params.default ? [] : [`what no rule names is ${meaning}`];
  const unclear: string[] = [];
  for (const port of redisPorts(config)) {
    const { openings, doubts } = strangersPassage(facts, family, port, allowedSubnets(params));
    const doubt = doubts.find(isUfws);
    if (openings.some(({ rule }) => isUfws(rule))) wrong.push(`others reach port ${port}`);
    else if (doubt !== undefined)
      unclear.push(`whether others reach port ${port} is not known: ${doubt.text}`);
    for (const subnet of allowedSubnets(params)) {
      if (familyOf(subnet) !== family) continue;
      // Where ufw's rules let it in and it does not get in, others' rules keep it out.
      if (reach(kernel.entries, subnet, port).isReached) continue;
      const passage = networksPassage(facts, family, port, [subnet]);
      tell(passage, subnet, port, { wrong, unclear });
      tellOfPart(passage, subnet, port, { wrong, unclear });
    }
  }
  const peer = facts.host.sshPeer;
  if (peer !== undefined) {
    const { address } = splitZone(peer.address);
    const isOwn = facts.host.addresses.some((own) => sameAddress(own.address, address));
    const packet = { protocol: "tcp" as const, source: address, destinationPort: peer.localPort };
    if (familyOf(address) === family && !isOwn && !isAllowed(kernel.entries, policy, packet)) {
      const passage = networksPassage(facts, family, peer.localPort, [address]);
      tell(passage, `SSH from ${peer.address}`, peer.localPort, { wrong, unclear });
    }
  }
  return { wrong, unclear };
}

/** What gets in over IPv6 although ufw drops what no rule lets in, and has no rule itself: others' may. */
function droppedFindings({ facts, params, config }: Context): Findings {
  const findings: Findings = { wrong: [], unclear: [] };
  for (const port of redisPorts(config)) {
    const { openings, doubts } = strangersPassage(facts, 6, port, allowedSubnets(params));
    const [opening, doubt] = [openings[0]?.rule, doubts[0]];
    if (opening !== undefined) findings.wrong.push(`others reach port ${port}: ${opening.text}`);
    else if (doubt !== undefined)
      findings.unclear.push(`whether others reach port ${port} is not known: ${doubt.text}`);
  }
  return findings;
}

/** Adds that nobody of those gets in who should, or that it cannot be told. Bans may take hosts out of a network. */
function tell(passage: Passage, who: string, port: number, { wrong, unclear }: Findings): void {
  const verdict = verdictOf(passage);
  if (verdict === "unknown")
    unclear.push(`whether ${who} reaches port ${port} is not known: ${passage.doubts[0]?.text}`);
  else if (verdict === "closed")
    wrong.push(who.startsWith("SSH ") ? `${who} is not let in` : `${who} does not reach port ${port}`);
}

/** Adds that most of a network stays outside while a part of it gets in. Bans take out hosts, and never so many. */
function tellOfPart(passage: Passage, subnet: string, port: number, { wrong, unclear }: Findings): void {
  if (verdictOf(passage) !== "open") return;
  const { first, last } = rangeOf(subnet);
  const inside = passage.letIn.reduce((sum, [low, high]) => sum + high - low + 1n, 0n);
  if (inside * 2n > last - first) return;
  const [doubt] = passage.doubts;
  if (doubt === undefined) wrong.push(`less than half of ${subnet} reaches port ${port}`);
  else unclear.push(`whether all of ${subnet} reaches port ${port} is not known: ${doubt.text}`);
}

/** What holds where ufw filters nothing: others' rules may do it. */
function withoutUfw({ facts, params, config }: Context, families: readonly (4 | 6)[]): Findings {
  const off = !facts.firewall.installed
    ? "ufw is not installed"
    : families.includes(4)
      ? "ufw is inactive"
      : "IPv6 is not filtered";
  const { open, keptOut, doubts } = judgeRules(facts, {
    families,
    ports: redisPorts(config),
    networks: allowedSubnets(params),
  });
  const others = open.map(({ port, rule, isPolicy }) =>
    isPolicy ? off : `${off}, and others reach port ${port}: ${rule}`,
  );
  return {
    wrong: [...new Set([...others, ...keptOut.map(keptOutText)])],
    unclear: doubts.map(
      ({ who, port, rule }) =>
        `${who === "others" ? `${off}, and whether others reach` : `whether ${who} reaches`} port ${port} is not known: ${rule}`,
    ),
  };
}

/** Rules that ufw's own files make: what redkeep sets right. before.rules and after.rules are the operator's. */
function isUfws({ chain, isPolicy }: RuleName): boolean {
  return isPolicy
    ? /^INPUT$/.test(chain)
    : /^ufw6?-(?:user-(?:input|limit|limit-accept|logging-input)|skip-to-policy-input)$/.test(chain);
}

/** What rules beside ufw's own do, in both families: let others reach Redis, or keep out who may. */
function pastFindings(context: Context): Findings {
  const { facts, params, config, server } = context;
  const wanted = redisPorts(config);
  const listening = facts.host.listeners
    .filter(
      ({ protocol, unit, address }) => protocol === "tcp" && unit === server.unit && !isLoopback(address),
    )
    .map(({ port }) => port)
    .filter((port) => redisPorts(server.config).includes(port));
  const ports = [...new Set([...wanted, ...listening])];
  const wrong = forwarders(facts.firewall, wanted);
  const unclear: string[] = [];
  for (const family of [4, 6] as const) {
    const { kernel4, kernel6, defaults } = facts.firewall;
    const { active, entries } = parseKernelRules(family === 4 ? kernel4 : kernel6, family);
    // Where ufw is off, that is the finding: all that follows from it is named there.
    if (!active && !(family === 6 && isIpv6Dropped(defaults, kernel6))) continue;
    for (const port of ports) {
      const { openings, doubts } = strangersPassage(facts, family, port, allowedSubnets(params));
      const isOurs = (rule: RuleName) => isUfws(rule) && wanted.includes(port);
      for (const { rule, rewrittenBy, isLocal } of openings) {
        const by = [...(rewrittenBy === undefined ? [] : [rewrittenBy]), rule.text].join(", then ");
        if (isOurs(rule) && rewrittenBy === undefined) continue;
        wrong.push(
          isLocal
            ? `others reach port ${port} over IPv${family}: ${by}`
            : `others who ask for port ${port} over IPv${family} are sent on to another machine: ${by}`,
        );
      }
      const kept = allowedSubnets(params).filter(
        (subnet) =>
          familyOf(subnet) === family && wanted.includes(port) && reach(entries, subnet, port).isReached,
      );
      for (const subnet of kept) {
        tell(networksPassage(facts, family, port, [subnet]), subnet, port, { wrong, unclear });
      }
      if (openings.length > 0) continue;
      const doubt = doubts.find((rule) => !isOurs(rule));
      if (doubt !== undefined)
        unclear.push(`whether others reach port ${port} over IPv${family} is not known: ${doubt.text}`);
    }
  }
  return { wrong: [...new Set(wrong)], unclear: [...new Set(unclear)] };
}

/** What ufw's files bring at its next start or reload that the kernel has not now. Nothing where ufw is off: that is the finding. */
function filesFindings({ facts, params, config }: Context): Findings {
  const { ufwConf, defaults, rules4, rules6, before, kernel4, kernel6 } = facts.firewall;
  const findings: Findings = { wrong: [], unclear: [] };
  if (!parseKernelRules(kernel4, 4).active) return findings;
  const { wrong, unclear } = findings;
  if (!/^ENABLED=yes/im.test(ufwConf))
    wrong.push("/etc/ufw/ufw.conf does not say ENABLED=yes: the next boot loads no rules");
  const { ipv6Enabled, defaultIncoming: stored } = parseDefaults(defaults);
  const policy = stored ?? "allow";
  if (stored !== params.default && stored !== parseKernelRules(kernel4, 4).defaultIncoming) {
    const meaning = { allow: "let in", deny: "dropped", reject: "rejected" };
    wrong.push(
      `/etc/default/ufw: what no rule names is ${stored === undefined ? "not said" : meaning[stored]}`,
    );
  }
  const networks = allowedSubnets(params);
  for (const family of [4, 6] as const) {
    if (family === 6 && ipv6Enabled === false) continue;
    const number = family === 4 ? "" : "6";
    const kernel = family === 4 ? kernel4 : kernel6;
    const loaded = new Set(parseBeforeRules(kernel, family).map(meaningOf));
    const ahead = parseBeforeRules(before, family).filter((entry) => !loaded.has(meaningOf(entry)));
    const { entries } = parseRules(family === 4 ? rules4 : rules6, family);
    const running = parseKernelRules(kernel, family);
    for (const port of redisPorts(config)) {
      // The kernel's own openings are kernelFindings'.
      const isOpen = strangers(running.entries, "deny", port, networks).length > 0;
      const sources: [string, readonly UfwEntry[]][] = [[`before${number}.rules`, ahead]];
      if (!isOpen) sources.push([`user${number}.rules`, entries]);
      for (const [file, own] of sources) {
        for (const { family: of, rule } of strangers(own, "deny", port, networks)) {
          if (of !== family || rule === "default") continue;
          const text = `port ${port} by /etc/ufw/${file}: ${describeEntry(rule)}`;
          if (rule.kind === "rule") wrong.push(`others reach ${text}`);
          else unclear.push(`whether others reach ${text} is not known`);
        }
      }
      for (const subnet of networks.filter((one) => familyOf(one) === family)) {
        if (reach(running.entries, subnet, port).isReached && !reach(entries, subnet, port).isReached)
          wrong.push(`/etc/ufw/user${number}.rules does not let ${subnet} reach port ${port}`);
      }
    }
    const peer = facts.host.sshPeer;
    if (peer === undefined) continue;
    const { address } = splitZone(peer.address);
    const packet = { protocol: "tcp" as const, source: address, destinationPort: peer.localPort };
    const now = running.defaultIncoming ?? "allow";
    if (
      familyOf(address) === family &&
      isAllowed(running.entries, now, packet) &&
      !isAllowed([...ahead, ...entries], policy, packet)
    )
      wrong.push(`/etc/ufw/user${number}.rules does not let SSH from ${peer.address} in`);
  }
  return { wrong: [...new Set(wrong)], unclear: [...new Set(unclear)] };
}

/** The same for a rule of a file and for the kernel's spelling of it. */
function meaningOf(entry: UfwEntry): string {
  return entry.kind === "rule" ? JSON.stringify({ ...entry, raw: "" }) : entry.raw;
}

/** With IPV6=no an enabled ufw drops all of it that others' rules do not let in, and loads no rule of its own. */
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
    const without = withoutUfw(context, [4, 6]);
    const beside = foreignFirewalls(facts.firewall);
    const observed =
      [...without.wrong, ...without.unclear].join("; ") ||
      `ufw is not installed; other rules do this${beside.length === 0 ? "" : `: ${beside.join("; ")}`}`;
    const allows = allowing(context, [4, 6]);
    return [
      check("RK-NET-04", { expected, observed, source: "iptables-save, nft", allows }, verdict(without)),
    ];
  }
  const [four, six] = [kernelFindings(context, 4), kernelFindings(context, 6)];
  const isDropped = isIpv6Dropped(facts.firewall.defaults, facts.firewall.kernel6);
  const past = pastFindings(context);
  const files = filesFindings(context);
  const others = foreignFirewalls(facts.firewall).filter((text) => !past.wrong.includes(text));
  return [
    check(
      "RK-NET-04",
      {
        expected,
        observed: sentence(four) || "as wanted",
        source: "iptables-save",
        allows: allowing(context, [4]),
      },
      verdict(four),
    ),
    check(
      "RK-NET-04",
      {
        expected: "the same after ufw's next start",
        observed: sentence(files) || "as wanted",
        source: "/etc/ufw, /etc/default/ufw",
        // before.rules are the operator's: no apply sets them right.
        isAdvisory: true,
      },
      verdict(files),
    ),
    check(
      "RK-NET-04",
      {
        expected: "no other rule lets others reach Redis, or keeps out who may",
        observed: sentence(past) || "none",
        source: "iptables-save, nft, docker ps",
        isAdvisory: true,
      },
      verdict(past),
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
        observed: sentence(six) || (isDropped ? "all IPv6 is dropped" : "as wanted"),
        source: "ip6tables-save",
        allows: allowing(context, [6]),
      },
      verdict(six),
    ),
  ];
}

/** Which of these families the playbook lets in as a whole. */
function allowing({ params }: Context, families: readonly (4 | 6)[]): Allows {
  const isOpen = everybodyIn(params.allow).some((text) => families.some((one) => one === familyOf(text)));
  return {
    by: isOpen ? parameters.by("allow", params, "firewall") : undefined,
    demand: `default ${params.default}, only named networks reach Redis`,
  };
}

const sentence = ({ wrong, unclear }: Findings): string => [...wrong, ...unclear].join("; ");
const verdict = ({ wrong, unclear }: Findings): Verdict =>
  wrong.length > 0 ? false : unclear.length === 0 || { outcome: "unknown" };
