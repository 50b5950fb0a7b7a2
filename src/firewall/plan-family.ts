import { type Family, family as familyOf, isLoopback } from "../lib/network.ts";
import {
  beyond,
  concernsPort,
  type DefaultPolicy,
  includesPort,
  isAllowed,
  isDeny,
  openings,
  reach,
  strangers,
  sweep,
} from "./evaluate.ts";
import { peerPacket, sshPorts } from "./lockout.ts";
import type { FirewallChange, FirewallState, WantedFirewall } from "./plan.ts";
import { describeEntry, describeRule, makeRule, ruleKey, type UfwEntry, type UfwRule } from "./ufw-rules.ts";

/** The order in which people read a plan: what opens comes before what closes. */
export const PHASES = ["ssh", "allow", "deny", "remove"] as const;
type Phase = (typeof PHASES)[number];

/** One step on the rules of one family. */
export interface Step extends Omit<FirewallChange, "address"> {
  phase: Phase;
  rule: UfwRule;
}

/** Ordinary hosts need two rounds. Where something is still open after so many, the plan's own check finds it. */
const MAX_ROUNDS = 20;

export class FamilyPlan {
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
    // A rule of one port or profile may have covered for another's: the next round finds it.
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
          this.notes.push(
            `${source} may reach port ${port} except for what "${describeRule(rule)}" turns away`,
          );
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
    // Where no rule speaks of SSH, open it to everybody, as is usual. Where the operator keeps it narrow, so do we.
    const isNarrow = this.isOpen(this.entries, port) || this.entries[blocker]?.kind === "rule";
    // A rule against the peer alone says nothing about others, who come by the same port.
    if (isNarrow) this.keepSshOpen(port);
    const rule = isNarrow ? this.sshRule(port, packet.source) : this.sshRule(port);
    if (isNarrow && !this.state.active) {
      this.notes.push(
        `SSH on port ${port} opens only to what the host's rules allow, and to ${packet.source}`,
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

  /** Puts a rule at an index of the present entries. ufw has one rule for a key, so an old one moves or is replaced. */
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
      // The operator does not know a deny that this plan added: name the rule of the host that was passed.
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
