import { family as familyOf, normalizeAddress, normalizeSubnet, splitZone } from "../lib/network.ts";
import { openings } from "./evaluate.ts";
import { findLockout, leavesOnlyPeer, sshPorts } from "./lockout.ts";
import type { FirewallChange, FirewallPlan, FirewallState, WantedFirewall } from "./plan.ts";
import { FamilyPlan, PHASES, type Step } from "./plan-family.ts";
import { describeRule, isAnywhere, type UfwRulesFile } from "./ufw-rules.ts";

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

  const planned = (family: 4 | 6) => {
    const file = family === 4 ? state.rules4 : state.rules6;
    if (family === 6 && !state.ipv6Enabled) return { file, steps: [], notes: [], problems: [] };
    const plan = new FamilyPlan(family, state, wanted, allowed);
    plan.openSsh();
    plan.removeWideRules();
    plan.denyBehindAllows();
    plan.allowSubnets();
    const entries = plan.steps.length === 0 ? file.entries : plan.entries;
    return { file: { ...file, entries }, steps: plan.steps, notes: plan.notes, problems: plan.selfCheck() };
  };
  const [v4, v6] = [planned(4), planned(6)];

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
