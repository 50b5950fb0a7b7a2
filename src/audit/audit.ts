import type { FactName } from "../facts/probe.ts";
import { isSelected, type TagSelection } from "../lib/tags.ts";
import { CONTROLS, type Control, type ControlId } from "../verify/catalogue.ts";
import type { Check } from "../verify/controls.ts";
import { commandChecks } from "./commands.ts";
import type { AuditContext } from "./context.ts";
import { limitChecks } from "./limits.ts";
import { networkChecks } from "./network.ts";
import { systemChecks } from "./system.ts";
import { tlsChecks } from "./tls.ts";
import { topologyChecks } from "./topology.ts";
import { userChecks } from "./users.ts";

/** What the audit needs to know beside the facts that every probe has. */
export const AUDIT_FACTS: readonly FactName[] = ["firewall", "system", "sentinels", "others", "traces"];

/** The controls that no task owns, on any host: whatever the playbook asks for, these are looked at. */
export function auditChecks(context: AuditContext, selection: TagSelection): Check[] {
  return [networkChecks, userChecks, commandChecks, tlsChecks, systemChecks, limitChecks, topologyChecks]
    .flatMap((checks) => checks(context))
    .filter(({ control }) => isAudited(control, selection));
}

/** Whether `--tags` and `--skip-tags` leave a control in. */
export function isAudited(control: ControlId, selection: TagSelection): boolean {
  return isSelected(CONTROLS[control].tags, selection);
}

/** Every tag of a control. */
export function auditTags(): Set<string> {
  return new Set(Object.values<Control>(CONTROLS).flatMap(({ tags }) => tags));
}
