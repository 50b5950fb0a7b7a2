import { foreignFirewalls } from "../firewall/foreign.ts";
import type { FirewallPlan, FirewallState } from "../firewall/plan.ts";
import { planFirewall } from "../firewall/plan-firewall.ts";
import { parseDefaults, shellValue } from "../firewall/ufw-rules.ts";
import { excerpt } from "../lib/secret.ts";
import { unmanagedCheck, unmanagedNotes } from "../verify/unmanaged-firewall.ts";
import { firewallChecks } from "./firewall/checks.ts";
import { kernelFindings } from "./firewall/findings.ts";
import { unmanagedOf, withoutUfwRefusal } from "./firewall/managers.ts";
import { otherPortRefusals, otherPorts, withKept, withRules } from "./firewall/other-ports.ts";
import { type Context, type Params, parameters, params } from "./firewall/parameters.ts";
import { refusals } from "./firewall/refusals.ts";
import { stateOf, wantedOf } from "./firewall/state.ts";
import { defineTask } from "./task.ts";

/** Where the playbook names no network: the one that the inventory does. */
export const APP_SUBNET = '<%= typeof app_subnet === "undefined" ? "" : app_subnet %>';

declare module "./task.ts" {
  interface TaskParams {
    firewall: Params;
  }
}

/** Only the application network reaches Redis, and SSH stays open. */
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
