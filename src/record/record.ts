import { z } from "zod";
import { CERTIFICATE_STATES, HOST_STATUSES, OUTCOMES, SEVERITIES, TASK_STATUSES } from "./statuses.ts";

/*
 * The run record: the one source of every report, written by --json as "redkeep.run/1". It never holds a secret.
 *
 * The types, the check of a record that is read, and the published schema/run-record.schema.json all come from here.
 * `describe` gives the schema what a docstring gives a reader.
 */

export const SCHEMA = "redkeep.run/1";

const hostStatus = z.enum(HOST_STATUSES);
const taskStatus = z.enum(TASK_STATUSES);
const outcome = z.enum(OUTCOMES);
const severity = z.enum(SEVERITIES);
const count = z.int().min(0);
/** A year: with it added, every date that a record may have is still one. */
const milliseconds = z.number().min(0).max(31_536_000_000).describe("milliseconds");

/** Anybody may have written a record, so it is bounded to fit into a report: far above what redkeep finds on a host. */
const MOST_CHECKS = 5_000;
const MOST_CONTROLS = 500;
const MOST_COMMANDS = 200;
const MOST_USERS = 20_000;
const MOST_ALLOWED = 1_000;
const MOST_CELLS = 1_000_000;

const waiver = z
  .object({
    control: z.string().describe("a control's id"),
    hosts: z.string().describe("a host pattern"),
    reason: z.string(),
    owner: z.string(),
    expires: z.string().describe("the last day on which it holds, YYYY-MM-DD, UTC"),
    state: z
      .enum(["active", "ending", "expired", "unused"])
      .describe(
        "ending: 14 days or less are left; unused: it holds, its hosts were checked, and none of them needed it",
      ),
  })
  .describe("a failure that somebody has accepted for a time");

const change = z.object({
  address: z
    .string()
    .describe(
      "redis.conf:KEY, users.acl:USER, file:PATH, unit:PROPERTY or ufw:RULE; pki:NAME on the controller",
    ),
  action: z.enum(["create", "update", "delete"]),
  before: z.string().nullable(),
  after: z.string().nullable(),
  restart: z.boolean().describe("true where only a restart makes it hold"),
});

const task = z.object({
  task: z.string(),
  name: z.string(),
  status: taskStatus,
  reason: z.string().nullable(),
  changes: z.array(change),
});

/** The kind of an impact that only tells of a user whom nobody wrote down: it stays as it is, and notices nothing. */
export const STAYS_IN_MEMORY = "memory-only-user";

/** What RK-NET-11 observed where there is nothing to tell of. */
export const NO_OTHER_SERVER = "none";

const impact = z
  .object({
    kind: z
      .string()
      .describe(
        `${STAYS_IN_MEMORY}: it stays as it is, and may be an intruder's; ${STAYS_IN_MEMORY}-ends: the run ends it`,
      ),
    detail: z.string(),
  })
  .describe("who would notice");

const setting = z
  .object({
    name: z.string(),
    wanted: z.string(),
    file: z.string().nullable(),
    running: z.string().nullable(),
    pending: z.boolean().describe("the file holds what only a restart or a reload makes true"),
  })
  .describe("the values of one setting by place, null where a place has none");

const allowed = z
  .object({
    parameter: z.string().describe("as the playbook says it, such as tls.plain_port: 6379"),
    reason: z.string().describe("allowed by the playbook, and until when"),
    until: z.string().exactOptional().describe("the first day on which it is a failure, YYYY-MM-DD, UTC"),
  })
  .describe(
    "where the playbook leaves the control's demand unmet; the outcome is skip until that day, fail from then on, and skip again where a waiver covers it",
  );

const hostAllowed = allowed
  .extend({
    controls: z.array(z.string()).describe("whose demand it leaves unmet"),
    state: z.enum(["open", "ending", "ended"]).describe("ending: 30 days or less are left"),
  })
  .describe("a weakening that the playbook asks for on this host");

const since = z.iso
  .datetime()
  .describe(
    "on what does not hold and did not in earlier runs that were kept: when it was first found so, and never otherwise since",
  );

const check = z.object({
  control: z.string(),
  title: z.string(),
  severity,
  outcome,
  expected: z.string(),
  observed: z.string(),
  source: z.string(),
  witness: z
    .literal("server")
    .exactOptional()
    .describe("where the check rests on the server's word alone: nothing that root looked at itself says so"),
  blockedBy: z
    .enum(["login", "rights", "vantage"])
    .exactOptional()
    .describe("on an unknown check that more access would have answered: exit code 3"),
  skipped: z
    .enum(["untold", "reported"])
    .exactOptional()
    .describe(
      "why a check is skipped where it does apply: untold, nothing here tells whether it holds; reported, what was found is for the operator to judge",
    ),
  setting: setting.exactOptional().describe("where the check is about one setting"),
  since: since.exactOptional(),
  allowed: allowed.exactOptional(),
  waiver: z
    .object({ reason: z.string(), owner: z.string(), expires: z.string() })
    .exactOptional()
    .describe("on a failure that is waived; its outcome is skip then"),
});

const error = z
  .object({
    where: z.string().describe("the step or the guard by name, such as maxmemory-below-used"),
    found: z.string(),
    state: z.string(),
    remedy: z.string(),
    guards: z.array(z.string()).describe("the guards that --accept can override"),
  })
  .describe("where, what was found, the state the host is in, what to do");

const server = z
  .object({
    product: z.string(),
    version: z.string(),
    system: z.string().describe("PRETTY_NAME of os-release"),
    role: z
      .string()
      .nullable()
      .describe("master or slave, as INFO says; null where Redis could not be asked"),
    isStopped: z.literal(true).exactOptional().describe("the service does not run"),
  })
  .describe("what runs on the host");

const transport = z
  .object({
    name: z.enum(["ssh2", "openssh"]).describe("ssh2, which redkeep brings along, or the system's ssh"),
    reason: z.string().describe("why that one"),
  })
  .describe("what carried the scripts, on the last connection");

const access = z
  .object({
    method: z
      .string()
      .describe(
        "ACL DRYRUN; below 7.0 a scratch server, or worked out from the rules where none could be started",
      ),
    commands: z
      .array(z.object({ command: z.string(), dangerous: z.boolean() }))
      .max(MOST_COMMANDS)
      .describe("command lines that were asked, such as CONFIG GET, dangerous ones first"),
    users: z
      .array(
        z.object({
          user: z.string(),
          enabled: z.boolean(),
          nopass: z.boolean().describe("anybody may log in as this user"),
          allowed: z
            .array(z.boolean().nullable())
            .max(MOST_COMMANDS)
            .describe("one for each of commands: allowed, denied, or not told (null)"),
        }),
      )
      .max(MOST_USERS),
  })
  .refine(
    ({ commands, users }) => commands.length * users.length <= MOST_CELLS,
    `expected at most ${MOST_CELLS} pairs of a user and a command`,
  )
  .describe("the matrix of users by commands, as the server itself answers");

const certificate = z
  .object({
    name: z.string().describe("server, ca, or client:NAME"),
    ends: z.iso.datetime().nullable().describe("UTC; null where there is none to read"),
    state: z
      .enum(CERTIFICATE_STATES)
      .describe(
        "ending: within renew_before_days; unusable: of another key or CA, or none at all; unknown: something is not here that would tell",
      ),
    found: z
      .string()
      .describe("what is wrong or not known, as the end of a sentence; empty where nothing is"),
  })
  .describe("a certificate, and when it ends");

const controller = z
  .object({
    state: z.string().describe("the state folder, as it is named from where the run was started"),
    status: z.enum(["unchanged", "would-change", "changed"]),
    changes: z.array(change).describe("client certificates to issue, or that were issued: pki:NAME"),
    impact: z.array(impact),
    certificates: z.array(certificate).describe("of the CA and of each client that the playbook lists"),
  })
  .describe("what the run does on the machine that it was started on, and touches no host for");

const host = z.object({
  host: z.string(),
  status: hostStatus,
  connections: count.describe("SSH connections opened: counted, not assumed"),
  roundTrips: count.describe("channels run: counted, not assumed"),
  durationMs: milliseconds,
  tasks: z.array(task),
  impact: z.array(impact),
  restart: z.object({ needed: z.boolean(), unavailableMs: milliseconds }),
  checks: z.array(check).max(MOST_CHECKS),
  error: error.nullable(),
  allowed: z
    .array(hostAllowed)
    .max(MOST_ALLOWED)
    .exactOptional()
    .describe("absent where the playbook weakens nothing"),
  since: since.exactOptional(),
  transaction: z
    .string()
    .exactOptional()
    .describe("the host's own name for what this run did there: under /var/lib/redkeep/txn"),
  undoes: z
    .array(z.object({ transaction: z.string(), run: z.string().describe("when, and by whom") }))
    .exactOptional()
    .describe("by a rollback: the runs that it takes back on this host, the oldest first"),
  place: z
    .object({ file: z.string(), line: z.int().min(1) })
    .exactOptional()
    .describe("where the inventory names the host: a path as it was given with -i, and a line from 1"),
  server: server.exactOptional().describe("absent where the host was not reached"),
  transport: transport.exactOptional().describe("absent where nobody tried to connect"),
  certificates: z
    .array(certificate)
    .exactOptional()
    .describe(
      "the server's and the CA's on the host: recorded by verify and apply where the tls task was selected",
    ),
  access: access
    .exactOptional()
    .describe("recorded by verify and apply where Redis could be asked what users can do"),
});

const vantage = z
  .object({
    host: z.string(),
    targets: count.describe("hosts of the run that were looked at from there"),
    connections: count,
    roundTrips: count,
    durationMs: milliseconds,
    error: z.string().nullable().describe("why nobody could look from there"),
  })
  .describe("a host of the inventory from which others were looked at");

const summary = z.object({
  hosts: count,
  unchanged: count,
  wouldChange: count,
  changed: count,
  failed: count,
  unreachable: count,
  rolledBack: count,
  restored: count
    .exactOptional()
    .describe("by a rollback that did what was asked; absent in records of earlier versions"),
  refused: count,
  unknown: count,
  notStarted: count,
  changes: count,
  checks: z.object({
    pass: count,
    fail: count,
    skip: count,
    unknown: count,
    allowed: count
      .exactOptional()
      .describe("of those skipped: allowed by the playbook; absent where none is"),
  }),
});

const selection = z
  .object({
    playbook: z.string().nullable().describe("as it was given; null for the one that redkeep ships"),
    tags: z.array(z.string()),
    skipTags: z.array(z.string()),
  })
  .describe("which tasks were selected: runs that differ in it do not look for the same");

/** As many as `--shard` takes: whoever reads a record may count up to it. */
const shardNumber = z.int().min(1).max(99_999);
const shard = z
  .object({ index: shardNumber, count: shardNumber })
  .refine(({ index, count }) => index <= count, "expected I/N with I from 1 to N")
  .describe("--shard I/N: which part of the hosts this run had, counted from 1");

/** Keys that it does not know are left out of what it returns: a later version may add some to the same schema. */
export const runRecordSchema = z.object({
  schema: z.literal(SCHEMA),
  version: z.string().describe("of the redkeep that ran"),
  command: z.enum(["plan", "apply", "verify", "rollback", "eject"]),
  startedAt: z.iso.datetime().describe("UTC"),
  durationMs: milliseconds,
  exitCode: z.int().min(0).max(255),
  summary,
  hosts: z
    .array(host)
    .refine(
      (hosts) =>
        new Set(hosts.flatMap(({ checks }) => checks.map(({ control }) => control))).size <= MOST_CONTROLS,
      `expected at most ${MOST_CONTROLS} controls`,
    ),
  controller: controller
    .exactOptional()
    .describe("absent where no selected task keeps certificates on the controller"),
  failOn: severity
    .exactOptional()
    .describe("failures of a lower severity do not make the exit code 6; absent where every failure does"),
  problems: z
    .array(z.string())
    .exactOptional()
    .describe("what went wrong in redkeep itself and is no host's: exit code 3; absent where nothing did"),
  selection: selection.exactOptional().describe("absent in merged records of runs that differ in it"),
  shard: shard.exactOptional(),
  missingShards: z
    .array(z.int().min(1))
    .exactOptional()
    .describe("in a merged record: the shards of the run that it was not given; their hosts are missing"),
  waivers: z
    .array(waiver)
    .exactOptional()
    .describe("those read for this run, expired ones first; absent where there is no file of them"),
  vantages: z.array(vantage).exactOptional().describe("absent where the run looked from no other host"),
});

/** One function makes each record, and nothing changes it: to add something, make another. */
type Fixed<T> = T extends readonly (infer U)[]
  ? readonly Fixed<U>[]
  : T extends object
    ? { readonly [K in keyof T]: Fixed<T[K]> }
    : T;

export type RunRecord = Fixed<z.infer<typeof runRecordSchema>>;
export type Selection = Fixed<z.infer<typeof selection>>;
export type Summary = Fixed<z.infer<typeof summary>>;
export type CertificateRecord = Fixed<z.infer<typeof certificate>>;
export type ControllerRecord = Fixed<z.infer<typeof controller>>;
export type VantageRecord = Fixed<z.infer<typeof vantage>>;
export type WaiverRecord = Fixed<z.infer<typeof waiver>>;
export type HostRecord = Fixed<z.infer<typeof host>>;
export type ServerRecord = Fixed<z.infer<typeof server>>;
export type AccessRecord = Fixed<z.infer<typeof access>>;
export type TaskRecord = Fixed<z.infer<typeof task>>;
export type ChangeRecord = Fixed<z.infer<typeof change>>;
export type Impact = Fixed<z.infer<typeof impact>>;
export type AllowedRecord = Fixed<z.infer<typeof hostAllowed>>;
export type CheckRecord = Fixed<z.infer<typeof check>>;
export type HostErrorRecord = Fixed<z.infer<typeof error>>;
