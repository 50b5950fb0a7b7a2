import type { FactName, HostFacts } from "../facts/probe.ts";
import { lastingCopy } from "../lib/copy.ts";
import { listOf } from "../lib/words.ts";
import { claimsOf } from "../plan/claims.ts";
import { hasChanges } from "../plan/plan.ts";
import { restartEstimate } from "../plan/restart.ts";
import { type Failure, type Looked, NOT_STARTED, stopped } from "../record/outcome.ts";
import type { Server } from "../redis/server.ts";
import type { State } from "../state/state.ts";
import { toRecord } from "../verify/check-record.ts";
import { ask, isRoot } from "./ask.ts";
import { outcomeOf } from "./failure.ts";
import { auditedChecks, baseFindings, checksFor, provedFindings } from "./findings.ts";
import { as, type Host, type Observation, type ObservedHost, refusedFor } from "./host.ts";
import { planToShow } from "./plan-for.ts";
import type { Run } from "./run.ts";
import { wantedClients } from "./wanted-clients.ts";

/**
 * Logs in, runs the probe and makes the plan. Errors become the host's outcome and are never thrown.
 * @param facts beside those that the tasks ask for
 */
export async function observe(run: Run, notAsked: Host, facts: readonly FactName[]): Promise<Host<Looked>> {
  const startedAt = performance.now();
  const { accept } = run.options;
  const isAudit = run.command === "verify";
  const prove = isAudit || run.command === "apply";
  const timed = (host: Host<Looked>): Host<Looked> => ({
    ...host,
    durationMs: Math.round(performance.now() - startedAt),
  });
  let host: Host = notAsked;
  try {
    await host.link.open(run.environment.interrupted);
    const answer = await ask(host, { prove, isAudit, facts });
    if ("outcome" in answer) return timed(as(host, answer.outcome));
    const { observation } = answer;
    const observed = withObservation(host, observation);
    host = observed;
    const refusal =
      refusalBeforePlanning(observation.server, accept) ??
      pendingTransaction(observation.facts) ??
      (isAudit || run.command === "eject" ? undefined : olderState(run, observation.facts)) ??
      (isAudit ? undefined : loosePrograms(observation.facts));
    if (refusal !== undefined) return timed(as(host, stopped("refused", refusal)));
    // Without root, a plan would recreate what only root can read.
    const planned = isRoot(observation.facts) ? withPlan(run, observed) : as(observed, NOT_STARTED);
    host = planned;
    return timed(
      prove ? { ...planned, findings: { ...planned.findings, ...proved(run, observation) } } : planned,
    );
  } catch (error) {
    return timed(as(host, outcomeOf(error)));
  }
}

function withObservation(host: Host, observation: Observation): ObservedHost {
  return {
    ...host,
    observation,
    plan: undefined,
    clients: wantedClients(observation.tasks, observation.secrets, observation),
    system: systemOf(observation),
    findings: baseFindings(observation),
  };
}

function withPlan(run: Run, host: ObservedHost): Host<Looked> {
  const { observation } = host;
  const { server } = observation;
  const plan = planToShow(observation, { accepted: run.options.accept, render: run.render });
  const { restart } = plan.actions;
  const planned = {
    ...host,
    plan,
    claims: lastingCopy(claimsOf(server, plan.after.config)),
    work: {
      tasks: plan.tasks,
      impact: plan.impact,
      restart: { needed: restart, unavailableMs: restart ? restartEstimate(server) : 0 },
    },
  };
  if (plan.refusals.length > 0) return refusedFor(planned, plan.refusals);
  return as(planned, { status: hasChanges(plan) ? "would-change" : "unchanged", error: null });
}

function proved(run: Run, observation: Observation) {
  const checks =
    run.command === "verify"
      ? auditedChecks(observation, run.render, run.tags)
      : checksFor(observation, run.render);
  return { checks: checks.map(toRecord), ...provedFindings(observation) };
}

/** A transaction runs the server's program and its client as root, so only root may be able to write them. */
function loosePrograms({ service }: HostFacts): Failure | undefined {
  const [program] = service.loosePrograms;
  return program === undefined
    ? undefined
    : {
        where: "programs",
        found: `others than root can write ${service.loosePrograms.join(", ")}, or put another program there`,
        remedy: `give the program and the folders above it to root and close them to others' writing: chown root ${program}; chmod go-w ${program}`,
      };
}

function refusalBeforePlanning({ version }: Server, accepted: ReadonlySet<string>): Failure | undefined {
  if (version.support === "unsupported") {
    return {
      where: "version",
      found: `${version.name} has no ACLs: redkeep needs Redis 6.0 or newer, or Valkey`,
      remedy: "upgrade Redis on this host",
    };
  }
  if (version.support === "unmeasured" && !accepted.has("unmeasured-version")) {
    return {
      where: "unmeasured-version",
      found: `${version.name} was never tried with redkeep (tried: Redis 6.0, 7.0, 8.0, Valkey 8.1)`,
      remedy: "try it on a copy of this host first, then accept",
      guards: ["unmeasured-version"],
    };
  }
  return undefined;
}

function pendingTransaction({ transaction }: HostFacts): Failure | undefined {
  if (transaction.pending === undefined) return undefined;
  const { state, holder } = transaction.pending;
  return {
    where: "lock",
    found: `another run is at work here: ${holder || "unknown"} (${state})`,
    remedy: "wait until it has ended, then run again; an unconfirmed run rolls back within minutes",
  };
}

/** What this copy of the state does not know yet may be what the host has: passwords, keys, a CA. */
function olderState({ state, options: { accept } }: Run, { transaction }: HostFacts): Failure | undefined {
  const newer = state.newerOn(transaction.last?.marks ?? []);
  if (newer === undefined || accept.has("older-state")) return undefined;
  return {
    where: "older-state",
    found: `${isFromBefore(state, newer)} has changed this host`,
    remedy: newerStateRemedy(state),
    guards: ["older-state"],
  };
}

const isFromBefore = ({ name, generation }: State, newer: number): string =>
  `this state is from before: ${name} has generation ${generation?.number}, and one with generation ${newer}`;

const newerStateRemedy = ({ name }: State): string =>
  `bring the newer one: git pull where it is in a repository, else copy ${name} from the controller that changed the host last`;

/** Collects what `verify` says of a state from before: it looks at the hosts all the same, and some of its checks then fail. */
export class OlderState {
  readonly #state: State;
  readonly #hosts: string[] = [];
  #newest = 0;

  constructor({ state }: Run) {
    this.#state = state;
  }

  look({ job, observation }: Host): void {
    const newer = this.#state.newerOn(observation?.facts.transaction.last?.marks ?? []);
    if (newer === undefined) return;
    this.#hosts.push(job.host);
    this.#newest = Math.max(this.#newest, newer);
  }

  get warnings(): string[] {
    if (this.#hosts.length === 0) return [];
    const told = `${isFromBefore(this.#state, this.#newest)} has changed ${listOf(this.#hosts.toSorted())}`;
    return [`${told}: a check may fail for what this one does not know; ${newerStateRemedy(this.#state)}`];
  }
}

function systemOf({ facts, server }: Observation): { product: string; os: string } {
  const { os } = facts.host;
  return { product: server.version.name, os: `${os.name.split(" ")[0] ?? ""} ${os.version}` };
}
