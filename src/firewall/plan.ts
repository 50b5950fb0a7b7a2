import type { DefaultPolicy } from "./evaluate.ts";
import type { UfwEntry, UfwRulesFile } from "./ufw-rules.ts";

/** ufw on a host, as observed. */
export interface FirewallState {
  /** Whether the rules are in the kernel (`ufw status`), not whether ufw.conf says so. */
  active: boolean;
  /** `IPV6=` of /etc/default/ufw. With "no" an active ufw drops all IPv6, and does not read user6.rules. */
  ipv6Enabled: boolean;
  defaultIncoming: DefaultPolicy;
  rules4: UfwRulesFile;
  rules6: UfwRulesFile;
  /** What ufw will load ahead of the rules when it is switched on, for both families; empty where ufw is active. */
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
  /** Whether the kernel has the wanted policy, but /etc/default/ufw another one, which ufw's next start would load. */
  storedDefault?: "deny" | "reject";
  /** Set where nothing shows that the peer of the live session may log in again. Never apply such a plan. */
  lockoutRisk?: string;
  /** Set where the host's own rules, once switched on, leave SSH open to the live peer and to nobody else. */
  onlyPeer?: string;
  /** Why the plan cannot be carried out, in sentences; empty for a plan that passed its own check. */
  problems: string[];
  /** What stays as the operator has it although it narrows what the playbook allows. */
  notes: string[];
}
