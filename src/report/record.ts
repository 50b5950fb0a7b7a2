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
  /** Failures of a lower severity do not make the exit code 6; absent where every failure does. */
  failOn?: Severity;
  /** The waivers that were read for this run, expired ones first; absent where there is no file of them. */
  waivers?: WaiverRecord[];
}

/** A failure that somebody has accepted for a time. */
export interface WaiverRecord {
  /** A control's id. */
  control: string;
  /** A host pattern. */
  hosts: string;
  reason: string;
  owner: string;
  /** The last day on which it holds, `YYYY-MM-DD`, UTC. */
  expires: string;
  /** `ending`: 14 days or less are left. `unused`: it holds, its hosts were checked, and none of them needed it. */
  state: "active" | "ending" | "expired" | "unused";
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
/** The gravest first. */
export const SEVERITIES = ["critical", "high", "medium", "low", "info"] as const;
export type Severity = (typeof SEVERITIES)[number];

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
  /** Where the inventory names the host: a path as it was given with -i, and a line from 1. */
  place?: { file: string; line: number };
  /** Absent where the host was not reached. */
  server?: ServerRecord;
  /** What users can really do; recorded by verify and apply where Redis could be asked. */
  access?: AccessRecord;
}

/** What runs on the host. */
export interface ServerRecord {
  product: string;
  version: string;
  /** PRETTY_NAME of os-release. */
  system: string;
  /** `master` or `slave`, as INFO says; null where Redis could not be asked. */
  role: string | null;
}

/** The matrix of users by commands, as the server itself answers. */
export interface AccessRecord {
  /** `ACL DRYRUN`, or `scratch server` below 7.0. */
  method: string;
  /** Command lines that were asked, such as `FLUSHALL` or `CONFIG GET`, dangerous ones first. */
  commands: { command: string; dangerous: boolean }[];
  users: {
    user: string;
    enabled: boolean;
    /** Anybody may log in as this user. */
    nopass: boolean;
    /** One for each of `commands`: allowed, denied, or not told (null). */
    allowed: (boolean | null)[];
  }[];
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
  /** Set where the check is about one setting: the values by name of the place, null where it has none. */
  setting?: {
    name: string;
    wanted: string;
    file: string | null;
    running: string | null;
    /** The file holds what only a restart (or a reload) makes true. */
    pending: boolean;
  };
  /** Set on a failure that is waived; its outcome is `skip` then. */
  waiver?: { reason: string; owner: string; expires: string };
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
