import type { FactName } from "../facts/probe.ts";
import { isSelected, type TagSelection } from "../playbook/tags.ts";
import { commandChecks } from "./audit/commands.ts";
import type { AuditContext } from "./audit/context.ts";
import { limitChecks } from "./audit/limits.ts";
import { networkChecks } from "./audit/network.ts";
import { systemChecks } from "./audit/system.ts";
import { tlsChecks } from "./audit/tls.ts";
import { topologyChecks } from "./audit/topology.ts";
import { userChecks } from "./audit/users.ts";
import { CONTROLS, type Control, type ControlId } from "./catalogue.ts";
import type { Check } from "./controls.ts";

/** What the audit needs to know beside the facts that every probe has. */
export const AUDIT_FACTS: readonly FactName[] = ["firewall", "system", "sentinels", "others"];

/** The controls that no task owns, on any host: whatever the playbook asks for, these are looked at. */
export function auditChecks(context: AuditContext, selection: TagSelection): Check[] {
  return [networkChecks, userChecks, commandChecks, tlsChecks, systemChecks, limitChecks, topologyChecks]
    .flatMap((checks) => checks(context))
    .filter(({ control }) => isAudited(control as ControlId, selection));
}

/** Whether `--tags` and `--skip-tags` leave a control in. */
export function isAudited(control: ControlId, selection: TagSelection): boolean {
  return isSelected(CONTROLS[control].tags, selection);
}

/** Every tag of a control. */
export function auditTags(): Set<string> {
  return new Set(Object.values<Control>(CONTROLS).flatMap(({ tags }) => tags));
}
