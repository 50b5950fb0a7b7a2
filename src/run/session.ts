import { resolve } from "node:path";
import { performance } from "node:perf_hooks";
import { createInterface } from "node:readline/promises";
import { BecomePasswords } from "../connection/become-passwords.ts";
import type { FactName } from "../facts/probe.ts";
import type { LastRun } from "../history/last-run.ts";
import { packageVersion } from "../lib/package.ts";
import { pool } from "../lib/pool.ts";
import { printable } from "../lib/printable.ts";
import { printRecord, writeRecord } from "../record/json.ts";
import type { HostRecord, RunRecord } from "../record/record.ts";
import { exitCodeOf, summarize } from "../record/summary.ts";
import { terminalOf } from "../report/colours.ts";
import type { TextContext } from "../report/layout.ts";
import { createProgress, type Progress } from "../report/progress.ts";
import { endAllowed } from "../verify/allowance.ts";
import { waive, waiverRecords } from "../waivers/waivers.ts";
import { failWith, type HostSession, hostFactsForTexts, newSession, observe } from "./observe.ts";
import type { Environment, RunOptions } from "./options.ts";
import { lookBack, ROLLBACK_FACTS } from "./plan-rollback.ts";
import type { Run } from "./prepare.ts";
import { asPart } from "./strays.ts";

/**
 * Observes every host of a run, `--forks` at a time, each on its own: a hung one delays nobody.
 * @param finish is called with each host that the command does not go on with.
 */
export async function observeAll(
  run: Run,
  options: RunOptions,
  environment: Environment,
  command: RunRecord["command"],
  progress: Progress,
  finish: (session: HostSession) => void | Promise<void> = () => {},
  {
    lastRun,
    plan,
    facts = [],
  }: {
    /** For a rollback: what it may undo. */
    lastRun?: LastRun;
    /** In the place of the playbook's plan, with these facts beside those of its tasks. */
    plan?: ((session: HostSession) => void) | undefined;
    facts?: readonly FactName[] | undefined;
  } = {},
): Promise<HostSession[]> {
  const passwords = new BecomePasswords();
  const sessions = run.jobs.map((job) => newSession(job, passwords));
  const startedAt = new Date();
  environment.reached(() =>
    writeAsAsked(recordOf(run, command, sessions, startedAt, environment), options, environment),
  );
  const work = async (session: HostSession) => {
    if (environment.interrupted.aborted) return;
    progress.update(session.job.host, "asking");
    await observe(session, {
      prove: command === "apply" || command === "verify",
      accepted: options.accept,
      render: run.render,
      signal: environment.interrupted,
      audit: command === "verify" ? run.tags : undefined,
      facts: command === "rollback" ? ROLLBACK_FACTS : facts,
    });
    if (command === "rollback" && session.plan !== undefined)
      await lookBack(session, { to: options.to, accepted: options.accept, lastRun });
    if (session.plan !== undefined) plan?.(session);
    // Only these go on with a host, and only where there is something to do.
    const goesOn = command !== "plan" && command !== "verify" && !options.check;
    if (goesOn && session.record.status === "would-change") progress.update(session.job.host, "planned");
    else {
      session.connection?.close();
      if (command === "verify") endLook(session.record);
      progress.done(session.job.host, session.record.status, outcomeText(run, session, command));
      await finish(session);
    }
  };
  await pool(sessions, options.forks, (session) => partOf(session, environment, () => work(session)), {
    lateGiveWay: true,
  });
  return sessions;
}

/** A guard stops an apply, not a look: a host that could be checked is as it was. One that was never asked stays so. */
export function endLook(record: HostRecord): void {
  if (record.status === "refused" && record.checks.length > 0) record.error = null;
  if (record.error === null && record.connections > 0) record.status = "unchanged";
}

/**
 * Does one host's part of a run, which never throws. Whatever goes wrong in it is that host's: what the work throws, and what
 * nobody catches. The latter costs the host its connection too, so that what waits for an answer comes to its end.
 * Where the host's record says how it ended all the same, the error is told beside it.
 */
export async function partOf(
  session: HostSession,
  { strays }: Environment,
  work: () => Promise<void>,
): Promise<void> {
  const errors: unknown[] = [];
  const strike = (error: unknown) => {
    errors.push(error);
    session.connection?.close();
  };
  await asPart(strike, work).catch((error: unknown) => errors.push(error));
  const { record } = session;
  const isOpen = record.error === null && record.status !== "changed" && record.status !== "rolled-back";
  if (errors.length > 0 && isOpen) failWith(session, errors.shift());
  for (const error of errors)
    strays.push(`${record.host}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
}

/** Writes the record where `--json` says. */
export async function writeAsAsked(
  record: RunRecord,
  { json }: RunOptions,
  { cwd, stdout }: Environment,
): Promise<void> {
  if (json === "-") await printRecord(record, stdout);
  else if (json !== undefined) await writeRecord(record, resolve(cwd, json));
}

export function outcomeText(run: Run, session: HostSession, command: RunRecord["command"]): string {
  const record = waive(asOfToday(run, session), run.waivers ?? [], run.today);
  if (record.error !== null) return record.error.found.split("\n")[0] ?? "";
  const changes = record.tasks.reduce((count, task) => count + task.changes.length, 0);
  const failing = record.checks.filter(({ outcome }) => outcome === "fail").length;
  const open = record.checks.filter(({ outcome }) => outcome === "unknown").length;
  const checks =
    record.checks.length === 0
      ? ""
      : [
          failing === 0
            ? `${record.checks.length} checks`
            : `${failing} of ${record.checks.length} checks fail`,
          ...(open === 0 ? [] : [`${open} not checked`]),
        ].join(", ");
  const parts = command === "verify" ? [checks] : [changes === 0 ? "" : `${changes} changes`, checks];
  return parts.filter(Boolean).join(", ");
}

export function startProgress(run: Run, command: RunRecord["command"], environment: Environment): Progress {
  const verb = {
    plan: "Planning",
    apply: "Applying",
    verify: "Verifying",
    rollback: "Rolling back",
    eject: "Taking redkeep off",
  }[command];
  const hosts = run.jobs.map(({ host }) => host);
  const names = [...new Set(run.jobs.flatMap(({ plays }) => plays.map(({ name }) => name)))].join(", ");
  return createProgress({
    stream: environment.stderr,
    hosts,
    title: `${verb} ${printable(names)}: ${hosts.length} host${hosts.length === 1 ? "" : "s"}`,
    command,
    env: environment.env,
  });
}

/** The host's record with what the playbook allowed and whose day has come: waivers come after it. */
function asOfToday({ today }: Run, { record }: HostSession): HostRecord {
  return endAllowed(record, today);
}

/** The record of a run as it stands, waivers applied. The sessions keep what was seen. */
export function recordOf(
  run: Run,
  command: RunRecord["command"],
  sessions: readonly HostSession[],
  startedAt: Date,
  environment: Environment,
): RunRecord {
  const { waivers, today, failOn } = run;
  const seen = sessions.map((session) => asOfToday(run, session));
  const hosts = seen.map((host) => waive(host, waivers ?? [], today));
  const { controller } = run;
  const interrupted = environment.interrupted.aborted;
  const exitCode = exitCodeOf({ command, hosts, interrupted, failOn, controller });
  const { strays } = environment;
  return {
    schema: "redkeep.run/1",
    version: packageVersion(),
    command,
    startedAt: startedAt.toISOString(),
    durationMs: Math.round(performance.timeOrigin + performance.now() - startedAt.getTime()),
    exitCode: strays.length === 0 || exitCode === 130 || exitCode === 5 ? exitCode : 3,
    summary: summarize(hosts),
    hosts,
    ...(controller === undefined ? {} : { controller }),
    selection: run.selection,
    ...(run.shard === undefined ? {} : { shard: run.shard }),
    ...(failOn === undefined ? {} : { failOn }),
    ...(strays.length === 0 ? {} : { problems: [...strays] }),
    ...(waivers === undefined ? {} : { waivers: waiverRecords(waivers, seen, today) }),
  };
}

export function textContext(
  run: Run,
  sessions: readonly HostSession[],
  options: RunOptions,
  environment: Environment,
  recordPath: string | undefined,
): TextContext {
  const stream = options.json === "-" ? environment.stderr : environment.stdout;
  const { colour, interactive, unicode, width } = terminalOf(stream, environment.env);
  const [first = "", ...more] = options.inventory;
  const pairs = (flag: string, values: readonly string[]) => values.flatMap((value) => [flag, value]);
  const given = (flag: string, value: string | undefined) => (value === undefined ? [] : [flag, value]);
  return {
    plays: run.playbook.plays.map(({ name, tasks }) => ({ name, taskCount: tasks.length })),
    hostFacts: hostFactsForTexts(sessions),
    program: environment.program,
    inventoryArgument: first,
    ...(options.playbook === undefined ? {} : { playbookArgument: options.playbook }),
    otherArguments: [
      ...pairs("-i", more),
      ...given("--to", options.to === "last" ? undefined : options.to),
      ...given("--limit", options.limit),
      ...given("--shard", options.shard && `${options.shard.index}/${options.shard.count}`),
      ...given("--retry-failed", options.retryFailed),
      ...pairs("--tags", options.tags),
      ...pairs("--skip-tags", options.skipTags),
      ...pairs("-e", options.extraVars),
      ...pairs("--accept", [...options.accept]),
      ...given("--user", options.user),
      ...given("--private-key", options.privateKey),
      ...(options.password === undefined ? [] : ["--ask-pass"]),
      ...(options.become === true ? ["--become"] : []),
      ...(options.becomePassword === undefined ? [] : ["--ask-become-pass"]),
      ...given("--known-hosts", options.knownHosts),
      ...given("--state", options.state),
      ...given("--waivers", options.waivers),
    ],
    ...(recordPath === undefined ? {} : { recordPath }),
    failOnImpact: stopsOnImpact(options),
    verbose: options.verbose,
    unattended: !interactive && !options.verbose && !options.diff,
    diff: options.diff,
    width,
    colour,
    unicode,
  };
}

/** Whether `--fail-on-impact` was given, and not taken back for this run by `--accept impact`. */
export function stopsOnImpact({ failOnImpact, accept }: RunOptions): boolean {
  return failOnImpact && !accept.has("impact");
}

/** Prints the result, writes the record where it was asked for, and gives the exit code. */
export async function report(
  record: RunRecord,
  text: string,
  options: RunOptions,
  environment: Environment,
): Promise<number> {
  (options.json === "-" ? environment.stderr : environment.stdout).write(text);
  await writeAsAsked(record, options, environment);
  return record.exitCode;
}

export function warn(warnings: readonly string[], environment: Environment): void {
  for (const warning of warnings) environment.stderr.write(`warning: ${printable(warning)}\n`);
}

/** Several names for one machine are done once: the same machine-id and the same start of the same unit. */
export function onePerMachine(sessions: readonly HostSession[]): {
  pending: HostSession[];
  /** The other names, each with the session that does the work. */
  aliases: ReadonlyMap<HostSession, HostSession>;
} {
  const first = new Map<string, HostSession>();
  const aliases = new Map<HostSession, HostSession>();
  const pending = sessions.filter((session) => {
    const facts = session.observation?.facts;
    const machine = `${facts?.host.machineId} ${facts?.service.unit} ${facts?.service.properties.get("InvocationID")}`;
    const other = first.get(machine);
    if (other === undefined) {
      first.set(machine, session);
      return true;
    }
    aliases.set(session, other);
    session.record.status = "unchanged";
    for (const task of session.record.tasks) {
      Object.assign(task, {
        status: "skipped",
        reason: `the same machine as ${other.job.host}: done there`,
        changes: [],
      });
    }
    session.record.checks = [];
    session.record.restart.needed = false;
    return false;
  });
  return { pending, aliases };
}

/** Asks on the terminal. */
export async function confirmed({ stdin, stderr }: Environment, question: string): Promise<boolean> {
  const terminal = createInterface({ input: stdin, output: stderr });
  try {
    const answer = await terminal.question(`${question}? [y/N] `);
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    terminal.close();
  }
}
