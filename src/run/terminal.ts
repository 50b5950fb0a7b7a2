import { createInterface } from "node:readline/promises";
import { InputError } from "../lib/errors.ts";
import { printable } from "../lib/printable.ts";
import { NO_BREAK, plural } from "../lib/words.ts";
import type { RunRecord } from "../record/record.ts";
import { hasFailed } from "../record/summary.ts";
import { terminalOf } from "../report/colours.ts";
import type { TextContext } from "../report/layout.ts";
import { noticedOn } from "../report/plan-text.ts";
import { createProgress, type Progress } from "../report/progress.ts";
import { type Host, recordOf } from "./host.ts";
import type { Environment, RunOptions } from "./options.ts";
import type { Run } from "./run.ts";
import { judged, writeAsAsked } from "./run-record.ts";

/** What came of a host, for its line of the progress. */
export function outcomeText(run: Run, host: Host): string {
  const record = judged(run, recordOf(host));
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
  const parts =
    run.command === "verify"
      ? [checks]
      : [changes === 0 ? "" : plural(changes, "change").replaceAll(NO_BREAK, " "), checks];
  return parts.filter(Boolean).join(", ");
}

/** @param does what is done to the hosts, where the command and the playbook's name do not say it */
export function startProgress(run: Run, does?: string): Progress {
  const { command, jobs, environment } = run;
  const verb = {
    plan: "Planning",
    apply: "Applying",
    verify: "Verifying",
    rollback: "Rolling back",
    eject: "Taking redkeep off",
  }[command];
  const hosts = jobs.map(({ host }) => host);
  const names = [...new Set(jobs.flatMap(({ plays }) => plays.map(({ name }) => name)))].join(", ");
  return createProgress({
    stream: environment.stderr,
    hosts,
    title: `${does ?? `${verb} ${printable(names)}`}: ${hosts.length} host${hosts.length === 1 ? "" : "s"}`,
    command,
    env: environment.env,
  });
}

/** The progress of a command that only wants to know something: no word of a plan, which nobody asked for. */
export function startAsking(run: Run): Progress {
  const progress = startProgress(run, "Looking");
  return {
    ...progress,
    done: (host, status, text) =>
      hasFailed(status) ? progress.done(host, status, text) : progress.update(host, "has answered"),
  };
}

/** @param recordPath where the record was written, where not where `--json` says */
export function textContext(run: Run, hosts: readonly Host[], recordPath?: string): TextContext {
  const { options, environment } = run;
  const written = recordPath ?? (options.json === "-" ? undefined : options.json);
  const stream = options.json === "-" ? environment.stderr : environment.stdout;
  const { colour, interactive, unicode, width } = terminalOf(stream, environment.env);
  const [first, ...more] = inventoryAgain(options);
  return {
    plays: run.playbook.plays.map(({ name, tasks }) => ({ name, taskCount: tasks.length })),
    hostFacts: new Map(
      hosts.flatMap(({ job, system }) => (system === undefined ? [] : [[job.host, system]])),
    ),
    program: environment.program,
    ...(options.playbook === undefined ? {} : { playbookArgument: options.playbook }),
    ...(first === undefined ? {} : { inventoryArgument: first }),
    otherArguments: [...more.flatMap((path) => ["-i", path]), ...optionsAgain(options)],
    ...(written === undefined ? {} : { recordPath: written }),
    failOnImpact: stopsOnImpact(options),
    verbose: options.verbose,
    unattended: !interactive && !options.verbose && !options.diff,
    diff: options.diff,
    width,
    colour,
    unicode,
  };
}

/** What another command has to be given by `-i`: it finds by itself what the configuration names. */
export function inventoryAgain({ inventory, settings }: RunOptions): readonly string[] {
  return settings.inventory === undefined ? inventory : [];
}

/** The words behind `-i` by which another command takes the same hosts and variables, and reaches them in the same way. */
export function optionsAgain(options: RunOptions): string[] {
  const pairs = (flag: string, values: readonly string[]) => values.flatMap((value) => [flag, value]);
  const given = (flag: string, value: string | undefined) => (value === undefined ? [] : [flag, value]);
  return [
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
    ...given("--host-keys", options.hostKeys),
    ...(options.allowInventoryCommands ? ["--allow-inventory-commands"] : []),
    ...given("--state", options.state),
    ...options.vaultArguments,
    ...given("--waivers", options.waivers),
  ];
}

/** Whether `--fail-on-impact` was given, and not taken back for this run by `--accept impact`. */
export function stopsOnImpact({ failOnImpact, accept }: RunOptions): boolean {
  return failOnImpact && !accept.has("impact");
}

/** The plan of a run that `--fail-on-impact` would stop. 130 comes before 3 in the order of exit codes, and a plan knows no 5. */
export function stoppedByImpact({ options }: Run, record: RunRecord): RunRecord {
  const isStopped = stopsOnImpact(options) && noticedOn(record.hosts).length > 0 && record.exitCode !== 130;
  return isStopped ? { ...record, exitCode: 3 } : record;
}

/** Where the text of a run goes: the record alone is on stdout where it is asked for there. */
export function textStream({ options, environment }: Run): NodeJS.WriteStream {
  return options.json === "-" ? environment.stderr : environment.stdout;
}

/** Prints the result, writes the record where it was asked for, and gives the exit code. */
export async function report(run: Run, record: RunRecord, text: string): Promise<number> {
  textStream(run).write(text);
  await writeAsAsked(record, run);
  return record.exitCode;
}

export function warn(warnings: readonly string[], { stderr }: Environment): void {
  for (const warning of warnings) stderr.write(`warning: ${printable(warning)}\n`);
}

/** @throws InputError where hosts would be changed, nobody has said --yes, and there is no terminal to ask on. */
export function refuseUnasked(
  command: string,
  { yes, check }: RunOptions,
  { stdin, stderr }: Environment,
): void {
  if (yes || check || (stdin.isTTY && stderr.isTTY)) return;
  throw new InputError({
    key: "--yes",
    message: `is needed to ${command} without a terminal (or say --check)`,
  });
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
