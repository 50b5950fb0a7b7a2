import type { CheckRecord } from "../record/record.ts";
import type { Outcome } from "../record/statuses.ts";
import type { Allowance, Allows } from "./allowance.ts";
import { CONTROLS, type Control, type ControlId } from "./catalogue.ts";

export type { ControlId };

/** A check's outcome before it goes into the record. */
export interface Check extends CheckRecord {
  control: ControlId;
  isAdvisory: boolean;
}

/** What the catalogue says of a control; undefined for one of a record that another version made. */
export function controlOf(id: string): Control | undefined {
  return Object.hasOwn(CONTROLS, id) ? CONTROLS[id as ControlId] : undefined;
}

/** Every control by its id. */
export const CONTROL_IDS: readonly string[] = Object.keys(CONTROLS);

/** `pass` as a boolean, or that it could not be told, and whether more access would have told it, or why it is skipped. */
export type Verdict =
  | boolean
  | {
      outcome: Extract<Outcome, "skip" | "unknown">;
      blockedBy?: NonNullable<CheckRecord["blockedBy"]>;
      skipped?: NonNullable<CheckRecord["skipped"]>;
    };

/**
 * One observation against one control. Texts are for people and never hold a secret.
 *
 * `isAdvisory` marks what the task leaves alone on purpose, such as a user that it keeps: a failure is reported, but
 * says nothing about what apply has changed, and rolls nothing back. `witness` is for a check to which the server can bring any
 * outcome, though root looked at something beside it; of other checks the source tells. `allows` is for a check of what a
 * parameter asks for: where that holds and is less than the control demands, it is allowed, and no `pass`.
 */
export function check(
  control: ControlId,
  {
    expected,
    observed,
    source,
    isAdvisory = false,
    witness,
    allows,
  }: {
    expected: string;
    observed: string;
    source: string;
    isAdvisory?: boolean;
    witness?: "server" | undefined;
    allows?: Allows | undefined;
  },
  verdict: Verdict,
): Check {
  const { title, severity } = CONTROLS[control];
  const allowance = verdict === true && allows?.isMet !== true ? allows?.by : undefined;
  const outcome =
    allowance !== undefined
      ? "skip"
      : typeof verdict === "boolean"
        ? verdict
          ? "pass"
          : "fail"
        : verdict.outcome;
  return {
    control,
    title,
    severity,
    outcome,
    expected: allowance === undefined ? expected : (allows?.demand ?? expected),
    observed,
    source,
    isAdvisory,
    ...(witness === undefined ? {} : { witness }),
    ...(allowance === undefined ? {} : { allowed: allowedBy(allowance) }),
    ...(typeof verdict !== "boolean" && verdict.blockedBy ? { blockedBy: verdict.blockedBy } : {}),
    ...(typeof verdict !== "boolean" && verdict.skipped ? { skipped: verdict.skipped } : {}),
  };
}

function allowedBy({ parameter, until }: Allowance): NonNullable<CheckRecord["allowed"]> {
  return { parameter, reason: "allowed by the playbook", ...(until === undefined ? {} : { until }) };
}

/** The check that could not be made because redkeep is not logged in to Redis. */
export function noLogin(control: ControlId, expected: string, source: string, reason: string): Check {
  return check(
    control,
    { expected, observed: reason === "" ? "no login to Redis" : `no login to Redis: ${reason}`, source },
    { outcome: "unknown", blockedBy: "login" },
  );
}
