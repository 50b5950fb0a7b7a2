import { HostError } from "../connection/connection.ts";
import type { HostFacts } from "../facts/probe.ts";
import { type Changed, stopped } from "../record/outcome.ts";
import { transactionProgram } from "../shell/program.ts";
import { newTransaction } from "../transaction/controller-side.ts";
import { compileEject, parseEjected } from "../transaction/eject.ts";
import { ask } from "./ask.ts";
import { afterwards, type Listener } from "./change-host.ts";
import { outcomeOf } from "./failure.ts";
import type { DoneHost, PendingHost } from "./host.ts";
import { EJECT_FACTS, goings } from "./plan-eject.ts";
import type { Run } from "./run.ts";

/** Milliseconds that taking it off may take: it only removes files. */
const TIMEOUT = 120_000;

/** What is left on a host of which not all could be removed. */
const PARTLY = "Redis was not touched; a part of redkeep's traces may be left";

/** Takes redkeep off one host, and looks again. Nothing of it can be put back, so there is no transaction to confirm. */
export async function ejectHost(run: Run, planned: PendingHost, listener: Listener): Promise<DoneHost> {
  const startedAt = performance.now() - planned.durationMs;
  try {
    return afterwards(planned, await eject(planned, listener, run.environment.interrupted), startedAt);
  } catch (error) {
    const outcome = outcomeOf(error);
    const ended =
      outcome.error === null ? outcome : { ...outcome, error: { ...outcome.error, state: PARTLY } };
    return afterwards(planned, ended, startedAt);
  }
}

async function eject(host: PendingHost, listener: Listener, signal: AbortSignal): Promise<Changed> {
  const { link, observation } = host;
  const { facts, server } = observation;
  const { id, nonce } = newTransaction();
  if (!link.isOpen) await link.open(signal);
  listener.doing("taking redkeep off");
  const script = compileEject({ id, nonce, facts, server, program: transactionProgram() });
  const { stdout, stderr } = await link.connection.run(script, { timeoutMs: TIMEOUT });
  const said = parseEjected(stdout, nonce);
  if (said === undefined)
    throw new HostError(
      "failed",
      link.mask(stderr.trim()) || "the host did not say how it ended",
      "run it again",
    );
  if (said.status !== 0) {
    const isLocked = said.text.startsWith("locked");
    return stopped(isLocked ? "refused" : "failed", {
      where: isLocked ? "lock" : "eject",
      found: isLocked
        ? `another run is at work here: ${said.text.slice("locked".length).trim() || "unknown"}`
        : link.mask(said.text) || "not all of it could be removed",
      state: isLocked ? "nothing was changed on this host" : PARTLY,
      remedy: "wait until it has ended, then run again",
    });
  }
  listener.doing("looking again");
  const fresh = await ask(host, { facts: EJECT_FACTS });
  if ("outcome" in fresh) return fresh.outcome;
  const invocation = (from: HostFacts) => from.service.properties.get("InvocationID");
  const left = goings(fresh.observation.facts, server.unit).map(({ address }) =>
    address.slice("file:".length),
  );
  if (left.length === 0 && invocation(fresh.observation.facts) === invocation(facts))
    return { status: "changed", error: null };
  return stopped("failed", {
    where: "look again",
    found: left.length > 0 ? `still there: ${left.join(", ")}` : `${server.unit} was restarted meanwhile`,
    state: "Redis was not touched by this run",
    remedy: left.length > 0 ? "run it again" : "look at who restarted it, then run redkeep verify",
  });
}
