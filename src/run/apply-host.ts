import { randomBytes } from "node:crypto";
import type { HostFacts } from "../facts/probe.ts";
import { Secret } from "../lib/secret.ts";
import { issueServerCertificate } from "../pki/issue.ts";
import { noticedSince } from "../plan/noticed.ts";
import { changesOf, type HostPlan, type ShownPlan } from "../plan/plan.ts";
import type { CheckRecord } from "../record/record.ts";
import { parseConfig } from "../redis/config-document.ts";
import { transactionProgram } from "../shell/program.ts";
import { paramsOf } from "../tasks/task.ts";
import { reasonToCall, wantedNames } from "../tasks/tls/certificate.ts";
import { type CompileInput, compileApply } from "../transaction/compile.ts";
import type { Transaction } from "../transaction/controller-side.ts";
import { loginAfter, loginBefore } from "../transaction/logins.ts";
import { toRecord } from "../verify/check-record.ts";
import { ask } from "./ask.ts";
import { changeHost, type Listener, type Proof } from "./change-host.ts";
import { checksFor, provedFindings } from "./findings.ts";
import { type DoneHost, type Host, type Observation, type PendingHost, wouldChange } from "./host.ts";
import { planFor } from "./plan-for.ts";
import type { Run } from "./run.ts";
import { lacksSecrets } from "./secrets.ts";

/** Whether the host is one that apply goes on with. */
export function wouldApply(host: Host): host is PendingHost<ShownPlan> {
  return wouldChange(host) && "actions" in host.plan;
}

/** Passwords and the CA that the hosts will need: stored here before any host is touched. */
export async function makeMissing(
  run: Run,
  pending: readonly PendingHost<ShownPlan>[],
): Promise<readonly PendingHost<ShownPlan>[]> {
  if (!pending.some(({ observation }) => lacksSecrets(observation.secrets))) return pending;
  const missing = { passwords: new Set<string>(), serverKeys: new Set<string>(), ca: false };
  for (const { observation } of pending) {
    const { passwords, serverKeys, ca } = observation.secrets.missing;
    for (const name of passwords) missing.passwords.add(name);
    for (const user of serverKeys) missing.serverKeys.add(user);
    missing.ca ||= ca;
  }
  await run.secrets.make(missing);
  return await Promise.all(
    pending.map(async (host) => {
      const { job, observation } = host;
      const secrets = await job.secrets(observation.tasks.tasks);
      return { ...host, observation: { ...observation, secrets } };
    }),
  );
}

/** Carries the plan out, and proves it over a new login before it counts. */
export async function applyHost(
  run: Run,
  planned: PendingHost<ShownPlan>,
  listener: Listener,
): Promise<DoneHost> {
  const { interrupted } = run.environment;
  const { observation, plan: shown } = planned;
  return await changeHost(planned, listener, interrupted, async (transaction) => {
    // The same facts and the same function as the plan that was shown; now with what that only promised.
    const plan = shown.isPromise ? planFor(observation, planContext(run), drawName) : shown;
    const { restart } = plan.actions;
    return {
      program: compileApply(await compileInput(planned.job.host, observation, plan, run, transaction)),
      doing: restart ? "validating, changing, restarting" : "validating, changing",
      restart: (report) => ({ needed: restart, unavailableMs: report?.unavailableMs ?? 0 }),
      prove: (host, changedAt) => freshProof(run, host, plan, { changedAt, facts: observation.facts }),
      outcome: (ending) => ending,
    };
  });
}

function planContext({ options, render }: Run) {
  return { accepted: options.accept, render };
}

/** A new name for a renamed command. It is a secret: whoever knows it can run the command. */
function drawName(): string {
  return new Secret(`RK_${randomBytes(12).toString("hex").toUpperCase()}`).reveal();
}

/**
 * The host by fresh facts, and what they do not bear out.
 * @param since `performance.now()` when the change began, and what the host said before
 */
async function freshProof(
  run: Run,
  host: Host,
  plan: HostPlan,
  since: { changedAt: number; facts: HostFacts },
): Promise<Proof> {
  const answer = await ask(host, { prove: true, isChanged: true });
  if ("outcome" in answer) return { host, broken: [answer.outcome.error.found] };
  const { observation } = answer;
  const seconds = (performance.now() - since.changedAt) / 1000;
  const failedBefore = new Set(
    host.findings.checks.filter(({ outcome }) => outcome === "fail").map(findingOf),
  );
  const checks = checksFor(observation, run.render);
  const { access: _, certificates: __, ...before } = host.findings;
  return {
    host: {
      ...host,
      observation,
      findings: { ...before, checks: checks.map(toRecord), ...provedFindings(observation) },
      work: {
        ...host.work,
        impact: [...plan.impact, ...noticedSince(since.facts, observation.facts, seconds)],
      },
    },
    // A check that failed in the same way before is only reported: rolling back would not fix it.
    broken: brokenPromises(
      plan,
      observation,
      checks.filter((check) => !failedBefore.has(findingOf(check))),
      run,
    ),
  };
}

function findingOf({ control, expected, observed }: CheckRecord): string {
  return JSON.stringify([control, expected, observed]);
}

/** The changes of this run that fresh facts do not show, and its checks that fail. */
function brokenPromises(
  plan: HostPlan,
  observation: Observation,
  checks: readonly ReturnType<typeof checksFor>[number][],
  run: Run,
): string[] {
  const changed = new Set(plan.tasks.filter(({ changes }) => changes.length > 0).map(({ task }) => task));
  const again = planFor(observation, planContext(run), () => "");
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
  host: string,
  observation: Observation,
  plan: HostPlan,
  run: Run,
  transaction: Transaction,
): Promise<CompileInput> {
  const { facts, server, tasks, secrets } = observation;
  const { tls } = paramsOf(tasks.tasks);
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
          host,
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
    state: run.state.mark,
    issued,
    before: loginBefore(observation),
    after: loginAfter(observation, config),
    program: transactionProgram(),
    recoverUnit: run.render("redkeep-recover.service.ejs", { unit: server.unit }),
  };
}
