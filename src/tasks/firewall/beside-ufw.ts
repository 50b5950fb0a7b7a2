import { reach } from "../../firewall/evaluate.ts";
import { forwarders } from "../../firewall/foreign.ts";
import { parseKernelRules } from "../../firewall/kernel-rules.ts";
import type { RuleName } from "../../firewall/packets.ts";
import { networksPassage, strangersPassage } from "../../firewall/reachability.ts";
import { family as familyOf, isLoopback } from "../../lib/network.ts";
import { type Findings, isIpv6Dropped, isUfws, tell } from "./findings.ts";
import { allowedSubnets, type Context } from "./parameters.ts";
import { redisPorts } from "./state.ts";

/** What rules beside ufw's own do, in both families: let others reach Redis, or keep out who may. */
export function pastFindings(context: Context): Findings {
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
