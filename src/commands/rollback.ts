import { compileUndo } from "../apply/compile.ts";
import type { Progress } from "../report/progress.ts";
import type { ServerLogin } from "../server-login.ts";
import { transactionProgram } from "../templates.ts";
import { changeHosts } from "./change-hosts.ts";
import { ask, failWith, type HostSession, hasPassword, openConnection } from "./observe.ts";
import type { Environment, RunOptions } from "./options.ts";
import type { Run } from "./prepare.ts";
import type { HostSecrets } from "./secrets.ts";
import {
  confirmOrRollBack,
  failTransaction,
  loginBefore,
  newTransaction,
  runTransaction,
} from "./transaction.ts";

/**
 * Puts back what the last run changed on each host, as a transaction of its own. A host that somebody has changed since
 * is refused; one where the last run was a rollback, or where there was none, stays as it is.
 */
export async function rollback(options: RunOptions, environment: Environment): Promise<number> {
  return await changeHosts("rollback", { ...options, become: true }, environment, {
    question: "Put this back on",
    before: async () => {},
    work: (run, session, progress) => rollBackHost(run, session, environment, progress),
  });
}

/**
 * The login of all servers, for a host that gets it back. By the controller's own record alone: whoever rules a host that never
 * had it, or gave it up in another run, would open the others with it.
 */
function sharedOf({ shared }: HostSecrets, source: string): ServerLogin | undefined {
  return shared?.replacedIn === source ? shared.login : undefined;
}

async function rollBackHost(
  run: Run,
  session: HostSession,
  environment: Environment,
  progress: Progress,
): Promise<void> {
  const { job, record, observation } = session;
  const source = observation?.facts.transaction.last?.id;
  if (observation === undefined || source === undefined) return;
  const startedAt = performance.now() - record.durationMs;
  const tell = (text: string) => progress.update(job.host, text);
  let hasBegun = false;
  let hasSharedAgain = false;
  try {
    const transaction = newTransaction();
    const program = compileUndo({
      ...transaction,
      source,
      server: observation.server,
      before: loginBefore(observation),
      admins: [observation.secrets.login, sharedOf(observation.secrets, source)].filter(
        (login) => login !== undefined,
      ),
      program: transactionProgram(),
      recoverUnit: run.render("redkeep-recover.service.ejs", { unit: observation.server.unit }),
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
