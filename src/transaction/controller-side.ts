import { randomBytes } from "node:crypto";
import { hostname, userInfo } from "node:os";
import { setTimeout } from "node:timers/promises";
import { type Connection, HostError } from "../connection/connection.ts";
import type { Link } from "../connection/link.ts";
import { InputError } from "../lib/errors.ts";
import { hostError, type Stopped, stopped } from "../record/outcome.ts";
import type { HostErrorRecord } from "../record/record.ts";
import type { Server } from "../redis/server.ts";
import { CONFIRM_WINDOW, capSeconds, NOT_BEGUN } from "./program.ts";
import {
  compileConfirm,
  compileRollback,
  compileStatus,
  parseReport,
  type TransactionReport,
} from "./report.ts";
/** One transaction on one host, as both sides call it. */
export interface Transaction {
  id: string;
  /** Known to this controller alone: only with it the host confirms. */
  nonce: string;
  /** Who is at work and since when, for whoever comes second. */
  holder: string;
}

export function newTransaction(): Transaction {
  const now = new Date().toISOString();
  const time = now.replace(/[-:]/g, "").replace(/\.\d+/, "");
  return {
    id: `${time}-${randomBytes(4).toString("hex")}`,
    nonce: randomBytes(16).toString("hex"),
    holder: `${userInfo().username}@${hostname()} since ${now}`,
  };
}

/** For how many milliseconds we retry a host that fell silent: by then it has rolled back in any case. */
const ASK_AGAIN_FOR = (CONFIRM_WINDOW + 30) * 1000;

/** Where a transaction runs. */
export interface Target {
  readonly link: Link;
  readonly server: Pick<Server, "unit" | "usedMemory">;
}

/** How a transaction ended on its host. */
export type Ending =
  | { readonly status: "changed"; readonly error: null }
  | { readonly status: "rolled-back"; readonly error: HostErrorRecord }
  | (Stopped & { readonly needsHuman?: true });

/** Milliseconds in which a transaction comes to rest: the host's own cap, and putting back takes as long at most. */
function restsWithin({ server }: Target): number {
  return 3 * capSeconds(server) * 1000;
}

/** True while the host's program is still running, so this answer is not final. A failure before it began is final. */
function isUnderWay({ state, journal }: TransactionReport): boolean {
  if (state === "prepared") return !journal.some((line) => line.startsWith("fail "));
  return state === "applying" || state === "rolling_back";
}

/** @throws HostError only where nothing began on the host. */
export async function runTransaction(
  target: Target,
  program: string,
  { id, nonce }: Transaction,
): Promise<TransactionReport | undefined> {
  const { link } = target;
  try {
    const timeoutMs = restsWithin(target);
    const { status, stdout, stderr } = await link.connection.run(program, { timeoutMs });
    const outcome = reportOf(target, stdout, nonce);
    // The unit has ended, so a transaction that is still `prepared` stays so.
    if (outcome !== undefined && (outcome.state === "prepared" || !isUnderWay(outcome))) return outcome;
    if (status === NOT_BEGUN) {
      throw new HostError(
        "failed",
        `the host cannot take the transaction: ${link.mask(stderr.trim()) || "nothing can be written to /var/lib/redkeep"}`,
        "see that /var/lib has room, and that /var/lib/redkeep is root's alone (mode 0700)",
      );
    }
  } catch (error) {
    if (!(error instanceof HostError) || !error.mayHaveRun) throw error;
  }
  // Only the reply was lost: the host goes on by itself.
  return await askAgain(target, compileStatus(id, nonce), nonce);
}

/**
 * Asks over new logins until the transaction has ended. An interruption does not stop this: a host in progress is
 * finished. Undefined where the host stayed silent; a state that is not final only where the host stayed in it.
 */
async function askAgain(
  target: Target,
  script: string,
  nonce: string,
): Promise<TransactionReport | undefined> {
  const startedAt = performance.now();
  let patience = ASK_AGAIN_FOR;
  let last: TransactionReport | undefined;
  while (performance.now() - startedAt < patience) {
    last = undefined;
    try {
      const connection = await target.link.dial();
      try {
        last = await status(target, connection, script, nonce);
      } finally {
        connection.close();
      }
    } catch (error) {
      if (!(error instanceof HostError)) throw error;
    }
    if (last !== undefined) {
      if (!isUnderWay(last)) return last;
      patience = restsWithin(target);
    }
    await setTimeout(1000);
  }
  return last;
}

async function status(
  target: Target,
  connection: Connection,
  script: string,
  nonce: string,
): Promise<TransactionReport | undefined> {
  // Rolling back a large host takes long; a lost link is noticed much earlier.
  const { stdout } = await connection.run(script, { timeoutMs: restsWithin(target) });
  return reportOf(target, stdout, nonce);
}

/** Lines of a transaction's journal that end in words of Redis, of its log or of its unit's. */
const QUOTING =
  /^(fail (?:validate|live|restart(?: log:)?) |data |redis does not take a setting back: )(.*)$/;

/** The host's report, with what it keeps in clear text masked in the words that it only repeats. */
function reportOf({ link, server }: Target, stdout: Buffer, nonce: string): TransactionReport | undefined {
  const report = parseReport(stdout, nonce);
  if (report === undefined) return undefined;
  const ours = `fail restart ${server.unit}`;
  const journal = report.journal.map((line) => {
    const [, start, words] = QUOTING.exec(line) ?? [];
    return start === undefined || words === undefined || line === ours ? line : `${start}${link.mask(words)}`;
  });
  return { ...report, journal, log: link.mask(report.log) };
}

/** Uses this connection, or a new one where it was lost: each script may run twice. */
async function settle(
  target: Target,
  connection: Connection | undefined,
  script: string,
  nonce: string,
): Promise<TransactionReport | undefined> {
  try {
    const outcome = connection === undefined ? undefined : await status(target, connection, script, nonce);
    if (outcome !== undefined && !isUnderWay(outcome)) return outcome;
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
  }
  return await askAgain(target, script, nonce);
}

/**
 * A new TCP connection, key exchange and login, and fresh proof over it; only then the host may keep what it has.
 * @param prove what speaks against keeping it, in sentences; empty for nothing.
 */
export async function confirmOrRollBack(
  target: Target,
  { id, nonce }: Transaction,
  tell: (text: string) => void,
  prove: () => Promise<readonly string[]>,
): Promise<Ending> {
  const { link } = target;
  const rollBack = async (over: Connection | undefined, where: string, found: string): Promise<Ending> => {
    tell("putting back");
    const ending = endingOf(await settle(target, over, compileRollback(id, nonce), nonce));
    if (ending.status === "rolled-back") return { ...ending, error: { ...ending.error, where, found } };
    return { ...ending, error: { ...ending.error, found: `${found}\n${ending.error.found}` } };
  };
  const before = link.connection;
  let fresh: Connection;
  try {
    fresh = await link.dial();
  } catch (error) {
    return await rollBack(before, "log in anew", `a new login did not work: ${messageOf(error)}`);
  }
  link.use(fresh);
  try {
    tell("verifying");
    const broken = await prove().catch((error: unknown) => [messageOf(error)]);
    if (broken.length > 0) return await rollBack(fresh, "verify", broken.join("\n"));
    // A lost reply may have been a yes: only the state that we read back counts.
    const report = await settle(target, fresh, compileConfirm(id, nonce, nonce), nonce);
    return report?.state === "committed" ? { status: "changed", error: null } : endingOf(report);
  } finally {
    before.close();
  }
}

function messageOf(error: unknown): string {
  if (error instanceof HostError || error instanceof InputError) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function putBack({ keysBefore, journal }: TransactionReport): string {
  const refusing = journal.some((line) => line.startsWith("fail Redis still cannot save"))
    ? ", but may refuse writes until it can save its keys: then redis-cli BGSAVE ends that"
    : "";
  return `put back as it was found; Redis answers${refusing}${keysBefore === undefined ? "" : `, ${keysBefore} keys were there before`}`;
}

/** The failure of a transaction that was never confirmed, in the four parts of every failure. */
export function endingOf(report: TransactionReport | undefined): Exclude<Ending, { error: null }> {
  if (report?.state === undefined) {
    return stopped("unknown", {
      where: "transaction",
      found: "the host did not say how the transaction ended",
      state: "unknown; an unconfirmed change rolls back by itself",
      remedy: "run redkeep verify",
    });
  }
  const { state, journal } = report;
  const failures = journal.filter((line) => line.startsWith("fail ")).map((line) => line.slice(5));
  const steps = journal.filter((line) => !/^(fail|rollback|restore|rolled_back|edited|aside)\b/.test(line));
  const step = steps.at(-1) ?? "start";
  switch (state) {
    case "refused": {
      const [, why = "", what = ""] = /^(stale|refused|locked) (.*)$/m.exec(journal.join("\n")) ?? [];
      return stopped(
        "refused",
        why === "locked"
          ? {
              where: "lock",
              found: `another run is at work here: ${what || "unknown"}`,
              remedy: "wait until it has ended, then run again; an unconfirmed run rolls back within minutes",
            }
          : {
              where: why === "refused" ? "look at the host again" : "stale plan",
              found: why === "stale" ? `changed since it was looked at: ${what}` : what,
              remedy:
                why === "refused"
                  ? "correct that on the host, then run again"
                  : "run again: redkeep makes a new plan",
            },
      );
    }
    case "rolled_back":
      return {
        status: "rolled-back",
        error: hostError({
          where: step,
          found:
            [...failures, report.log.split("\n").at(-1) ?? ""].filter(Boolean).join("\n") ||
            (step === "applied" ? "the change was not confirmed in time" : `the step "${step}" did not end`),
          state: putBack(report),
          remedy: "correct the cause, then run again",
        }),
      };
    case "prepared":
    case "applying":
    case "rolling_back":
      // Nothing is changed before the timers that roll back are set.
      if (!journal.includes("armed")) {
        return stopped("failed", {
          where: step === "backup" ? "validate" : step,
          found: failures.join("\n") || report.log || `the step "${step}" did not end`,
          remedy: "correct the cause, then run again",
        });
      }
      break;
    default:
  }
  const ending = stopped(state === "needs_human" ? "failed" : "unknown", {
    where: state,
    found:
      [...failures, ...journal.filter((line) => /^(edited|not restored|redis |data )/.test(line))].join(
        "\n",
      ) || state,
    state: state === "needs_human" ? leftAs(journal) : "not known",
    remedy: `look at /var/lib/redkeep/txn on the host, then run again`,
  });
  return state === "needs_human" ? { ...ending, needsHuman: true } : ending;
}

/** The state of a host that stopped rolling back, and why it stopped. */
function leftAs(journal: string[]): string {
  const aside = journal.filter((line) => line.startsWith("aside ")).map((line) => line.slice(6));
  const state = stateAs(journal);
  return aside.length === 0
    ? state
    : `${state}. The data files from before a restart lie in ${aside.join(" and ")}`;
}

function stateAs(journal: string[]): string {
  const has = (word: string) => journal.some((line) => line.startsWith(`${word} `));
  if (has("data")) {
    return "Redis answers and has fewer keys than before; nothing more was touched, and no other host was started";
  }
  if (!has("edited")) return "the rollback failed on a part of the change";
  return has("restore")
    ? "someone edited a file meanwhile and Redis did not answer: everything but that file was put back"
    : "part of the change is still there: someone edited a file meanwhile, so nothing but the firewall was put back";
}
