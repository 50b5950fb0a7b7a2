import { everybodyIn } from "../../firewall/everybody.ts";
import { foreignFirewalls } from "../../firewall/foreign.ts";
import { family as familyOf } from "../../lib/network.ts";
import type { Allows } from "../../verify/allowance.ts";
import { type Check, check, type Verdict } from "../../verify/controls.ts";
import { pastFindings } from "./beside-ufw.ts";
import { type Findings, isIpv6Dropped, kernelFindings, withoutUfw } from "./findings.ts";
import { filesFindings } from "./next-start.ts";
import { allowedSubnets, type Context, parameters } from "./parameters.ts";

/** Whether only the allowed networks reach Redis: now, past ufw, and after its next start. */
export function firewallChecks(context: Context): Check[] {
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
export const verdict = ({ wrong, unclear }: Findings): Verdict =>
  wrong.length > 0 ? false : unclear.length === 0 || { outcome: "unknown" };
