import type { AccessRecord, CheckRecord, HostRecord, RunRecord } from "../record/record.ts";
import type { HostStatus, Outcome, Severity } from "../record/statuses.ts";
import { isAllowed } from "../record/summary.ts";
import { skippedInWords } from "../record/words.ts";
import { checkKeys } from "./check-keys.ts";

/** `other`: differs, without being better or worse. */
export type Direction = "worse" | "better" | "new" | "gone" | "other";

/** One thing that differs between two runs. */
export interface Difference {
  direction: Direction;
  about: "host" | "check" | "change" | "access" | "waiver";
  /** Empty for a waiver. */
  host: string;
  /** The host's status, a control and its title, a change's address, a user and a command, or a waiver's control. */
  what: string;
  /** The control's id where it is about a check, else null. */
  control: string | null;
  severity: Severity | null;
  /** In words, null where it was not there. */
  before: string | null;
  after: string | null;
}

/** The result of `redkeep diff`, written by --json. */
export interface RunComparison {
  schema: "redkeep.diff/1";
  before: Pick<RunRecord, "command" | "startedAt">;
  after: Pick<RunRecord, "command" | "startedAt">;
  counts: Record<Direction, number>;
  differences: Difference[];
}

/** Whether something got worse: a failure or a right that was not there, a proof or a host that was lost. */
export function hasWorsened({ counts }: RunComparison): boolean {
  return counts.worse > 0;
}

/** Compares two runs host by host. Worse comes first, and the gravest of it. */
export function compareRuns(before: RunRecord, after: RunRecord): RunComparison {
  const hostsBefore = new Map(before.hosts.map((host) => [host.host, host]));
  const hostsAfter = new Map(after.hosts.map((host) => [host.host, host]));
  const commands = { before: before.command, after: after.command };
  const differences = [
    ...after.hosts.flatMap((host) => compareHosts(hostsBefore.get(host.host), host, commands)),
    ...before.hosts.flatMap((host) => (hostsAfter.has(host.host) ? [] : [hostGone(host)])),
    ...compareWaivers(before, after),
  ].sort((a, b) => directionRank(a) - directionRank(b) || severityRank(a) - severityRank(b));
  const counts = { worse: 0, better: 0, new: 0, gone: 0, other: 0 };
  for (const { direction } of differences) counts[direction] += 1;
  const head = ({ command, startedAt }: RunRecord) => ({ command, startedAt });
  return { schema: "redkeep.diff/1", before: head(before), after: head(after), counts, differences };
}

const DIRECTIONS: readonly Direction[] = ["worse", "better", "new", "gone", "other"];
const GRAVITY: readonly (Severity | null)[] = [null, "critical", "high", "medium", "low", "info"];

function directionRank({ direction }: Difference): number {
  return DIRECTIONS.indexOf(direction);
}

function severityRank({ severity }: Difference): number {
  return GRAVITY.indexOf(severity);
}

interface Commands {
  before: RunRecord["command"];
  after: RunRecord["command"];
}

function compareHosts(before: HostRecord | undefined, after: HostRecord, commands: Commands): Difference[] {
  const bothChecked = recordsChecks(commands.before) && recordsChecks(commands.after);
  const bothPlanned = commands.before === "plan" && commands.after === "plan";
  return [
    ...compareStatus(before, after, commands),
    // A host that could not be observed has no checks: show its status, not fifty checks as gone.
    ...(bothChecked && !wasLost(after) ? compareChecks(before, after) : []),
    ...(bothPlanned && before !== undefined ? compareChanges(before, after) : []),
    ...compareAccess(before?.access, after.access, after.host),
  ];
}

function recordsChecks(command: RunRecord["command"]): boolean {
  return command === "verify" || command === "apply";
}

function hostGone(host: HostRecord): Difference {
  return {
    direction: "gone",
    about: "host",
    host: host.host,
    what: "host",
    control: null,
    severity: null,
    before: host.status,
    after: null,
  };
}

function wasLost({ checks, status }: HostRecord): boolean {
  return checks.length === 0 && STATUS_RANKS[status] > 1;
}

const STATUS_RANKS = {
  unchanged: 0,
  changed: 0,
  restored: 0,
  "would-change": 1,
  "not-started": 2,
  refused: 3,
  unreachable: 3,
  "rolled-back": 3,
  failed: 3,
  unknown: 4,
} as const satisfies Record<HostStatus, number>;

const DEPENDS_ON_COMMAND: ReadonlySet<HostStatus> = new Set(["would-change", "refused", "rolled-back"]);

function compareStatus(before: HostRecord | undefined, after: HostRecord, commands: Commands): Difference[] {
  // Pending changes and refusals of a plan are no news compared with a run that only looks.
  const rank = ({ status }: HostRecord) =>
    commands.before !== commands.after && DEPENDS_ON_COMMAND.has(status) ? 0 : STATUS_RANKS[status];
  const difference = (direction: Direction): Difference => ({
    direction,
    about: "host",
    host: after.host,
    what: "host",
    control: null,
    severity: null,
    before: before?.status ?? null,
    after: statusOf(after),
  });
  if (before === undefined) return [difference(rank(after) > 1 ? "worse" : "new")];
  if (rank(before) === rank(after)) return [];
  return [difference(rank(before) < rank(after) ? "worse" : "better")];
}

function statusOf({ status, error }: HostRecord): string {
  const [found = ""] = error?.found.split("\n") ?? [];
  return found === "" ? status : `${status}: ${found}`;
}

function compareChecks(before: HostRecord | undefined, after: HostRecord): Difference[] {
  const old = keyed(before?.checks ?? []);
  const now = keyed(after.checks);
  const difference = (direction: Direction, was: CheckRecord | undefined, is: CheckRecord | undefined) => {
    const known = is ?? was;
    return {
      direction,
      about: "check" as const,
      host: after.host,
      what: `${known?.control} ${known?.title}`,
      control: known?.control ?? null,
      severity: known?.severity ?? null,
      before: was === undefined ? null : verdictOf(was),
      after: is === undefined ? null : verdictOf(is),
    };
  };
  const here = [...now].flatMap(([key, check]) => {
    const was = old.get(key) ?? standIn(check, old, now);
    if (was === undefined) {
      if (
        isUnknown(check) &&
        [...old].some(([was, { control }]) => control === check.control && !now.has(was))
      )
        return [];
      if (check.outcome === "fail") return [difference("worse", was, check)];
      // A new host is one line.
      return before === undefined || before.checks.length === 0 ? [] : [difference("new", was, check)];
    }
    const direction = directionOf(was, check);
    return direction === undefined ? [] : [difference(direction, was, check)];
  });
  const gone = [...old].flatMap(([key, check]) => {
    if (now.has(key)) return [];
    const is = standIn(check, now, old);
    if (is === undefined) {
      const isAnswered = [...now].some(([is, { control }]) => control === check.control && !old.has(is));
      return isUnknown(check) && isAnswered ? [] : [difference("gone", check, undefined)];
    }
    const direction = directionOf(check, is);
    return direction === undefined ? [] : [difference(direction, check, is)];
  });
  return [...here, ...gone];
}

function isUnknown({ outcome }: CheckRecord): boolean {
  return outcome === "unknown";
}

/** Where a control could not be checked, one unknown check may stand in the other run for what it looks at. */
function standIn(
  { control }: CheckRecord,
  there: ReadonlyMap<string, CheckRecord>,
  here: ReadonlyMap<string, CheckRecord>,
): CheckRecord | undefined {
  return [...there].find(
    ([key, check]) => check.control === control && isUnknown(check) && !here.has(key),
  )?.[1];
}

/** The checks of a host by what tells them apart. */
export function keyed(checks: readonly CheckRecord[]): Map<string, CheckRecord> {
  const keys = checkKeys(checks);
  return new Map(checks.map((check, index) => [keys[index] ?? "", check]));
}

type Verdict = Outcome | "waived" | "allowed";

function verdict(check: CheckRecord): Verdict {
  if (isAllowed(check)) return "allowed";
  return check.waiver === undefined ? check.outcome : "waived";
}

const VERDICTS: Record<Exclude<Verdict, "skip">, string> = {
  pass: "holds",
  fail: "fails",
  unknown: "not checked",
  waived: "waived",
  allowed: "allowed by the playbook",
};

function verdictOf(check: CheckRecord): string {
  const is = verdict(check);
  const word = is === "skip" ? skippedInWords(check) : VERDICTS[is];
  return check.outcome === "pass" ? word : `${word}: ${check.observed}`;
}

function directionOf(was: CheckRecord, is: CheckRecord): Direction | undefined {
  const [from, to] = [verdict(was), verdict(is)];
  // For example, a file open to the group is now open to everybody, or there is a second unknown user.
  if (from === to)
    return to === "fail" && timeless(was.observed) !== timeless(is.observed) ? "other" : undefined;
  if (to === "fail") return "worse";
  // A proof that is no longer there.
  if (from === "pass" && (to === "unknown" || to === "allowed")) return "worse";
  if (to === "pass" && from !== "skip") return "better";
  return "other";
}

/** A text without what passing time alone has changed in it: ages, days that are left, sizes of data. */
export function timeless(text: string): string {
  return text.replace(/\b\d+(?:\.\d+)?(?= ?(?:days?|hours?|minutes?|seconds?|gb|mb|kb|b)\b)/g, "#");
}

function compareChanges(before: HostRecord, after: HostRecord): Difference[] {
  const changesOf = ({ tasks }: HostRecord) =>
    new Map(tasks.flatMap(({ changes }) => changes.map((change) => [change.address, change])));
  const [old, now] = [changesOf(before), changesOf(after)];
  const difference = (direction: Direction, address: string): Difference => ({
    direction,
    about: "change",
    host: after.host,
    what: address,
    control: null,
    severity: null,
    before: old.has(address) ? "pending" : null,
    after: now.has(address) ? "pending" : null,
  });
  return [
    ...[...now.keys()].flatMap((address) => (old.has(address) ? [] : [difference("new", address)])),
    ...[...old.keys()].flatMap((address) => (now.has(address) ? [] : [difference("gone", address)])),
  ];
}

/** Commands that a user gained or lost: a dangerous one more is worse, one less is better. */
export function compareAccess(
  before: AccessRecord | undefined,
  after: AccessRecord | undefined,
  host: string,
): Difference[] {
  if (before === undefined || after === undefined) return [];
  const users = new Set([...before.users, ...after.users].map(({ user }) => user));
  const [old, now] = [before, after].map(
    (access) => new Map(access.users.toReversed().map((user) => [user.user, user])),
  );
  return [...users].flatMap((user) => {
    const [was, is] = [rightsOf(before, old?.get(user)), rightsOf(after, now?.get(user))];
    const difference = (direction: Direction, what: string, from: string | null, to: string | null) => ({
      direction,
      about: "access" as const,
      host,
      what: `user ${user}${what === "" ? "" : `: ${what}`}`,
      control: null,
      severity: null,
      before: from,
      after: to,
    });
    const existence =
      was === undefined
        ? [difference("new", "", null, is?.enabled ? "can log in" : "off")]
        : is === undefined
          ? [difference("gone", "", was.enabled ? "can log in" : "off", null)]
          : [];
    const open = is?.nopass === true && was?.nopass !== true;
    const closed = was?.nopass === true && is?.nopass !== true;
    const password = open
      ? [difference("worse", "log in without a password", "denied", "allowed")]
      : closed
        ? [difference("better", "log in without a password", "allowed", "denied")]
        : [];
    const commands = after.commands.flatMap(({ command, dangerous }) => {
      const [from, to] = [was?.allowed.get(command) ?? false, is?.allowed.get(command) ?? false];
      const isUntold = [was, is].some((rights) => rights !== undefined && !rights.allowed.has(command));
      if (from === to || isUntold) return [];
      // The ordinary commands of a user that came or went are told by that.
      if (!dangerous && (was === undefined || is === undefined)) return [];
      const direction = dangerous ? (to ? "worse" : "better") : "other";
      return [difference(direction, command, from ? "allowed" : "denied", to ? "allowed" : "denied")];
    });
    return [...existence, ...password, ...commands];
  });
}

/** What a user can do: one that is off can do nothing. */
function rightsOf(
  { commands }: AccessRecord,
  user: AccessRecord["users"][number] | undefined,
): { enabled: boolean; nopass: boolean; allowed: Map<string, boolean> } | undefined {
  if (user === undefined) return undefined;
  const { enabled, nopass, allowed } = user;
  return {
    enabled,
    nopass: enabled && nopass,
    allowed: new Map(
      commands.flatMap(({ command }, index) => {
        const told = allowed[index];
        return told === null || told === undefined ? [] : [[command, enabled && told] as const];
      }),
    ),
  };
}

function compareWaivers(before: RunRecord, after: RunRecord): Difference[] {
  // A run without a file of waivers, such as a plan, says nothing about them.
  if (before.waivers === undefined || after.waivers === undefined) return [];
  const keyOf = ({ control, hosts }: { control: string; hosts: string }) => `${control} for ${hosts}`;
  const old = new Map(before.waivers.map((waiver) => [keyOf(waiver), waiver]));
  const now = new Map(after.waivers.map((waiver) => [keyOf(waiver), waiver]));
  const difference = (
    direction: Direction,
    what: string,
    from: string | undefined,
    to: string | undefined,
  ) => ({
    direction,
    about: "waiver" as const,
    host: "",
    what,
    control: null,
    severity: null,
    before: from ?? null,
    after: to ?? null,
  });
  return [...new Set([...old.keys(), ...now.keys()])].flatMap((key) => {
    const [was, is] = [old.get(key), now.get(key)];
    if (was?.state === is?.state && was?.expires === is?.expires) return [];
    const texts = [was, is].map((waiver) => waiver && `${waiver.state}, until ${waiver.expires}`);
    const direction =
      is === undefined ? "gone" : was === undefined ? "new" : is.state === "expired" ? "worse" : "other";
    return [difference(direction, key, texts[0], texts[1])];
  });
}
