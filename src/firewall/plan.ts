import {
  type Family,
  family as familyOf,
  isLoopback,
  normalizeAddress,
  normalizeSubnet,
  rangeOf,
  splitZone,
  subtract,
} from "../lib/network.ts";
import {
  beyond,
  concernsPort,
  type DefaultPolicy,
  evaluate,
  includesPort,
  isAllowed,
  isDeny,
  openings,
  reach,
  strangers,
  sweep,
} from "./evaluate.ts";
import {
  describeEntry,
  describeRule,
  isAnywhere,
  makeRule,
  ruleKey,
  type UfwEntry,
  type UfwRule,
  type UfwRulesFile,
} from "./ufw-rules.ts";

/** ufw on a host, as observed. */
export interface FirewallState {
  /** Whether the rules are in the kernel (`ufw status`), not whether ufw.conf says so. */
  active: boolean;
  /** `IPV6=` of /etc/default/ufw. With "no" an active ufw drops all IPv6 and leaves user6.rules unread. */
  ipv6Enabled: boolean;
  defaultIncoming: DefaultPolicy;
  rules4: UfwRulesFile;
  rules6: UfwRulesFile;
  /** What ufw will load ahead of the rules when it is switched on, of both families; none of an active one. */
  ahead: readonly UfwEntry[];
}

export interface WantedFirewall {
  ssh: {
    /** The ports that sshd listens on. */
    ports: readonly number[];
    /** The live session: the client's address, and the port of this host it is connected to. */
    peer: {
      address: string;
      port: number;
      destination?: string | undefined;
      interface?: string | undefined;
      /** The interface that has `destination`: where packets to it most likely, but not surely, come in. */
      nextTo?: string | undefined;
    };
  };
  redisPorts: readonly number[];
  /** Ports that Redis leaves with this run: nobody needs them any more. */
  leftPorts?: readonly number[];
  /** Subnets and addresses, of both families, that may reach the Redis ports. */
  allow: readonly string[];
  default: "deny" | "reject";
}

export interface FirewallChange {
  /** `ufw:` and the rule in ufw's own words; `ufw:status`; `ufw:default incoming`. */
  address: string;
  action: "create" | "update" | "delete";
  before: string | null;
  after: string | null;
  reason: string;
}

export interface FirewallPlan {
  /** user.rules and user6.rules as they should be; the file as observed where nothing changes. */
  rules4: UfwRulesFile;
  rules6: UfwRulesFile;
  changes: FirewallChange[];
  /** What happens to packets that no rule names, where that changes. */
  defaultPolicy?: { before: DefaultPolicy; after: "deny" | "reject" };
  /** The kernel has the wanted policy, and /etc/default/ufw another one, which the next start of ufw would load. */
  storedDefault?: "deny" | "reject";
  /** Set where it cannot be shown that the peer of the live session may log in again. Never apply such a plan. */
  lockoutRisk?: string;
  /** Set where the host's own rules, once switched on, leave SSH open to the live peer and to nobody else. */
  onlyPeer?: string;
  /** Why the plan cannot be carried out, in sentences; empty for a plan that passed its own check. */
  problems: string[];
  /** What stays as the operator has it although it narrows what the playbook allows. */
  notes: string[];
}

/** The order in which people read a plan: what opens comes before what closes. */
const PHASES = ["ssh", "allow", "deny", "remove"] as const;
type Phase = (typeof PHASES)[number];

/** One step on the rules of one family. */
interface Step extends Omit<FirewallChange, "address"> {
  phase: Phase;
  rule: UfwRule;
}

/**
 * What has to change so that the wanted subnets, and nobody else, reach the Redis ports, while SSH stays open. Pure,
 * and empty when applied to its own result.
 *
 * - SSH is only touched where it would close: an operator's narrower rules for it stay, and get the live peer beside
 *   them if they do not let it in.
 * - An operator's rule that opens nothing but Redis ports, and more widely than wanted, is removed. One that opens
 *   other ports as well (a whole network, a range, a list, a profile, an unreadable rule) stays for those: a deny of
 *   the Redis port is put ahead of it, behind the rules for the wanted subnets.
 * - Rules for the wanted subnets go ahead of whatever denies them. A deny of a part of such a subnet, a banned host
 *   say, keeps its effect; the notes name it.
 * - All other rules keep their text and their order.
 */
export function planFirewall(state: FirewallState, wanted: WantedFirewall): FirewallPlan {
  const problems = inputProblems(state, wanted);
  const allowed = wanted.allow.flatMap((subnet) => normalizeSubnet(subnet)?.subnet ?? []);
  if (problems.length > 0) {
    return { rules4: state.rules4, rules6: state.rules6, changes: [], problems, notes: [] };
  }

  const families = ([4, 6] as const).map((family) => {
    const file = family === 4 ? state.rules4 : state.rules6;
    if (family === 6 && !state.ipv6Enabled) return { file, steps: [], notes: [], problems: [] };
    const plan = new FamilyPlan(family, state, wanted, allowed);
    plan.openSsh();
    plan.removeWideRules();
    plan.denyBehindAllows();
    plan.allowSubnets();
    const entries = plan.steps.length === 0 ? file.entries : plan.entries;
    return { file: { ...file, entries }, steps: plan.steps, notes: plan.notes, problems: plan.selfCheck() };
  });
  const [v4, v6] = families as [(typeof families)[0], (typeof families)[0]];

  const lockoutRisk = findLockout(state, wanted, [...v4.file.entries, ...v6.file.entries]);
  return {
    rules4: v4.file,
    rules6: v6.file,
    changes: [...mergeFamilies(v4.steps, v6.steps), ...statusChanges(state, wanted)],
    ...(state.defaultIncoming === wanted.default
      ? {}
      : { defaultPolicy: { before: state.defaultIncoming, after: wanted.default } }),
    ...(lockoutRisk === undefined ? {} : { lockoutRisk }),
    ...(leavesOnlyPeer(state, wanted, [...v4.file.entries, ...v6.file.entries])
      ? {
          onlyPeer: `SSH on port ${wanted.ssh.peer.port} would be open to you alone, who come from ${wanted.ssh.peer.address}`,
        }
      : {}),
    problems: [...v4.problems, ...v6.problems, ...(lockoutRisk === undefined ? [] : [lockoutRisk])],
    notes: [...new Set([...v4.notes, ...v6.notes])],
  };
}

/**
 * The ports, out of those that other services listen on, that someone reaches now and nobody would reach with the
 * plan carried out. `port` with its protocol counts once for both families.
 */
export function portsCutOff(
  state: FirewallState,
  plan: FirewallPlan,
  wanted: WantedFirewall,
  listeners: readonly { protocol: "tcp" | "udp"; port: number }[],
): { protocol: "tcp" | "udp"; port: number }[] {
  // With IPV6=no nothing passes over IPv6, whatever user6.rules says.
  const inForce = (v4: UfwRulesFile, v6: UfwRulesFile) => [
    ...v4.entries,
    ...(state.ipv6Enabled ? v6.entries : []),
  ];
  const before = inForce(state.rules4, state.rules6);
  const after = inForce(plan.rules4, plan.rules6);
  return listeners.filter(
    ({ port, protocol }) =>
      (!state.active || openings(before, state.defaultIncoming, port, protocol).length > 0) &&
      openings(after, wanted.default, port, protocol).length === 0,
  );
}

/** Ordinary hosts take two. What is open after that, the plan's own check finds. */
const MAX_ROUNDS = 20;

class FamilyPlan {
  entries: UfwEntry[];
  readonly steps: Step[] = [];
  readonly notes: string[] = [];
  private readonly observed: ReadonlySet<UfwEntry>;
  private readonly family: Family;
  private readonly state: FirewallState;
  private readonly wanted: WantedFirewall;
  private readonly subnets: readonly string[];

  constructor(family: Family, state: FirewallState, wanted: WantedFirewall, allowed: readonly string[]) {
    this.family = family;
    this.state = state;
    this.wanted = wanted;
    this.entries = [...(family === 4 ? state.rules4 : state.rules6).entries];
    this.observed = new Set(this.entries);
    this.subnets = allowed.filter((subnet) => familyOf(subnet) === family);
  }

  openSsh(): void {
    const { peer } = this.wanted.ssh;
    const packet = peerPacket(this.wanted);
    const isPeers = familyOf(packet.source) === this.family && !isLoopback(packet.source);
    for (const port of sshPorts(this.wanted)) {
      if (isPeers && port === peer.port) this.letPeerIn(packet);
      else this.keepSshOpen(port);
    }
  }

  /** Takes out the rules that open nothing but Redis ports, to more than the wanted subnets. */
  removeWideRules(): void {
    const { redisPorts, leftPorts = [] } = this.wanted;
    const ports = [
      ...redisPorts.map((port) => ({ port, subnets: this.subnets })),
      ...leftPorts.map((port) => ({ port, subnets: [] })),
    ];
    // What one port's rule covered for another, or a profile's, comes to light the next time.
    for (let round = 0, before = -1; round < MAX_ROUNDS && before !== this.entries.length; round++) {
      before = this.entries.length;
      for (const { port, subnets } of ports) this.removeWide(port, subnets);
    }
  }

  private removeWide(port: number, subnets: readonly string[]): void {
    const profiles = Map.groupBy(
      this.entries.filter((entry) => entry.kind === "rule"),
      profileKey,
    );
    const removed = new Set<UfwEntry>();
    sweep(this.entries, this.wanted.default, { family: this.family, port }, (opening) => {
      const { rule } = opening;
      if (rule === "default" || rule.kind === "unknown" || beyond(opening, subnets).length === 0) return true;
      if (removed.has(rule)) return false;
      const key = profileKey(rule);
      const members = key === undefined ? [rule] : (profiles.get(key) ?? [rule]);
      if (!members.every((member) => this.opensOnlyRedis(member))) return true;
      for (const member of members) removed.add(member);
      this.steps.push({
        phase: "remove",
        rule,
        action: "delete",
        before: describeRule(rule),
        after: null,
        reason: "it opens a Redis port more widely than the playbook allows",
      });
      return false;
    });
    this.entries = this.entries.filter((entry) => !removed.has(entry));
  }

  /** Where a rule that must stay opens a Redis port, denies that port ahead of it. */
  denyBehindAllows(): void {
    for (const port of this.wanted.redisPorts) {
      const wide = this.wideOpenings(port)[0];
      if (wide === undefined) continue;
      const deny = makeRule({
        family: this.family,
        action: "deny",
        protocol: "tcp",
        destinationPorts: `${port}`,
      });
      this.place(
        "deny",
        deny,
        this.entries.indexOf(wide),
        `"${describeEntry(wide)}" opens more than Redis, so it stays`,
      );
    }
  }

  /** Lets each wanted subnet in to each Redis port, ahead of the first entry that would turn it away. */
  allowSubnets(): void {
    for (const port of this.wanted.redisPorts) {
      for (const source of this.subnets) {
        const { isReached, blockedAt, exceptions } = reach(this.entries, source, port);
        for (const rule of exceptions) {
          this.notes.push(`${source} may reach port ${port} but for what "${describeRule(rule)}" turns away`);
        }
        if (isReached) continue;
        const fields = { family: this.family, protocol: "tcp", destinationPorts: `${port}`, source };
        this.place("allow", makeRule({ ...fields, action: "allow" }), blockedAt, "the playbook allows it");
      }
    }
  }

  /** What the finished rules still get wrong, in sentences. */
  selfCheck(): string[] {
    const problems: string[] = [];
    for (const port of this.wanted.redisPorts) {
      for (const source of this.subnets) {
        if (!reach(this.entries, source, port).isReached)
          problems.push(`${source} would not reach port ${port}`);
      }
      for (const wide of this.wideOpenings(port)) {
        problems.push(`port ${port} would stay open to others through "${describeEntry(wide)}"`);
      }
    }
    return problems;
  }

  private letPeerIn(packet: ReturnType<typeof peerPacket>): void {
    if (isAllowed(this.entries, this.wanted.default, packet)) return;
    const port = packet.destinationPort;
    const blocker = this.entries.findIndex((entry) => !isAllowed([entry], "allow", packet));
    const at = blocker < 0 ? this.entries.length : blocker;
    // Where no rule speaks of SSH it is opened as everybody does; where the operator keeps it narrow, so do we.
    const isNarrow = this.isOpen(this.entries, port) || this.entries[blocker]?.kind === "rule";
    // A rule against the peer alone says nothing about others, who come by the same port.
    if (isNarrow) this.keepSshOpen(port);
    const rule = isNarrow ? this.sshRule(port, packet.source) : this.sshRule(port);
    if (isNarrow && !this.state.active) {
      this.notes.push(
        `SSH on port ${port} opens to what the host's rules allow, and to ${packet.source}, only`,
      );
    }
    this.place("ssh", rule, at, `so that SSH stays open (you come from ${packet.source})`);
  }

  /** Opens an SSH port that this plan would otherwise close to everyone. */
  private keepSshOpen(port: number): void {
    const wasOpen = !this.state.active || this.isOpen(this.entries, port, this.state.defaultIncoming);
    if (!wasOpen || this.isOpen(this.entries, port)) return;
    const rule = this.sshRule(port);
    if (this.isOpen([...this.entries, rule], port)) {
      const unreadable = this.entries.findIndex(
        (entry) => entry.kind === "unknown" && concernsPort(entry, port),
      );
      this.place("ssh", rule, unreadable < 0 ? this.entries.length : unreadable, "so that SSH stays open");
    } else {
      this.notes.push(`SSH on port ${port} is closed over IPv${this.family} by a rule of the host`);
    }
  }

  /** Whether a rule that can be read, or the policy, lets anyone reach a port. */
  private isOpen(
    entries: readonly UfwEntry[],
    port: number,
    policy: DefaultPolicy = this.wanted.default,
  ): boolean {
    return openings(entries, policy, port).some(
      ({ family, rule }) => family === this.family && (rule === "default" || rule.kind === "rule"),
    );
  }

  private sshRule(port: number, source?: string): UfwRule {
    const fields = { family: this.family, protocol: "tcp", destinationPorts: `${port}` };
    return makeRule({ ...fields, action: "allow", ...(source === undefined ? {} : { source }) });
  }

  /** Entries that let others than the wanted subnets reach a port, in order. */
  private wideOpenings(port: number): UfwEntry[] {
    return strangers(this.entries, this.wanted.default, port, this.subnets).flatMap(({ family, rule }) =>
      rule === "default" || family !== this.family ? [] : [rule],
    );
  }

  private opensOnlyRedis(rule: UfwRule): boolean {
    if (rule.destinationPorts === "any") return false;
    return rule.destinationPorts.split(",").every((part) => {
      const [low = 0, high = low] = part.split(":").map(Number);
      const ours = [...this.wanted.redisPorts, ...(this.wanted.leftPorts ?? [])];
      const inside = new Set(ours.filter((port) => includesPort(part, port)));
      return inside.size === high - low + 1;
    });
  }

  /** Puts a rule at an index of the present entries. ufw knows one rule of a key, so an old one moves or is replaced. */
  private place(phase: Phase, rule: UfwRule, index: number, reason: string): void {
    const key = ruleKey(rule);
    const old = this.entries.filter((entry) => entry.kind === "rule").find((entry) => ruleKey(entry) === key);
    const at = this.beforeProfile(index);
    const [ahead, behind] = [this.entries.slice(0, at), this.entries.slice(at)];
    const keepsOld = old !== undefined && isDeny(old) === isDeny(rule);
    const placed = keepsOld ? old : rule;
    const withoutOld = (entries: readonly UfwEntry[]) => entries.filter((entry) => entry !== old);
    this.entries = [...withoutOld(ahead), placed, ...withoutOld(behind)];

    if (keepsOld) {
      // A deny that this plan put there is nothing the operator knows: name the rule that was passed on the host.
      const passed = behind.find((entry) => this.observed.has(entry) && entry !== old);
      const mark = passed === undefined ? "the end" : `"${describeEntry(passed)}"`;
      const [before, after] = [`behind ${mark}`, `ahead of ${mark}`];
      this.steps.push({ phase, rule: placed, action: "update", before, after, reason });
    } else {
      const before = old === undefined ? null : describeRule(old);
      const action = old === undefined ? "create" : "update";
      this.steps.push({ phase, rule, action, before, after: describeRule(rule), reason });
    }
  }

  /** ufw never puts a rule between those of one profile. */
  private beforeProfile(index: number): number {
    const keyAt = (i: number) => {
      const entry = this.entries[i];
      return entry?.kind === "rule" ? profileKey(entry) : undefined;
    };
    let at = index;
    while (at > 0 && keyAt(at) !== undefined && keyAt(at) === keyAt(at - 1)) at--;
    return at;
  }
}

/** The rules that one `ufw allow PROFILE` made have the same: ufw shows and deletes them as one. */
function profileKey(rule: UfwRule): string | undefined {
  const { destinationApp, sourceApp, destination, source, direction, interfaceIn, interfaceOut, route } =
    rule;
  if (destinationApp === "" && sourceApp === "") return undefined;
  const ends = [destinationApp, destination, sourceApp, source];
  const ports = [
    destinationApp === "" ? rule.destinationPorts : "",
    sourceApp === "" ? rule.sourcePorts : "",
  ];
  return JSON.stringify([...ends, ...ports, direction, interfaceIn, interfaceOut, route]);
}

const sshPorts = ({ ssh }: WantedFirewall): Set<number> => new Set([ssh.peer.port, ...ssh.ports]);

function peerPacket({ ssh: { peer } }: WantedFirewall) {
  const { address, zone } = splitZone(peer.address);
  const source = normalizeAddress(address) ?? "";
  const destination = normalizeAddress(splitZone(peer.destination ?? "").address);
  return {
    protocol: "tcp" as const,
    source,
    destination,
    destinationPort: peer.port,
    interface: peer.interface ?? zone,
  };
}

function inputProblems(state: FirewallState, wanted: WantedFirewall): string[] {
  const { ssh, redisPorts, allow } = wanted;
  const files = [
    ["user.rules", state.rules4] as const,
    ...(state.ipv6Enabled ? [["user6.rules", state.rules6] as const] : []),
  ];
  return [
    ...files.flatMap(([name, file]) => file.problems.map((problem) => `/etc/ufw/${name}: ${problem}`)),
    ...allow
      .filter((subnet) => normalizeSubnet(subnet) === undefined)
      .map(
        (subnet) => `should be an address or a subnet such as 10.0.0.0/24, found ${JSON.stringify(subnet)}`,
      ),
    ...(state.ipv6Enabled ? [] : allow.filter((subnet) => familyOf(subnet) === 6)).map(
      (subnet) => `${subnet} cannot be let in: ufw has IPV6=no in /etc/default/ufw and drops all IPv6`,
    ),
    ...redisPorts
      .filter((port) => sshPorts(wanted).has(port))
      .map((port) => `port ${port} is sshd's: it cannot be closed to others as a Redis port`),
    ...(normalizeAddress(splitZone(ssh.peer.address).address) === undefined
      ? [`the address of the SSH session cannot be read: ${JSON.stringify(ssh.peer.address)}`]
      : []),
  ];
}

function findLockout(
  state: FirewallState,
  wanted: WantedFirewall,
  entries: readonly UfwEntry[],
): string | undefined {
  const packet = peerPacket(wanted);
  if (familyOf(packet.source) === 6 && !state.ipv6Enabled && !isLoopback(packet.source)) {
    return `the SSH session comes from ${packet.source}, and ufw has IPV6=no: it would drop all IPv6`;
  }
  if (isAllowed([...state.ahead, ...entries], wanted.default, packet)) return undefined;
  const text = `${packet.source} could not log in again on port ${packet.destinationPort}`;
  const blocker = state.ahead.find((entry) => !isAllowed([entry], "allow", packet));
  if (blocker === undefined) return text;
  return `${text}: /etc/ufw/before${blocker.family === 4 ? "" : "6"}.rules has "${describeEntry(blocker)}"`;
}

/** Whether SSH, open to everybody while ufw is off, would let nobody but the live peer in once it is on. */
function leavesOnlyPeer(state: FirewallState, wanted: WantedFirewall, entries: readonly UfwEntry[]): boolean {
  const { source, destination, destinationPort } = peerPacket(wanted);
  if (state.active || isLoopback(source)) return false;
  const way = { protocol: "tcp" as const, destination, destinationPort, sourcePort: EPHEMERAL_PORT };
  // What others would meet who come the same way: rules for it hold for them, rules for other ways do not.
  const met = entries.flatMap((entry): UfwEntry[] => {
    if (!concernsPort(entry, destinationPort)) return [];
    if (entry.kind === "unknown") return [entry];
    if (`${entry.interfaceIn}${entry.sourcePorts}` === "any" && isAnywhere(entry.destination)) return [entry];
    const packet = { ...way, source: anyOf(entry.source), interface: wanted.ssh.peer.nextTo };
    const anywhere = { ...entry, source: entry.family === 4 ? "0.0.0.0/0" : "::/0" };
    if (evaluate([{ ...anywhere, action: "allow" }], "deny", packet).verdict !== "allow") return [];
    return [{ ...entry, interfaceIn: "", destination: anywhere.source, sourcePorts: "any" }];
  });
  const others = openings(met, wanted.default, destinationPort)
    .filter(({ family }) => family === familyOf(source))
    .flatMap(({ sources }) => subtract(sources, [rangeOf(source)]));
  return others.length === 0;
}

/** One of those that clients come from. */
const EPHEMERAL_PORT = 50_000;

const anyOf = (subnet: string): string => subnet.replace(/\/.*/, "");

/** A rule for any address stands in both files and is one rule to ufw's users; so it is one change. */
function mergeFamilies(v4: readonly Step[], v6: readonly Step[]): FirewallChange[] {
  const text = ({ rule, action, before, after }: Step) =>
    JSON.stringify([describeRule(rule, { comment: false }), action, before, after]);
  const inV4 = new Set(v4.map(text));
  const only6 = v6.filter((step) => !inV4.has(text(step)));
  const steps = [...v4, ...only6].sort((a, b) => PHASES.indexOf(a.phase) - PHASES.indexOf(b.phase));
  return steps.map(({ rule, action, before, after, reason }) => {
    const isForAll = isAnywhere(rule.source) && isAnywhere(rule.destination);
    const suffix = rule.family === 6 && isForAll ? " (v6)" : "";
    const address = `ufw:${describeRule(rule, { comment: false })}${suffix}`;
    return { address, action, before, after, reason };
  });
}

function statusChanges(state: FirewallState, wanted: WantedFirewall): FirewallChange[] {
  const changes: FirewallChange[] = [];
  if (state.defaultIncoming !== wanted.default) {
    const [before, after] = [state.defaultIncoming, wanted.default];
    const reason = "what no rule allows stays out";
    changes.push({ address: "ufw:default incoming", action: "update", before, after, reason });
  }
  if (!state.active) {
    const reason = "rules protect nothing while the firewall is off";
    changes.push({ address: "ufw:status", action: "update", before: "inactive", after: "active", reason });
  }
  return changes;
}
