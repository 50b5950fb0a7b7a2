import { type Changed, hostError } from "../record/outcome.ts";
import type { HostRecord } from "../record/record.ts";
import {
  confirmOrRollBack,
  type Ending,
  endingOf,
  newTransaction,
  runTransaction,
  type Transaction,
} from "../transaction/controller-side.ts";
import type { TransactionReport } from "../transaction/report.ts";
import { outcomeOf } from "./failure.ts";
import type { DoneHost, Host, PendingHost } from "./host.ts";

/** Hears how a host gets on while it is changed. */
export interface Listener {
  /** The step that has just begun. */
  doing(text: string): void;
  /** The host's value from now on. */
  stands(host: Host): void;
}

/** What a command does to one host in a transaction. */
export interface Change {
  /** The host's part of it, as a shell program. */
  readonly program: string;
  readonly doing: string;
  readonly restart: (report: TransactionReport | undefined) => HostRecord["restart"];
  /**
   * Observes the host over a new login. Returns it with the reasons not to keep the change, in sentences.
   * @param changedAt `performance.now()` when the change began
   */
  readonly prove: (host: Host, changedAt: number) => Promise<Proof>;
  /** Turns the end of the transaction into the command's outcome. */
  readonly outcome: (ending: Ending) => End;
}

/** How a change ended; `needsHuman` where no other host is begun after it. */
type End = Changed & { readonly needsHuman?: true };

export interface Proof {
  readonly host: Host;
  readonly broken: readonly string[];
}

/**
 * Changes one host in one transaction, which is confirmed over a new login or rolled back. Errors become the host's outcome.
 * @param compile what is to be done
 */
export async function changeHost(
  planned: PendingHost,
  listener: Listener,
  signal: AbortSignal,
  compile: (transaction: Transaction) => Promise<Change>,
): Promise<DoneHost> {
  const startedAt = performance.now() - planned.durationMs;
  const { link, observation } = planned;
  let host: Host = planned;
  let hasBegun = false;
  try {
    const transaction = newTransaction();
    host = { ...host, transaction: transaction.id };
    listener.stands(host);
    const change = await compile(transaction);
    // You may have read the plan for longer than a firewall keeps an idle connection.
    if (!link.isOpen) await link.open(signal);
    listener.doing(change.doing);
    const changedAt = performance.now();
    const target = { link, server: observation.server };
    const report = await runTransaction(target, change.program, transaction);
    hasBegun = true;
    host = { ...host, work: { ...host.work, restart: change.restart(report) } };
    if (report?.state !== "applied") return afterwards(host, change.outcome(endingOf(report)), startedAt);
    listener.doing("logging in anew");
    const ending = await confirmOrRollBack(target, transaction, listener.doing, async () => {
      const proof = await change.prove(host, changedAt);
      host = proof.host;
      return proof.broken;
    });
    return afterwards(host, change.outcome(ending), startedAt);
  } catch (error) {
    const outcome = outcomeOf(error);
    return afterwards(host, hasBegun ? notKnown(outcome) : outcome, startedAt);
  }
}

/** The host once its change has ended: how long all of it took, and what became of its tasks. */
export function afterwards(host: Host, outcome: End, startedAt: number): DoneHost {
  host.link.release();
  const { needsHuman = false, ...ended } = outcome;
  const isDone = ended.status === "changed" || ended.status === "restored";
  const tasks = host.work.tasks.map((task) =>
    task.status === "would-change"
      ? { ...task, status: isDone ? ("changed" as const) : ("failed" as const) }
      : task,
  );
  const durationMs = Math.round(performance.now() - startedAt);
  return { ...host, plan: undefined, work: { ...host.work, tasks }, outcome: ended, needsHuman, durationMs };
}

/** The transaction had begun when this went wrong. */
function notKnown({ error }: ReturnType<typeof outcomeOf>): Changed {
  const state = "unknown: if it was changed, it rolls back by itself unless the change is confirmed";
  return {
    status: "unknown",
    error: error === null ? hostError({ where: "interrupted", state }) : { ...error, state },
  };
}
