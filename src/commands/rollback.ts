import { changeHosts } from "../fleet/change-hosts.ts";
import { Secret } from "../lib/secret.ts";
import { endpointOf } from "../plan/endpoint.ts";
import { planGiveBack } from "../plan/give-back.ts";
import { standingRuns, stateBefore } from "../plan/kept-state.ts";
import { hashPassword } from "../redis/acl-rule.ts";
import type { ServerLogin } from "../redis/server-login.ts";
import type { Progress } from "../report/progress.ts";
import {
  ask,
  failWith,
  type HostSession,
  hasPassword,
  type Observation,
  openConnection,
} from "../run/observe.ts";
import type { Environment, RunOptions } from "../run/options.ts";
import type { Run } from "../run/prepare.ts";
import type { HostSecrets } from "../run/secrets.ts";
import { transactionProgram } from "../shell/program.ts";
import { compileGiveBack, compileUndo, type Login, signature } from "../transaction/compile.ts";
import {
  confirmOrRollBack,
  failTransaction,
  loginBefore,
  newTransaction,
  runTransaction,
} from "../transaction/controller-side.ts";

/**
 * Puts back what the last run changed on each host, as a transaction of its own. A host that somebody has changed since
 * is refused; one where the last run was a rollback, or where there was none, stays as it is.
 */
export async function rollback(options: RunOptions, environment: Environment): Promise<number> {
  const asRoot = { ...options, become: true };
  return await changeHosts("rollback", asRoot, environment, {
    question: "Put this back on",
    before: async () => {},
    work: (run, session, progress) => rollBackHost(run, session, options, environment, progress),
  });
}

/**
 * The login of all servers, for a host that gets it back. By the controller's own record alone: whoever rules a host that never
 * had it, or gave it up in another run, would open the others with it.
 */
function sharedOf({ shared }: HostSecrets, source: string): ServerLogin | undefined {
  return shared?.replacedIn === source ? shared.login : undefined;
}

/** The plan that was shown, made again of the same facts by the same function, and how Redis is reached once it is carried out. */
function wayBack(observation: Observation) {
  const { facts, server, secrets } = observation;
  const state = stateBefore(standingRuns(facts.kept, server.unit));
  const last = facts.kept.runs.at(-1)?.id;
  if (state === undefined || last === undefined) throw new Error("nothing is to be undone");
  const signatureOf = (path: string) => signature(facts, path);
  const plan = planGiveBack({ facts, server, state, destination: "original", signatureOf });
  const user = (name: string) => plan.users.get(name);
  const byDefault = user("default");
  const requirepass = plan.config.get("requirepass")?.[0];
  const admin = [secrets.login, ...secrets.earlier].find(
    (login) => login !== undefined && user(login.user)?.passwords.has(hashPassword(login.password)),
  );
  const auth =
    admin !== undefined
      ? admin
      : requirepass === undefined || byDefault?.enabled !== true
        ? undefined
        : { password: new Secret(requirepass) };
  const isOpen = byDefault?.enabled === true && byDefault.nopass;
  const after: Login = {
    endpoint: endpointOf(server, plan.config),
    auth,
    isKnown: auth !== undefined || isOpen,
  };
  return { plan, created: state.created, first: state.runs[0], last, facts, after };
}

async function rollBackHost(
  run: Run,
  session: HostSession,
  options: RunOptions,
  environment: Environment,
  progress: Progress,
): Promise<void> {
  const { job, record, observation } = session;
  const source = record.undoes?.at(-1)?.transaction;
  if (observation === undefined || source === undefined) return;
  const startedAt = performance.now() - record.durationMs;
  const tell = (text: string) => progress.update(job.host, text);
  let hasBegun = false;
  let hasSharedAgain = false;
  try {
    const transaction = newTransaction();
    record.transaction = transaction.id;
    const common = {
      ...transaction,
      server: observation.server,
      before: loginBefore(observation),
      program: transactionProgram(),
      recoverUnit: run.render("redkeep-recover.service.ejs", { unit: observation.server.unit }),
    };
    const program =
      options.to === "original"
        ? compileGiveBack({ ...common, ...wayBack(observation) })
        : compileUndo({
            ...common,
            source,
            admins: [
              observation.secrets.login,
              ...observation.secrets.earlier,
              sharedOf(observation.secrets, source),
            ].filter((login) => login !== undefined),
          });
    if (session.connection?.isOpen !== true)
      session.connection = await openConnection(session, environment.interrupted);
    tell("putting back");
    const outcome = await runTransaction(session, program, transaction);
    hasBegun = true;
    record.restart = {
      needed: (outcome?.unavailableMs ?? 0) > 0,
      unavailableMs: outcome?.unavailableMs ?? 0,
    };
    if (outcome?.state !== "applied") {
      failTransaction(session, outcome);
      return;
    }
    tell("logging in anew");
    // The host has compared every file with what the run found; a new login and a running server are left to be seen.
    await confirmOrRollBack(session, transaction, tell, async () => {
      record.roundTrips++;
      const fresh = await ask(session, false);
      const shared = sharedOf(observation.secrets, source);
      hasSharedAgain = fresh !== undefined && shared !== undefined && hasPassword(fresh.facts, shared);
      if (fresh === undefined) return [record.error?.found ?? "the host could not be asked"];
      return fresh.facts.service.process === undefined && observation.facts.service.process !== undefined
        ? ["Redis does not run"]
        : [];
    });
  } catch (error) {
    failWith(session, error);
    if (!hasBegun) return;
    record.status = "unknown";
  } finally {
    record.durationMs = Math.round(performance.now() - startedAt);
    session.connection?.close();
    const isDone = record.status === "changed";
    if (isDone && hasSharedAgain) await run.secrets.noteShared(observation.secrets);
    // In the record of a rollback, `rolled-back` is what was asked for; one that did not hold has failed.
    if (isDone) record.status = "rolled-back";
    else if (record.status === "rolled-back" && record.error !== null) {
      record.status = "failed";
      record.error.state = "as the last run left it: the rollback was taken back";
    }
    for (const task of record.tasks)
      if (task.status === "would-change") task.status = isDone ? "changed" : "failed";
  }
}
