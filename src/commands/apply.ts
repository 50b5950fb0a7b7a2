import { randomBytes } from "node:crypto";
import type { HostFacts } from "../facts/probe.ts";
import { changeHosts } from "../fleet/change-hosts.ts";
import { Secret } from "../lib/secret.ts";
import { issueServerCertificate } from "../pki/openssl.ts";
import { noticedSince } from "../plan/noticed.ts";
import { changesOf, type HostPlan } from "../plan/plan.ts";
import type { CheckRecord } from "../record/record.ts";
import { parseConfig } from "../redis/config-document.ts";
import type { Progress } from "../report/progress.ts";
import {
  ask,
  checksFor,
  failWith,
  type HostSession,
  type Observation,
  openConnection,
  planFor,
  setAccess,
  setCertificates,
  toRecord,
} from "../run/observe.ts";
import type { Environment, RunOptions } from "../run/options.ts";
import type { Run } from "../run/prepare.ts";
import { transactionProgram } from "../shell/program.ts";
import { reasonToCall, type TlsParams, wantedNames } from "../tasks/tls.ts";
import { type CompileInput, compileApply } from "../transaction/compile.ts";
import {
  confirmOrRollBack,
  failTransaction,
  loginAfter,
  loginBefore,
  newTransaction,
  runTransaction,
  type Transaction,
} from "../transaction/controller-side.ts";
import { plan } from "./plan.ts";

/** Makes it so: observe, show, ask, one transaction for each host, and proof over a new login before it counts. */
export async function apply(options: RunOptions, environment: Environment): Promise<number> {
  if (options.check) return await plan(options, environment);
  return await changeHosts("apply", options, environment, {
    question: "Apply this to",
    before: makeMissing,
    work: (run, session, progress) => applyHost(run, session, options, environment, progress),
  });
}

/** Passwords and the CA that the hosts will need: stored here before any host is touched. */
async function makeMissing(run: Run, pending: readonly HostSession[]): Promise<void> {
  const missing = { passwords: new Set<string>(), serverKeys: new Set<string>(), ca: false };
  for (const { observation } of pending) {
    for (const name of observation?.secrets.missing.passwords ?? []) missing.passwords.add(name);
    for (const user of observation?.secrets.missing.serverKeys ?? []) missing.serverKeys.add(user);
    missing.ca ||= observation?.secrets.missing.ca ?? false;
  }
  await run.secrets.make(missing);
  for (const { job, observation } of pending) {
    if (observation !== undefined) observation.secrets = await job.secrets(observation.tasks.tasks);
  }
}

/** One host: one transaction, confirmed over a new login. Whatever happens ends in the record. */
async function applyHost(
  run: Run,
  session: HostSession,
  options: RunOptions,
  environment: Environment,
  progress: Progress,
): Promise<void> {
  const { job, record, observation } = session;
  if (observation === undefined || session.connection === undefined) return;
  const startedAt = performance.now() - record.durationMs;
  const tell = (text: string) => progress.update(job.host, text);
  let hasBegun = false;
  try {
    const context = { accepted: options.accept, render: run.render };
    // The same facts and the same function as the plan that was shown; now with the secrets that were only promised.
    const plan = planFor(observation, context, drawName);
    const transaction = newTransaction();
    session.transaction = transaction.id;
    record.transaction = transaction.id;
    const program = compileApply(await compileInput(session, observation, plan, run, transaction));
    // The plan may have been read for longer than a firewall keeps a silent connection.
    if (!session.connection.isOpen)
      session.connection = await openConnection(session, environment.interrupted);
    tell(plan.actions.restart ? "validating, changing, restarting" : "validating, changing");
    const changedAt = performance.now();
    const outcome = await runTransaction(session, program, transaction);
    hasBegun = true;
    record.restart = { needed: plan.actions.restart, unavailableMs: outcome?.unavailableMs ?? 0 };
    if (outcome?.state !== "applied") {
      failTransaction(session, outcome);
      return;
    }
    const since = { changedAt, facts: observation.facts };
    tell("logging in anew");
    await confirmOrRollBack(session, transaction, tell, () =>
      freshProof({ run, session, options, plan, since }),
    );
  } catch (error) {
    failWith(session, error);
    if (!hasBegun) return;
    if (session.record.error !== null)
      session.record.error.state =
        "not known: if it was changed, it puts itself back by itself unless it is confirmed";
    session.record.status = "unknown";
  } finally {
    record.durationMs = Math.round(performance.now() - startedAt);
    session.connection?.close();
    for (const task of record.tasks) {
      if (task.status === "would-change") task.status = record.status === "changed" ? "changed" : "failed";
    }
  }
}

/** What a renamed command is called from now on: whoever knows it can run the command. */
function drawName(): string {
  return new Secret(`RK_${randomBytes(12).toString("hex").toUpperCase()}`).reveal();
}

interface Proof {
  run: Run;
  session: HostSession;
  options: RunOptions;
  plan: HostPlan;
  /** `performance.now()` when the change began, and what the host said before. */
  since: { changedAt: number; facts: HostFacts };
}

/** Puts fresh facts into the record; returns what they do not bear out. */
async function freshProof({ run, session, options, plan, since }: Proof): Promise<string[]> {
  const { record } = session;
  record.roundTrips++;
  const observation = await ask(session, true);
  if (observation === undefined) return [record.error?.found ?? "the host could not be asked"];
  session.observation = observation;
  setAccess(record, observation);
  setCertificates(record, observation);
  const seconds = (performance.now() - since.changedAt) / 1000;
  record.impact = [...plan.impact, ...noticedSince(since.facts, observation.facts, seconds)];
  const stood = new Set(record.checks.filter(({ outcome }) => outcome === "fail").map(findingOf));
  const checks = checksFor(observation, run.render);
  record.checks = checks.map(toRecord);
  // What failed before just so is reported, and putting everything back would not mend it.
  const broken = checks.filter((check) => !stood.has(findingOf(check)));
  return brokenPromises(plan, observation, broken, run, options);
}

function findingOf({ control, expected, observed }: CheckRecord): string {
  return JSON.stringify([control, expected, observed]);
}

/** What this run changed and fresh facts do not show, or a check of it that fails. */
function brokenPromises(
  plan: HostPlan,
  observation: Observation,
  checks: readonly ReturnType<typeof checksFor>[number][],
  run: Run,
  options: RunOptions,
): string[] {
  const changed = new Set(plan.tasks.filter(({ changes }) => changes.length > 0).map(({ task }) => task));
  const again = planFor(observation, { accepted: options.accept, render: run.render }, () => "");
  const pending = changesOf(again).map(
    ({ address, after }) => `${address} is still to be set to ${after ?? "nothing"}`,
  );
  const failing = checks
    .filter(
      ({ outcome, isAdvisory, task, blockedBy }) =>
        !isAdvisory && changed.has(task) && (outcome === "fail" || blockedBy === "login"),
    )
    .map(
      ({ control, title, expected, observed }) =>
        `${control} ${title}: expected ${expected}, found ${observed}`,
    );
  return [...pending, ...failing];
}

async function compileInput(
  session: HostSession,
  observation: Observation,
  plan: HostPlan,
  run: Run,
  transaction: Transaction,
): Promise<CompileInput> {
  const { facts, server, tasks, secrets } = observation;
  const tls = tasks.tasks.find(({ task }) => task === "tls")?.params as TlsParams | undefined;
  const needsCertificate = plan.actions.files.some(({ content }) => "issued" in content);
  // The names that the plan's own redis.conf binds.
  const main = plan.actions.files.find(({ path }) => path === server.configPath)?.content;
  const config =
    main !== undefined && "text" in main
      ? parseConfig({ path: server.configPath, text: main.text })
      : server.config;
  const issued =
    needsCertificate && tls !== undefined && secrets.ca !== undefined
      ? await issueServerCertificate(
          secrets.ca,
          session.job.host,
          wantedNames({ params: tls, config, facts }),
          tls.valid_days,
          reasonToCall({ params: tls, config, server }) !== undefined,
        )
      : undefined;
  return {
    plan,
    facts,
    server,
    ...transaction,
    issued,
    before: loginBefore(observation),
    after: loginAfter(observation, config),
    program: transactionProgram(),
    recoverUnit: run.render("redkeep-recover.service.ejs", { unit: server.unit }),
  };
}
