import type { CheckRecord, Outcome, Severity } from "../report/record.ts";

interface Control {
  title: string;
  severity: Severity;
}

/** The controls that this version checks: an id stays for ever. */
const CONTROLS = {
  "RK-NET-01": { title: "Redis listens only on the declared addresses", severity: "critical" },
  "RK-NET-02": { title: "protected mode is on", severity: "high" },
  "RK-NET-03": { title: "the default port answers no stranger", severity: "critical" },
  "RK-NET-04": {
    title: "the firewall denies by default and lets only the declared networks in",
    severity: "high",
  },
  "RK-NET-06": { title: "IPv6 is filtered like IPv4", severity: "medium" },
  "RK-NET-08": { title: "the Unix socket is closed to other users", severity: "medium" },
  "RK-ACL-01": { title: "the default user is off and has no open door", severity: "critical" },
  "RK-ACL-02": { title: "no user logs in without a password", severity: "critical" },
  "RK-ACL-03": { title: "one way of authentication only", severity: "critical" },
  "RK-ACL-04": { title: "the ACL file is there, complete and without comments", severity: "critical" },
  "RK-ACL-05": { title: "application users cannot run dangerous commands", severity: "high" },
  "RK-ACL-06": { title: "application users reach only their own keys and channels", severity: "medium" },
  "RK-ACL-08": {
    title: "only the users of the playbook exist, with the rights it gives them",
    severity: "high",
  },
  "RK-ACL-09": { title: "passwords rest as hashes, and file and memory agree", severity: "medium" },
  "RK-ACL-10": { title: "passwords are long and not shared between users", severity: "high" },
  "RK-CMD-01": { title: "debug, module loading and protected settings are locked", severity: "high" },
  "RK-CMD-03": { title: "the renamed commands are gone under their old names", severity: "high" },
  "RK-TLS-01": { title: "Redis speaks only TLS", severity: "high" },
  "RK-TLS-03": { title: "only TLS 1.2 and 1.3 with the declared ciphers", severity: "medium" },
  "RK-TLS-04": { title: "a client certificate is demanded", severity: "medium" },
  "RK-TLS-05": { title: "the certificate covers every name and address", severity: "high" },
  "RK-TLS-06": { title: "the served certificate is the one on disk and stays valid", severity: "high" },
  "RK-TLS-07": { title: "the private key is closed, and no CA key is on the host", severity: "critical" },
  "RK-SYS-01": { title: "Redis runs as an ordinary user without shell or sudo", severity: "critical" },
  "RK-SYS-02": { title: "the unit runs in a sandbox", severity: "medium" },
  "RK-SYS-03": { title: "configuration is closed to others and not writable by Redis", severity: "high" },
  "RK-SYS-04": { title: "data is closed to others", severity: "critical" },
  "RK-SYS-07": { title: "enough open files for all clients", severity: "medium" },
  "RK-LIM-01": { title: "memory is bounded", severity: "medium" },
  "RK-LIM-02": { title: "the eviction policy is the declared one", severity: "high" },
  "RK-LIM-04": { title: "freeing memory does not stall the server", severity: "info" },
  "RK-PER-01": {
    title: "persistence is the declared one, and the last save went well",
    severity: "critical",
  },
  "RK-PER-02": { title: "data stays inside the protected directory", severity: "low" },
} as const satisfies Record<string, Control>;

/** A check's outcome before it goes into the record. */
export interface Check extends CheckRecord {
  isAdvisory: boolean;
}

export type ControlId = keyof typeof CONTROLS;

/** Every control by its id. */
export const CONTROL_IDS: readonly string[] = Object.keys(CONTROLS);

/** `pass` as a boolean, or that it could not be told, and whether more access would have told it. */
type Verdict = boolean | { outcome: Extract<Outcome, "skip" | "unknown">; blockedBy?: "login" | "rights" };

/**
 * One observation against one control. Texts are for people and never hold a secret.
 *
 * `isAdvisory` marks what the task leaves alone on purpose, such as a user that it keeps: a failure is reported, but
 * says nothing about what apply has changed, and rolls nothing back.
 */
export function check(
  control: ControlId,
  {
    expected,
    observed,
    source,
    isAdvisory = false,
  }: { expected: string; observed: string; source: string; isAdvisory?: boolean },
  verdict: Verdict,
): Check {
  const outcome = typeof verdict === "boolean" ? (verdict ? "pass" : "fail") : verdict.outcome;
  return {
    control,
    ...CONTROLS[control],
    outcome,
    expected,
    observed,
    source,
    isAdvisory,
    ...(typeof verdict !== "boolean" && verdict.blockedBy ? { blockedBy: verdict.blockedBy } : {}),
  };
}

/** The check that could not be made because redkeep is not logged in to Redis. */
export function noLogin(control: ControlId, expected: string, source: string, reason: string): Check {
  return check(
    control,
    { expected, observed: reason === "" ? "no login to Redis" : `no login to Redis: ${reason}`, source },
    { outcome: "unknown", blockedBy: "login" },
  );
}
