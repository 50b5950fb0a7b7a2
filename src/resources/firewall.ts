import type { FirewallPlan } from "../firewall/plan.ts";
import { renderAnew, ruleSettings } from "../firewall/rules-anew.ts";
import { parseDefaults, renderRules, type UfwRulesFile } from "../firewall/ufw-rules.ts";
import type { ChangeRecord } from "../record/record.ts";
import type { Draft, Kind } from "./kind.ts";

declare module "./kind.ts" {
  interface Kinds {
    firewall: {
      wants: { plan: FirewallPlan };
      does: { firewall: FirewallAction | undefined };
    };
  }
}

interface FirewallAction {
  /** Switches ufw on; where it is on already the kernel's rules are replaced in one step for each family. */
  enable: boolean;
  /** ufw's files are as it would write them as it is switched on: its own loading at boot is all that is missing. */
  loadOnly: boolean;
  /** `ufw default deny incoming` or `reject`, where the policy has to change on an active firewall. */
  defaultPolicy: FirewallPlan["defaultPolicy"];
}

const DEFAULTS = "/etc/default/ufw";
const UFW_CONF = "/etc/ufw/ufw.conf";
const RULES = { 4: "/etc/ufw/user.rules", 6: "/etc/ufw/user6.rules" };

/**
 * ufw's rules, its policy, and that it is on. The rules themselves are worked out in src/firewall.
 *
 * The way back puts the old files into their places and loads them, or switches ufw off where it was off.
 */
export const firewall: Kind<"firewall"> = {
  differ: ({ plan }, draft) => {
    draft.effects.firewall = plan;
    if (plan.changes.length === 0) return [];
    const { firewall } = draft.facts;
    const enable = plan.changes.some(({ address }) => address === "ufw:status");
    const { defaultPolicy, storedDefault = enable ? defaultPolicy?.after : undefined } = plan;
    const defaults = withPolicy(firewall.defaults, storedDefault);
    // In the words in which ufw would write them as it is switched on. With IPV6=no nothing reads user6.rules.
    const settings = enable ? ruleSettings(firewall.ufwConf, defaults) : undefined;
    const render = (rules: UfwRulesFile, isRead = true) =>
      settings === undefined || !isRead ? renderRules(rules) : renderAnew(rules, settings);
    write(draft, RULES[4], render(plan.rules4), firewall.rules4, 0o640);
    write(draft, RULES[6], render(plan.rules6, parseDefaults(defaults).ipv6Enabled), firewall.rules6, 0o640);
    write(draft, DEFAULTS, defaults, firewall.defaults, 0o644);
    draft.actions.firewall = {
      enable,
      loadOnly: settings !== undefined && /^ENABLED=/m.test(firewall.ufwConf),
      defaultPolicy: enable ? undefined : defaultPolicy,
    };
    return plan.changes.map(ruleChange);
  },

  none: () => ({ firewall: undefined }),

  program: ({ firewall: action }, { facts }) => ({
    env: {
      FIREWALL: action === undefined ? "" : action.enable ? "enable" : "load",
      LOAD_ONLY: action?.loadOnly ? "1" : "",
      POLICY: action?.defaultPolicy?.after ?? "",
      OLD_POLICY: action?.defaultPolicy?.before ?? "",
      OLD_ENABLED: /^ENABLED=yes/im.test(facts.firewall.ufwConf) ? "yes" : "no",
      IPV6: /^IPV6="?yes"?/im.test(facts.firewall.defaults) ? "yes" : "no",
    },
    ...(action === undefined
      ? {}
      : {
          reliedPaths: [RULES[4], RULES[6], UFW_CONF, DEFAULTS],
          reliedFacts: facts.host.sshPorts.map((port) => `sshd port ${port}`),
        }),
  }),

  // ufw itself writes down that it is on. Its rules are files of the plan.
  writes: ({ firewall }) => (firewall === undefined ? [] : [UFW_CONF]),
};

function withPolicy(defaults: string, policy: FirewallPlan["storedDefault"]): string {
  if (policy === undefined) return defaults;
  const word = { deny: "DROP", reject: "REJECT" }[policy];
  return defaults.replace(/^DEFAULT_INPUT_POLICY=.*$/m, `DEFAULT_INPUT_POLICY="${word}"`);
}

function write({ actions }: Draft, path: string, text: string, before: string, mode: number): void {
  if (text === before) return;
  const attributes = { owner: "root", group: "root", mode };
  actions.files.push({ path, content: { text, secret: false }, attributes });
}

/** The address is the rule in ufw's own words; what is left to say of one that comes or goes is why. */
function ruleChange({
  address,
  action,
  before,
  after,
  reason,
}: FirewallPlan["changes"][number]): ChangeRecord {
  const why = action === "create" ? reason || after : reason === "" ? after : `${after} (${reason})`;
  return {
    address,
    action,
    before: action === "delete" ? reason || before : before,
    after: after === null ? null : why,
    restart: false,
  };
}
