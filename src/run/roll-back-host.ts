import type { ServerLogin } from "../facts/server-login.ts";
import { Secret } from "../lib/secret.ts";
import { endpointOf } from "../plan/endpoint.ts";
import type { WayBack } from "../plan/give-back.ts";
import { hashPassword } from "../redis/acl-user.ts";
import { transactionProgram } from "../shell/program.ts";
import type { Ending, Transaction } from "../transaction/controller-side.ts";
import { compileGiveBack } from "../transaction/give-back.ts";
import type { Login } from "../transaction/login-file.ts";
import { loginBefore } from "../transaction/logins.ts";
import { compileUndo } from "../transaction/undo.ts";
import { ask, hasPassword } from "./ask.ts";
import { type Change, changeHost, type Listener, type Proof } from "./change-host.ts";
import type { DoneHost, Observation, PendingHost } from "./host.ts";
import type { Run } from "./run.ts";
import type { HostSecrets } from "./secrets.ts";

/** Puts back what the plan shows, as a transaction of its own, and sees over a new login that Redis runs. */
export async function rollBackHost(
  run: Run,
  planned: PendingHost<WayBack>,
  listener: Listener,
): Promise<DoneHost> {
  const before = planned.observation;
  const source = planned.plan.undone.id;
  let sharedAgain: HostSecrets | undefined;
  const ended = await changeHost(planned, listener, run.environment.interrupted, async (transaction) => ({
    program: programOf(run, planned, transaction),
    doing: "putting back",
    restart: (report) => ({
      needed: (report?.unavailableMs ?? 0) > 0,
      unavailableMs: report?.unavailableMs ?? 0,
    }),
    // The host has compared every file with what the run found; a new login and a running server are left to be seen.
    prove: async (host): Promise<Proof> => {
      const answer = await ask(host, { isChanged: true });
      if ("outcome" in answer) return { host, broken: [answer.outcome.error.found] };
      const { facts } = answer.observation;
      const shared = sharedOf(before.secrets, source);
      sharedAgain = shared !== undefined && hasPassword(facts, shared) ? before.secrets : undefined;
      const isDown = facts.service.process === undefined && before.facts.service.process !== undefined;
      return { host, broken: isDown ? ["Redis does not run"] : [] };
    },
    outcome: outcomeOfRollback,
  }));
  listener.stands(ended);
  if (ended.outcome.status === "restored" && sharedAgain !== undefined)
    await run.secrets.noteShared(sharedAgain);
  return ended;
}

/** A rollback that was not confirmed has failed: the host is as the last run left it. */
function outcomeOfRollback(ending: Ending): ReturnType<Change["outcome"]> {
  if (ending.status === "changed") return { status: "restored", error: null };
  if (ending.status !== "rolled-back") return ending;
  const state = "as the last run left it: the rollback itself was undone";
  return { status: "failed", error: { ...ending.error, state } };
}

function programOf(run: Run, { observation, plan }: PendingHost<WayBack>, transaction: Transaction): string {
  const { server, secrets } = observation;
  const common = {
    ...transaction,
    state: run.state.mark,
    server,
    before: loginBefore(observation),
    program: transactionProgram(),
    recoverUnit: run.render("redkeep-recover.service.ejs", { unit: server.unit }),
  };
  if (run.options.to === "original") return compileGiveBack({ ...common, ...wayBack(observation, plan) });
  const source = plan.undone.id;
  const admins = [secrets.login, ...secrets.earlier, sharedOf(secrets, source)];
  return compileUndo({ ...common, source, admins: admins.filter((login) => login !== undefined) });
}

/**
 * The login of all servers, for a host that gets it back. By the controller's own record alone: whoever rules a host that never
 * had it, or gave it up in another run, would open the others with it.
 */
function sharedOf({ shared }: HostSecrets, source: string): ServerLogin | undefined {
  return shared?.replacedIn === source ? shared.login : undefined;
}

/** The plan that was shown, and how Redis is reached once it is carried out. */
function wayBack({ facts, server, secrets }: Observation, { state, undone, giveBack: plan }: WayBack) {
  const { id: last } = facts.kept.runs.at(-1) ?? undone;
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
