import { isAllowed, reach } from "../../firewall/evaluate.ts";
import { judgeRules, keptOutText } from "../../firewall/judged.ts";
import { parseKernelRules } from "../../firewall/kernel-rules.ts";
import type { RuleName } from "../../firewall/packets.ts";
import { networksPassage, strangersPassage } from "../../firewall/reachability.ts";
import { parseDefaults } from "../../firewall/ufw-rules.ts";
import { type Passage, verdictOf } from "../../firewall/walk/passage.ts";
import { family as familyOf, rangeOf, sameAddress, splitZone } from "../../lib/network.ts";
import { allowedSubnets, type Context } from "./parameters.ts";
import { redisPorts } from "./state.ts";

export interface Findings {
  /** In sentences. */
  wrong: string[];
  /** What could not be told, with the rule that leaves it open. */
  unclear: string[];
}

/**
 * What the kernel does otherwise than wanted with packets of one family by ufw's own rules: files say only what will be loaded.
 * What rules beside them let in is `pastFindings`'.
 */
export function kernelFindings(context: Context, family: 4 | 6): Findings {
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
export function tell(passage: Passage, who: string, port: number, { wrong, unclear }: Findings): void {
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
export function withoutUfw({ facts, params, config }: Context, families: readonly (4 | 6)[]): Findings {
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
export function isUfws({ chain, isPolicy }: RuleName): boolean {
  return isPolicy
    ? /^INPUT$/.test(chain)
    : /^ufw6?-(?:user-(?:input|limit|limit-accept|logging-input)|skip-to-policy-input)$/.test(chain);
}

/** With IPV6=no an enabled ufw drops all of it that others' rules do not let in, and loads no rule of its own. */
export function isIpv6Dropped(defaults: string, kernel6: string): boolean {
  return (
    !parseDefaults(defaults).ipv6Enabled &&
    /^:INPUT DROP/m.test(kernel6) &&
    !parseKernelRules(kernel6, 6).active
  );
}
