/** The run record: the one source of every report, written by --json as "redkeep.run/1". It never holds a secret. */
export interface RunRecord {
  schema: "redkeep.run/1";
  version: string;
  command: "plan" | "apply" | "verify" | "rollback";
  /** ISO 8601, UTC. */
  startedAt: string;
  durationMs: number;
  exitCode: number;
  summary: Summary;
  hosts: HostRecord[];
}

export interface Summary {
  hosts: number;
  unchanged: number;
  wouldChange: number;
  changed: number;
  failed: number;
  unreachable: number;
  rolledBack: number;
  refused: number;
  unknown: number;
  notStarted: number;
  changes: number;
  checks: Record<Outcome, number>;
}

export type HostStatus =
  | "unchanged"
  | "would-change"
  | "changed"
  | "failed"
  | "unreachable"
  | "rolled-back"
  | "refused"
  | "unknown"
  | "not-started";
export type TaskStatus = "ok" | "would-change" | "changed" | "skipped" | "failed" | "blocked";
export type Outcome = "pass" | "fail" | "skip" | "unknown";
export type Severity = "critical" | "high" | "medium" | "low" | "info";

export interface HostRecord {
  host: string;
  status: HostStatus;
  /** SSH connections opened and channels run: counted, not assumed. */
  connections: number;
  roundTrips: number;
  durationMs: number;
  tasks: TaskRecord[];
  impact: Impact[];
  restart: { needed: boolean; unavailableMs: number };
  checks: CheckRecord[];
  error: HostErrorRecord | null;
}

export interface TaskRecord {
  task: string;
  name: string;
  status: TaskStatus;
  reason: string | null;
  changes: ChangeRecord[];
}

export interface ChangeRecord {
  /** `redis.conf:KEY`, `users.acl:USER`, `file:PATH`, `unit:PROPERTY` or `ufw:RULE`. */
  address: string;
  action: "create" | "update" | "delete";
  before: string | null;
  after: string | null;
  /** True where only a restart makes it hold. */
  restart: boolean;
}

export interface Impact {
  kind: string;
  detail: string;
}

export interface CheckRecord {
  control: string;
  title: string;
  severity: Severity;
  outcome: Outcome;
  expected: string;
  observed: string;
  source: string;
  /**
   * Set on an `unknown` check that lacked a login to Redis or rights on the host: exit code 3, since more access would
   * have answered it. Any other `unknown` leaves the exit code alone.
   */
  blockedBy?: "login" | "rights";
}

/** The four parts of every refusal and failure: where, what was found, the state the host is in, what to do. */
export interface HostErrorRecord {
  /** The step or the guard by name, such as `maxmemory-below-used`. */
  where: string;
  found: string;
  state: string;
  remedy: string;
  /** The guards that `--accept` can override, where the host was refused by guards. */
  guards: string[];
}
