import { everybodyIn } from "../../firewall/everybody.ts";
import { parseKernelRules } from "../../firewall/kernel-rules.ts";
import type { FirewallPlan, FirewallState, WantedFirewall } from "../../firewall/plan.ts";
import { describeEntry } from "../../firewall/ufw-rules.ts";
import { isLoopback } from "../../lib/network.ts";
import type { Refusal } from "../../resources/kind.ts";
import { leftTo, managerAt } from "./managers.ts";
import { type Context, inShort } from "./parameters.ts";
import { boundOf } from "./state.ts";

export function* refusals(
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
      remedy: "write it as a ufw rule, or move it to before.rules",
    };
  }
  if (onlyPeer !== undefined) {
    yield {
      guard: "ssh-peer-only",
      found: `${onlyPeer}: the host's own rules, switched off until now, turn everybody else away`,
      remedy:
        "allow everybody else who uses SSH in ufw, or delete the rule that denies them (ufw show added)",
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
