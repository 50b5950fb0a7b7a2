import type { BecomePasswords } from "../connection/become-passwords.ts";
import { Link } from "../connection/link.ts";
import { essenceOf, type HostFacts } from "../facts/probe.ts";
import type { ServerLogin } from "../facts/server-login.ts";
import { lastingCopy } from "../lib/copy.ts";
import type { Claims } from "../plan/claims.ts";
import type { WayBack } from "../plan/give-back.ts";
import type { ShownPlan } from "../plan/plan.ts";
import type { HostTasks } from "../playbook/host-tasks.ts";
import {
  type Changed,
  type HostOutcome,
  NOT_STARTED,
  type NotStarted,
  type Planned,
  type Stopped,
  stopped,
} from "../record/outcome.ts";
import type { HostRecord } from "../record/record.ts";
import type { Server } from "../redis/server.ts";
import type { Refusal } from "../resources/kind.ts";
import type { HostJob } from "./job.ts";
import type { HostSecrets } from "./secrets.ts";
import type { WantedClients } from "./wanted-clients.ts";

/** What was observed on a host: its facts, and what follows from them. */
export interface Observation {
  readonly facts: HostFacts;
  readonly server: Server;
  readonly tasks: HostTasks;
  readonly secrets: HostSecrets;
  /** Units of other servers on the same machine that are hosts of the run themselves. */
  readonly neighbours?: readonly string[];
  /** The user that redkeep logged in as; undefined where the controller does not have that user's password. */
  readonly login: ServerLogin | undefined;
}

/** What was seen of a host, as its record has it. */
export type Findings = Pick<HostRecord, "checks" | "allowed" | "server" | "access" | "certificates">;

/** What is done on a host, or would be, as its record has it. */
export type Work = Pick<HostRecord, "tasks" | "impact" | "restart" | "undoes">;

/** What every host of a run has, whatever step it has reached. `O` says which outcomes are possible after that step. */
interface Common<O extends HostOutcome> {
  readonly job: HostJob;
  readonly link: Link;
  readonly outcome: O;
  readonly findings: Findings;
  readonly work: Work;
  /** Milliseconds of its own work. */
  readonly durationMs: number;
  /** What runs there, for the heads of texts. */
  readonly system: { product: string; os: string } | undefined;
  /** What its tls task wants of the controller's own certificates. */
  readonly clients: WantedClients | undefined;
  /** What its server has for itself once the plan is carried out. */
  readonly claims: Claims | undefined;
  /** The id of the transaction that this run had the host begin. */
  readonly transaction: string | undefined;
  /** The host was left in a state that a person has to check: start no other host. */
  readonly needsHuman: boolean;
}

/** A host that was not asked, gave no answer, or whose answer is no longer needed. */
export interface UnseenHost<O extends HostOutcome = HostOutcome> extends Common<O> {
  readonly observation: undefined;
  readonly plan: undefined;
}

/** A host that answered. Nobody could tell what the playbook would change there, or that is no longer needed. */
export interface ObservedHost<O extends HostOutcome = HostOutcome> extends Common<O> {
  readonly observation: Observation;
  readonly plan: undefined;
}

/** What would be done on a host: what the playbook asks for, or in its place the way back. */
export type Plan = ShownPlan | WayBack;

/** A host with a plan. */
export interface PlannedHost<O extends HostOutcome = HostOutcome, P extends Plan = Plan> extends Common<O> {
  readonly observation: Observation;
  readonly plan: P;
}

/** One host of a run. A value: each step makes a new one, and the type says what it has by then. */
export type Host<O extends HostOutcome = HostOutcome> = UnseenHost<O> | ObservedHost<O> | PlannedHost<O>;

/** A host that the command is done with: no plan of it is held. */
export type DoneHost<O extends HostOutcome = Changed> = UnseenHost<O> | ObservedHost<O>;

/** A host that the command goes on with. */
export type PendingHost<P extends Plan = Plan> = PlannedHost<Planned, P>;

export function wouldChange(host: Host): host is PendingHost {
  return host.plan !== undefined && host.outcome.status === "would-change";
}

/** Nothing is done on the host. */
export const NO_WORK: Work = { tasks: [], impact: [], restart: { needed: false, unavailableMs: 0 } };

export function newHost(job: HostJob, becomePasswords: BecomePasswords): UnseenHost<NotStarted> {
  return {
    job,
    link: new Link(job.connection, becomePasswords),
    outcome: NOT_STARTED,
    findings: { checks: [] },
    work: NO_WORK,
    durationMs: 0,
    observation: undefined,
    system: undefined,
    clients: undefined,
    plan: undefined,
    claims: undefined,
    transaction: undefined,
    needsHuman: false,
  };
}

/** The record of a host: the only place that makes one. What its connections cost is read off at this moment. */
export function recordOf({ job, link, outcome, findings, work, durationMs, transaction }: Host): HostRecord {
  const { checks, ...seen } = findings;
  const { tasks, impact, restart, ...undone } = work;
  return {
    host: job.host,
    status: outcome.status,
    connections: link.connections,
    roundTrips: link.roundTrips,
    durationMs,
    tasks,
    impact,
    restart,
    checks,
    error: outcome.error,
    ...(job.place === undefined ? {} : { place: job.place }),
    ...seen,
    ...undone,
    ...(transaction === undefined ? {} : { transaction }),
    ...(link.transport === undefined ? {} : { transport: link.transport }),
  };
}

/** The same host with another outcome. */
export function as<O extends HostOutcome>(host: Host, outcome: O): Host<O> {
  return { ...host, outcome };
}

/** The host is not touched, for these reasons; the tasks that they name are blocked. */
export function refusedFor(host: Host, refusals: readonly (Refusal & { task: string })[]): Host<Stopped> {
  const [first] = refusals;
  const blocked = new Set(refusals.map(({ task }) => task));
  const tasks = host.work.tasks.map((task) =>
    blocked.has(task.task) ? { ...task, status: "blocked" as const } : task,
  );
  const outcome = stopped("refused", {
    where: first?.guard ?? first?.task ?? "guard",
    found: refusals.map(({ found }) => found).join("\n"),
    remedy: [...new Set(refusals.map(({ remedy }) => remedy))].join("\n"),
    guards: [...new Set(refusals.flatMap(({ guard }) => guard ?? []))],
  });
  return { ...host, work: { ...host.work, tasks }, outcome };
}

/** Drops everything about a finished host except what its record needs. */
export function forget<O extends HostOutcome>(host: Host<O>): UnseenHost<O> {
  const { outcome, findings, work, system } = host;
  host.link.release();
  return {
    ...host,
    ...lastingCopy({ outcome, findings, work, system }),
    observation: undefined,
    plan: undefined,
  };
}

/** As `forget`, but keeps what hosts are compared by, and what is looked at from other hosts. */
export function keepEssence<O extends HostOutcome>(host: Host<O>): DoneHost<O> {
  const { observation } = host;
  if (observation === undefined) return forget(host);
  const { version, commands, config, running, ...rest } = observation.server;
  return {
    ...forget(host),
    observation: {
      ...observation,
      facts: essenceOf(observation.facts),
      server: {
        ...lastingCopy(rest),
        version,
        commands,
        config: config.withoutComments(),
        running: compared(running),
      },
    },
  };
}

/** The running settings that other hosts are compared by, or look for. */
function compared(running: Server["running"]): Server["running"] {
  const names = ["port", "tls-port", "acl-pubsub-default"];
  return running && lastingCopy(new Map([...running].filter(([name]) => names.includes(name))));
}
