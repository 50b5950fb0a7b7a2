import type { HostFacts } from "../facts/probe.ts";
import type { Server } from "../redis/server.ts";
import type { TaskParams } from "../tasks/task.ts";
import { type Check, type ControlId, check, noLogin } from "../verify/controls.ts";

/** What the controls that no task owns may look at. */
export interface AuditContext {
  facts: HostFacts;
  server: Server;
  /** Parameters of the playbook's selected tasks. */
  tasks: Partial<TaskParams>;
  /** Units of other servers on the same machine that are hosts of the inventory themselves. */
  neighbours?: readonly string[];
  /** What of `HostTasks` has this name: where the application comes from, and no firewall task applies. */
  networks?: readonly string[] | undefined;
  /** The unit that puts back what nobody confirmed, as redkeep writes it for this host. */
  recoverUnit?: string;
}

/** A control that does not apply to this host, with the reason. */
export function notApplicable(control: ControlId, expected: string, observed: string, source: string): Check {
  return check(control, { expected, observed, source, isAdvisory: true }, { outcome: "skip" });
}

/**
 * A control that applies and has no verdict: `untold` where nothing here tells whether it holds, `reported` where the operator
 * has to judge what was found.
 */
export function notJudged(
  control: ControlId,
  skipped: "untold" | "reported",
  texts: { expected: string; observed: string; source: string },
): Check {
  return check(control, { ...texts, isAdvisory: true }, { outcome: "skip", skipped });
}

/** A finding of the audit: it never rolls a host back. */
export function found(
  control: ControlId,
  texts: { expected: string; observed: string; source: string; witness?: "server" },
  verdict: boolean | { outcome: "unknown"; blockedBy?: "rights" },
): Check {
  return check(control, { ...texts, isAdvisory: true }, verdict);
}

export function withoutLogin(
  { facts }: AuditContext,
  control: ControlId,
  expected: string,
  source: string,
): Check {
  return noLogin(control, expected, source, facts.redis.loginError ?? "the server does not answer");
}

/**
 * Whether the running value of a setting is sound, and the one that the file brings at the next start. A setting that
 * this version does not have does not apply.
 */
export function soundSetting(
  context: AuditContext,
  control: ControlId,
  setting: string,
  expected: string,
  isSound: (value: string) => boolean,
): Check {
  const { server } = context;
  const source = `CONFIG GET ${setting}`;
  const { running } = server;
  if (running === undefined) return withoutLogin(context, control, expected, source);
  const value = running.get(setting);
  if (value === undefined)
    return notApplicable(control, expected, `${server.version.name} has no ${setting}`, source);
  const inFile = server.config.get(setting)?.join(" ");
  const isLost = inFile !== undefined && !isSound(inFile);
  const observed = `${setting} ${value || '""'}${isLost && inFile !== value ? `, and ${inFile || '""'} in the file` : ""}`;
  return found(control, { expected, observed, source }, isSound(value) && !isLost);
}
