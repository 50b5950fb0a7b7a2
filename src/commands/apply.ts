import { randomBytes } from "node:crypto";
import { hostname, userInfo } from "node:os";
import { createInterface } from "node:readline/promises";
import { setTimeout } from "node:timers/promises";
import {
  CONFIRM_WINDOW,
  type CompileInput,
  capSeconds,
  compileApply,
  compileConfirm,
  compileRollback,
  compileStatus,
  type Login,
  NOT_BEGUN,
  parseReport,
  type TransactionReport,
} from "../apply/compile.ts";
import { type Connection, HostError } from "../connection/connection.ts";
import { InputError } from "../errors.ts";
import { issueServerCertificate } from "../pki/openssl.ts";
import { changesOf, type HostPlan, hasChanges } from "../plan/plan.ts";
import { pool } from "../pool.ts";
import { parseConfig } from "../redis/config-document.ts";
import { applyText } from "../report/apply-text.ts";
import { writeRecord } from "../report/json.ts";
import { planPreview } from "../report/plan-text.ts";
import type { Progress } from "../report/progress.ts";
import type { CheckRecord } from "../report/record.ts";
import { Secret } from "../secret.ts";
import { type TlsParams, tlsPaths, wantedNames } from "../tasks/tls.ts";
import { transactionProgram } from "../templates.ts";
import { inBatches } from "./batches.ts";
import {
  ask,
  checksFor,
  fail,
  failWith,
  type HostSession,
  type Observation,
  openConnection,
  planFor,
  toRecord,
} from "./observe.ts";
import type { Environment, RunOptions } from "./options.ts";
import { plan } from "./plan.ts";
import { prepare, type Run } from "./prepare.ts";
import { adminOf } from "./secrets.ts";
import { observeAll, outcomeText, recordOf, report, startProgress, textContext, warn } from "./session.ts";

/** Makes it so: observe, show, ask, one transaction for each host, and proof over a new login before it counts. */
export async function apply(options: RunOptions, environment: Environment): Promise<number> {
  if (options.check) return await plan(options, environment);
  if (!options.yes && !(environment.stdin.isTTY && environment.stderr.isTTY)) {
    throw new InputError({ key: "--yes", message: "is needed to apply without a terminal (or say --check)" });
  }
  const startedAt = new Date();
  const run = await prepare(options, environment);
  warn(run, environment);
  let progress = startProgress(run, "apply", environment);
  const sessions = await observeAll(run, options, environment, "apply", progress);
  const pending = onePerMachine(sessions.filter((session) => isPending(session)));
  if (!options.yes && pending.length > 0) {
    await progress.stop();
    const preview = recordOf("plan", sessions, startedAt, environment);
    environment.stdout.write(
      planPreview(preview, textContext(run, sessions, options, environment, undefined)),
    );
    if (!(await confirmed(environment, pending.length))) {
      for (const session of pending) session.connection?.close();
      environment.stderr.write("Nothing was changed.\n");
      return 0;
    }
    progress = startProgress(run, "apply", environment);
  }
  try {
    await makeMissing(run, pending);
    await inBatches(run.playbook.plays, sessions, pending, environment.interrupted, (batch) =>
      pool(batch, options.forks, async (session) => {
        if (environment.interrupted.aborted) return;
        await applyHost(run, session, options, environment, progress);
        progress.done(session.job.host, session.record.status, outcomeText(session, "apply"));
      }),
    );
  } finally {
    for (const session of sessions) session.connection?.close();
    await progress.stop();
  }
  for (const { record } of sessions) {
    if (record.status === "would-change") record.status = "not-started";
    // What was put back or never touched was not verified: the checks would speak of a state that is not the result.
    if (record.status !== "changed" && record.status !== "unchanged") {
      record.checks = [];
      record.restart.unavailableMs = 0;
    }
  }
  const record = recordOf("apply", sessions, startedAt, environment);
  // Down to the millisecond: two runs may start in the same second.
  const path = await run.state.pathFor(`runs/${startedAt.toISOString().replaceAll(":", "-")}.json`);
  await writeRecord(record, path);
  return await report(
    record,
    applyText(record, textContext(run, sessions, options, environment, path)),
    options,
    environment,
  );
}

function isPending({ plan, record }: HostSession): boolean {
  return plan !== undefined && record.error === null && hasChanges(plan);
}

/** Several names for one machine are done once: the same machine-id and the same start of the same unit. */
function onePerMachine(sessions: readonly HostSession[]): HostSession[] {
  const first = new Map<string, string>();
  return sessions.filter((session) => {
    const facts = session.observation?.facts;
    const machine = `${facts?.host.machineId} ${facts?.service.unit} ${facts?.service.properties.get("InvocationID")}`;
    const other = first.get(machine);
    if (other === undefined) {
      first.set(machine, session.job.host);
      return true;
    }
    session.record.status = "unchanged";
    for (const task of session.record.tasks) {
      Object.assign(task, {
        status: "skipped",
        reason: `the same machine as ${other}: done there`,
        changes: [],
      });
    }
    session.record.checks = [];
    session.record.restart.needed = false;
    return false;
  });
}

async function confirmed({ stdin, stderr }: Environment, hosts: number): Promise<boolean> {
  const terminal = createInterface({ input: stdin, output: stderr });
  try {
    const answer = await terminal.question(`Apply this to ${hosts} host${hosts === 1 ? "" : "s"}? [y/N] `);
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    terminal.close();
  }
}

/** Passwords, CA and client certificates that the hosts will need: stored here before any host is touched. */
async function makeMissing(run: Run, pending: readonly HostSession[]): Promise<void> {
  const missing = { passwords: new Set<string>(), ca: false };
  for (const { observation } of pending) {
    for (const name of observation?.secrets.missing.passwords ?? []) missing.passwords.add(name);
    missing.ca ||= observation?.secrets.missing.ca ?? false;
  }
  await run.secrets.make(missing);
  const issued = new Set<string>();
  for (const { job, observation } of pending) {
    if (observation === undefined) continue;
    observation.secrets = await job.secrets(observation.tasks.tasks);
    const tls = observation.tasks.tasks.find(({ task }) => task === "tls")?.params as TlsParams | undefined;
    const clients = tls?.clients.join() ?? "";
    if (tls === undefined || issued.has(clients)) continue;
    issued.add(clients);
    await run.secrets.issueClients(observation.secrets, tls);
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
    const plan = planFor(observation, context, () => `RK_${randomBytes(12).toString("hex").toUpperCase()}`);
    const id = `${new Date().toISOString().replace(/[-:]/g, "").replace(/\.\d+/, "")}-${randomBytes(4).toString("hex")}`;
    const nonce = randomBytes(16).toString("hex");
    const program = compileApply(await compileInput(session, observation, plan, run, id, nonce));
    // The plan may have been read for longer than a firewall keeps a silent connection.
    if (!session.connection.isOpen)
      session.connection = await openConnection(session, environment.interrupted);
    tell(plan.actions.restart ? "validating, changing, restarting" : "validating, changing");
    const outcome = await runTransaction(session, program, id, nonce);
    hasBegun = true;
    record.restart = { needed: plan.actions.restart, unavailableMs: outcome?.unavailableMs ?? 0 };
    if (outcome?.state !== "applied") {
      failTransaction(session, outcome);
      return;
    }
    tell("logging in anew");
    await confirmOrRollBack({ run, session, options, plan, id, nonce, tell });
  } catch (error) {
    failWith(session, error);
    if (!hasBegun) return;
    if (session.record.error !== null)
      session.record.error.state =
        "not known: if it was changed, it puts itself back within a minute unless it is confirmed";
    session.record.status = "unknown";
  } finally {
    record.durationMs = Math.round(performance.now() - startedAt);
    session.connection?.close();
    for (const task of record.tasks) {
      if (task.status === "would-change") task.status = record.status === "changed" ? "changed" : "failed";
    }
  }
}

const CONFIRM_TIMEOUT = 90_000;

/** Milliseconds for which a host that fell silent is tried again: until it has put itself back in any case. */
const ASK_AGAIN_FOR = (CONFIRM_WINDOW + 30) * 1000;

/** @throws HostError only where nothing began on the host. */
async function runTransaction(
  session: HostSession,
  program: string,
  id: string,
  nonce: string,
): Promise<TransactionReport | undefined> {
  const { connection, observation, record } = session;
  if (connection === undefined || observation === undefined) throw new Error("not connected");
  try {
    // The host's own cap ends it before that, and putting back takes as long at most.
    const timeoutMs = 3 * capSeconds(observation.server) * 1000;
    const { status, stdout, stderr } = await connection.run(program, { timeoutMs });
    const outcome = parseReport(stdout.toString("utf8"), nonce);
    if (outcome !== undefined) return outcome;
    if (status === NOT_BEGUN) {
      throw new HostError(
        "failed",
        `the host cannot take the transaction: ${stderr.trim() || "nothing can be written to /var/lib/redkeep"}`,
        "see that /var/lib has room, and that /var/lib/redkeep is root's alone (mode 0700)",
      );
    }
  } catch (error) {
    if (!(error instanceof HostError) || error.kind !== "lost") throw error;
  } finally {
    record.roundTrips++;
  }
  // The reply was lost, not the host: it goes on alone.
  return await askAgain(session, compileStatus(id, nonce), nonce);
}

/**
 * Asks over new logins until the host has answered. An interruption does not end it: what is under way is settled.
 * Undefined where it stayed silent.
 */
async function askAgain(
  session: HostSession,
  script: string,
  nonce: string,
): Promise<TransactionReport | undefined> {
  const until = performance.now() + ASK_AGAIN_FOR;
  while (performance.now() < until) {
    try {
      const connection = await openConnection(session, new AbortController().signal);
      try {
        const outcome = await status(session, connection, script, nonce);
        if (outcome !== undefined) return outcome;
      } finally {
        connection.close();
      }
    } catch (error) {
      if (!(error instanceof HostError)) throw error;
    }
    await setTimeout(1000);
  }
  return undefined;
}

async function status(
  { record }: HostSession,
  connection: Connection,
  script: string,
  nonce: string,
): Promise<TransactionReport | undefined> {
  record.roundTrips++;
  const { stdout } = await connection.run(script, { timeoutMs: CONFIRM_TIMEOUT });
  return parseReport(stdout.toString("utf8"), nonce);
}

/** Over this connection, or over others where it is gone: each script may run twice. */
async function settle(
  session: HostSession,
  connection: Connection | undefined,
  script: string,
  nonce: string,
): Promise<TransactionReport | undefined> {
  try {
    const outcome = connection === undefined ? undefined : await status(session, connection, script, nonce);
    if (outcome !== undefined) return outcome;
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
  }
  return await askAgain(session, script, nonce);
}

interface Proof {
  run: Run;
  session: HostSession;
  options: RunOptions;
  plan: HostPlan;
}

/** A new TCP connection, key exchange and login; fresh facts; only then the host may keep what it has. */
async function confirmOrRollBack(
  given: Proof & { id: string; nonce: string; tell: (text: string) => void },
): Promise<void> {
  const { session, id, nonce, tell } = given;
  const { record } = session;
  const rollBack = async (over: Connection | undefined, where: string, found: string): Promise<void> => {
    tell("putting back");
    const outcome = await settle(session, over, compileRollback(id, nonce), nonce);
    failTransaction(session, outcome);
    if (record.error === null) return;
    if (record.status === "rolled-back") Object.assign(record.error, { where, found });
    else record.error.found = `${found}\n${record.error.found}`;
  };
  const before = session.connection;
  let fresh: Connection;
  try {
    fresh = await openConnection(session, new AbortController().signal);
  } catch (error) {
    await rollBack(before, "log in anew", `a new login did not work: ${messageOf(error)}`);
    return;
  }
  session.connection = fresh;
  try {
    tell("verifying");
    const broken = await freshProof(given).catch((error: unknown) => [messageOf(error)]);
    if (broken.length > 0) {
      await rollBack(fresh, "verify", broken.join("\n"));
      return;
    }
    // A lost reply may have been a yes: only what is read back counts.
    const outcome = await settle(session, fresh, compileConfirm(id, nonce, nonce), nonce);
    if (outcome?.state === "committed") record.status = "changed";
    else failTransaction(session, outcome);
  } finally {
    before?.close();
  }
}

/** Puts fresh facts into the record; returns what they do not bear out. */
async function freshProof({ run, session, options, plan }: Proof): Promise<string[]> {
  const { record } = session;
  record.roundTrips++;
  const observation = await ask(session, true);
  if (observation === undefined) return [record.error?.found ?? "the host could not be asked"];
  session.observation = observation;
  const stood = new Set(record.checks.filter(({ outcome }) => outcome === "fail").map(findingOf));
  const checks = checksFor(observation, run.render);
  record.checks = checks.map(toRecord);
  // What failed before just so is reported, and putting everything back would not mend it.
  const broken = checks.filter((check) => !stood.has(findingOf(check)));
  return brokenPromises(plan, observation, broken, run, options);
}

function messageOf(error: unknown): string {
  if (error instanceof HostError || error instanceof InputError) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
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

function putBack({ keysBefore }: TransactionReport): string {
  return `put back as it was found; Redis answers${keysBefore === undefined ? "" : `, ${keysBefore} keys were there before`}`;
}

/** A transaction that did not get as far as being confirmed, in the four parts of every failure. */
function failTransaction(session: HostSession, outcome: TransactionReport | undefined): void {
  if (outcome?.state === undefined) {
    fail(session, "unknown", {
      where: "transaction",
      found: "the host did not say how the transaction ended",
      state: "not known; an unconfirmed change puts itself back within a minute",
      remedy: "run redkeep verify",
    });
    return;
  }
  const { state, journal } = outcome;
  const failures = journal.filter((line) => line.startsWith("fail ")).map((line) => line.slice(5));
  const steps = journal.filter((line) => !/^(fail|rollback|restore|rolled_back|edited)\b/.test(line));
  const step = steps.at(-1) ?? "start";
  switch (state) {
    case "refused": {
      const [, why = "", what = ""] = /^(stale|refused|locked) (.*)$/m.exec(journal.join("\n")) ?? [];
      fail(
        session,
        "refused",
        why === "locked"
          ? {
              where: "lock",
              found: `another run is at work here: ${what || "unknown"}`,
              remedy:
                "wait until it has ended, then run again; an unconfirmed one puts itself back within minutes",
            }
          : {
              where: "stale plan",
              found: why === "stale" ? `changed since it was looked at: ${what}` : what,
              remedy: "run again: the plan is made anew",
            },
      );
      return;
    }
    case "rolled_back":
      fail(session, "rolled-back", {
        where: step,
        found:
          failures.join("\n") ||
          (step === "applied"
            ? `the change was not confirmed within ${CONFIRM_WINDOW} s`
            : `the step "${step}" did not end`),
        state: putBack(outcome),
        remedy: "correct the cause, then run again",
      });
      return;
    case "prepared":
    case "applying":
    case "rolling_back":
      // Nothing was changed before the nets were armed.
      if (!journal.includes("armed")) {
        fail(session, "failed", {
          where: step === "backup" ? "validate" : step,
          found: failures.join("\n") || outcome.log || `the step "${step}" did not end`,
          remedy: "correct the cause, then run again",
        });
        return;
      }
      break;
    default:
  }
  fail(session, state === "needs_human" ? "failed" : "unknown", {
    where: state,
    found:
      [...failures, ...journal.filter((line) => /^(edited|not restored|redis )/.test(line))].join("\n") ||
      state,
    state:
      state === "needs_human"
        ? "part of the change is still there: someone edited a file meanwhile, so nothing more was touched"
        : "not known",
    remedy: `look at /var/lib/redkeep/txn on the host, then run again`,
  });
}

async function compileInput(
  session: HostSession,
  observation: Observation,
  plan: HostPlan,
  run: Run,
  id: string,
  nonce: string,
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
        )
      : undefined;
  return {
    plan,
    facts,
    server,
    holder: `${userInfo().username}@${hostname()} since ${new Date().toISOString()}`,
    id,
    nonce,
    issued,
    before: loginBefore(observation),
    after: loginAfter(observation, config),
    transaction: transactionProgram(),
    recoverUnit: run.render("redkeep-recover.service.ejs", { unit: server.unit }),
  };
}

/** The way in that the probe found. */
function loginBefore({ facts, server, secrets, tasks }: Observation): Login {
  const { user, endpoint } = facts.redis;
  const admin = adminOf(tasks)?.name;
  const password = admin === undefined ? undefined : secrets.password(admin);
  if (user !== undefined && user === admin && password !== undefined && "value" in password) {
    return { endpoint, auth: { user, password: password.value }, isKnown: true };
  }
  const requirepass = server.config.get("requirepass")?.[0];
  const auth = requirepass === undefined ? undefined : { password: new Secret(requirepass) };
  return { endpoint, auth, isKnown: user !== undefined };
}

/** The way in that the plan leads to: the Unix socket where there will be one. */
function loginAfter(observation: Observation, config: Observation["server"]["config"]): Login {
  const { server, secrets, tasks } = observation;
  const admin = adminOf(tasks)?.name;
  const password = admin === undefined ? undefined : secrets.password(admin);
  const socket = config.get("unixsocket")?.[0];
  const port = config.get("port")?.[0] ?? "6379";
  const tlsPort = config.get("tls-port")?.[0] ?? "0";
  const bound = (config.get("bind") ?? ["127.0.0.1"]).map((text) => text.replace(/^-/, ""));
  const address =
    bound.includes("127.0.0.1") || bound.includes("0.0.0.0") || bound.includes("*")
      ? "127.0.0.1"
      : (bound[0] ?? "127.0.0.1");
  const paths = tlsPaths(server.configPath);
  const endpoint =
    socket !== undefined && socket !== ""
      ? ["-s", socket]
      : port !== "0"
        ? ["-h", address, "-p", port]
        : [
            "-h",
            address,
            "-p",
            tlsPort,
            "--tls",
            "--cacert",
            paths.ca,
            "--cert",
            paths.certificate,
            "--key",
            paths.key,
          ];
  if (password !== undefined && admin !== undefined && "value" in password) {
    return { endpoint, auth: { user: admin, password: password.value }, isKnown: true };
  }
  return { ...loginBefore(observation), endpoint };
}
