import { z } from "zod";
import { daysBetween, isDay } from "../lib/day.ts";
import type { AllowedRecord, CheckRecord, HostRecord } from "../record/record.ts";
import type { ControlId } from "./catalogue.ts";

/*
 * Weakenings that the playbook asks for. A parameter whose value leaves the demand of a control unmet stands in its task's
 * table, and its check says what the demand is: then the outcome is `skip` while the host is as the playbook asks, never `pass`.
 * `NAME_until` beside the parameter names the first day on which it is a failure all the same.
 */

/** A weakening that a playbook asks for. */
export interface Allowance {
  /** As the playbook says it: `tls.plain_port: 6379`. */
  parameter: string;
  /** The controls whose demand it leaves unmet. */
  controls: readonly ControlId[];
  /** The first day, `YYYY-MM-DD` UTC, on which it is a failure. */
  until?: string;
}

/** How one parameter can weaken. */
export interface Weakening<P> {
  /** Where it depends on the value which they are, those of a value that weakens. */
  controls: readonly ControlId[] | ((params: P) => readonly ControlId[]);
  /** What of its value weakens, in the playbook's words; undefined where nothing does. */
  weak: (params: P) => string | undefined;
}

/** What a check is told of a parameter that may leave its control's demand unmet. */
export interface Allows {
  /** Undefined where the parameter does not weaken. */
  by: Allowance | undefined;
  /** What the control demands, whatever the playbook says. */
  demand: string;
  /** Whether the host meets the demand although the playbook does not ask for it. */
  isMet?: boolean;
}

type Untils<K extends string> = { [N in `${K}_until`]: z.ZodOptional<z.ZodString> };

/** The parameters of a task, or of a part of them, with the table of those that can weaken. */
export interface Weakenable<S extends z.ZodRawShape, K extends string> {
  /** With `NAME_until` for each entry of the table. */
  schema: ReturnType<typeof z.strictObject<S & Untils<K>>>;
  /** Whether, and until when, the parameter weakens. `at` is where it stands: `tls`, `acl.users[app]`. */
  by(name: K, params: z.output<z.ZodObject<S>>, at: string): Allowance | undefined;
  /** All that weaken. */
  all(params: z.output<z.ZodObject<S>>, at: string): Allowance[];
}

const day = z.string().refine((text) => text === "" || isDay(text), {
  error: "should be a date such as 2027-03-31, the first day on which it is a failure",
});

/**
 * A strict object of parameters, `table` naming those that can weaken a control. A `NAME_until` beside a value that weakens
 * nothing is an error; empty, as a template may render it, it is left out.
 */
export function weakenable<S extends z.ZodRawShape, K extends Extract<keyof S, string>>(
  shape: S,
  table: Record<K, Weakening<z.output<z.ZodObject<S>>>>,
): Weakenable<S, K> {
  const names = Object.keys(table) as K[];
  const untilOf = (name: K, params: object): string | undefined =>
    (Reflect.get(params, `${name}_until`) as string | undefined) || undefined;
  const untils = Object.fromEntries(names.map((name) => [`${name}_until`, day.optional()]));
  const schema = z.strictObject({ ...shape, ...untils } as S & Untils<K>).superRefine((params, issue) => {
    for (const name of names) {
      if (untilOf(name, params) === undefined) continue;
      if (table[name].weak(params as z.output<z.ZodObject<S>>) !== undefined) continue;
      const message = `should be left out: ${name} weakens nothing here that could end`;
      issue.addIssue({ code: "custom", path: [`${name}_until`], message });
    }
  });
  const by: Weakenable<S, K>["by"] = (name, params, at) => {
    const { weak, controls } = table[name];
    const value = weak(params);
    if (value === undefined) return undefined;
    const until = untilOf(name, params);
    return {
      parameter: `${at}.${name}: ${value}`,
      controls: typeof controls === "function" ? controls(params) : controls,
      ...(until === undefined ? {} : { until }),
    };
  };
  return {
    schema,
    by,
    all: (params, at) => names.flatMap((name) => by(name, params, at) ?? []),
  };
}

/** From so many days before its end on, a weakening is announced. */
const ENDING_DAYS = 30;

/** The reason why a demand is unmet, as every report tells it; `state` is that of `today` (`YYYY-MM-DD`, UTC). */
function judgeUntil(until: string | undefined, today: string): Pick<AllowedRecord, "state" | "reason"> {
  if (until === undefined) return { state: "open", reason: "allowed by the playbook" };
  const days = daysBetween(today, until);
  if (days <= 0) return { state: "ended", reason: `was allowed by the playbook until ${until}` };
  const left = days === 1 ? "in 1 day" : `in ${days} days`;
  return {
    state: days <= ENDING_DAYS ? "ending" : "open",
    reason: `allowed by the playbook until ${until}, ${left}`,
  };
}

/**
 * A host's record as `today` has it: what the playbook allows and whose day has come fails. Tasks and commit read no clock, so
 * that no host is put back for a date.
 */
export function endAllowed(host: HostRecord, today: string): HostRecord {
  const { allowed, checks } = host;
  if (allowed === undefined && !checks.some((check) => check.allowed !== undefined)) return host;
  return {
    ...host,
    checks: checks.map((check) => endCheck(check, today)),
    ...(allowed === undefined
      ? {}
      : { allowed: allowed.map((one) => ({ ...one, ...judgeUntil(one.until, today) })) }),
  };
}

function endCheck(check: CheckRecord, today: string): CheckRecord {
  if (check.allowed === undefined) return check;
  const { state, reason } = judgeUntil(check.allowed.until, today);
  return {
    ...check,
    outcome: state === "ended" && check.outcome === "skip" ? "fail" : check.outcome,
    allowed: { ...check.allowed, reason },
  };
}

/** What a host's tasks allow, for its record; `endAllowed` says what of it has ended. */
export function allowedRecords(allowances: readonly Allowance[]): AllowedRecord[] {
  return allowances.map(({ parameter, controls, until }) => ({
    parameter,
    controls: [...controls],
    state: "open",
    reason: "allowed by the playbook",
    ...(until === undefined ? {} : { until }),
  }));
}
