import type { Severity } from "../record/statuses.ts";
import { CONTROLS, type ControlId } from "../verify/catalogue.ts";

/** What the files themselves must be, whatever they set: no host has to answer for these. */
const FILE_CONTROLS = {
  "RK-FILE-01": { title: "Redis starts with the file", severity: "high" },
  "RK-FILE-02": { title: "the file does what it seems to say", severity: "low" },
} as const satisfies Record<string, { title: string; severity: Severity }>;

export type LintControlId = ControlId | keyof typeof FILE_CONTROLS;

/** A trap in a file. Texts never hold a password. */
export interface Finding {
  /** As the user named the file. */
  file: string;
  /** From 1. */
  line: number;
  column: number;
  severity: Severity;
  control: LintControlId;
  title: string;
  /** What is there and what it does. */
  message: string;
  /** What to do. */
  remedy: string;
}

/** Takes a finding down; the severity is the control's own unless another fits better. */
export type Report = (
  place: { file: string; line: number; column?: number },
  control: LintControlId,
  message: string,
  remedy: string,
  severity?: Severity,
) => void;

/** Every control that a finding may name. */
export const LINT_CONTROLS: Readonly<Record<LintControlId, { title: string; severity: Severity }>> = {
  ...CONTROLS,
  ...FILE_CONTROLS,
};
