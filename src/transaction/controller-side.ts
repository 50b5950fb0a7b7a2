import { randomBytes } from "node:crypto";
import { hostname, userInfo } from "node:os";
import { setTimeout } from "node:timers/promises";
import { type Connection, HostError } from "../connection/connection.ts";
import { InputError } from "../lib/errors.ts";
import { Secret } from "../lib/secret.ts";
import { endpointOf } from "../plan/endpoint.ts";
import type { ConfigDocument } from "../redis/config-document.ts";
import { fail, type HostSession, type Observation, openConnection } from "../run/observe.ts";
import type { Login } from "./login-file.ts";
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

/** Milliseconds for which a host that fell silent is tried again: until it has put itself back in any case. */
const ASK_AGAIN_FOR = (CONFIRM_WINDOW + 30) * 1000;

/** Milliseconds in which a transaction comes to rest: the host's own cap, and putting back takes as long at most. */
function restsWithin({ observation }: HostSession): number {
  if (observation === undefined) throw new Error("not connected");
  return 3 * capSeconds(observation.server) * 1000;
}

/** True where the host's program is still at work, so that this is no answer yet. What failed before it began is one. */
function isUnderWay({ state, journal }: TransactionReport): boolean {
  if (state === "prepared") return !journal.some((line) => line.startsWith("fail "));
  return state === "applying" || state === "rolling_back";
}

/** @throws HostError only where nothing began on the host. */
export async function runTransaction(
  session: HostSession,
  program: string,
  { id, nonce }: Transaction,
): Promise<TransactionReport | undefined> {
  const { connection, observation, record } = session;
  if (connection === undefined || observation === undefined) throw new Error("not connected");
  try {
    const { status, stdout, stderr } = await connection.run(program, { timeoutMs: restsWithin(session) });
    const outcome = reportOf(session, stdout, nonce);
    // Here the unit has ended: one that never left `prepared` will not.
    if (outcome !== undefined && (outcome.state === "prepared" || !isUnderWay(outcome))) return outcome;
    if (status === NOT_BEGUN) {
      throw new HostError(
        "failed",
        `the host cannot take the transaction: ${session.found.mask(stderr.trim()) || "nothing can be written to /var/lib/redkeep"}`,
        "see that /var/lib has room, and that /var/lib/redkeep is root's alone (mode 0700)",
      );
    }
  } catch (error) {
    if (!(error instanceof HostError) || !error.mayHaveRun) throw error;
  } finally {
    record.roundTrips++;
  }
  // The reply was lost, not the host: it goes on alone.
  return await askAgain(session, compileStatus(id, nonce), nonce);
}

/**
 * Asks over new logins until the transaction has come to rest. An interruption does not end it: what is under way is
 * settled. Undefined where the host stayed silent; a state that is none to rest in only where it stayed there.
 */
async function askAgain(
  session: HostSession,
  script: string,
  nonce: string,
): Promise<TransactionReport | undefined> {
  const startedAt = performance.now();
  let patience = ASK_AGAIN_FOR;
  let last: TransactionReport | undefined;
  while (performance.now() - startedAt < patience) {
    last = undefined;
    try {
      const connection = await openConnection(session, new AbortController().signal);
      try {
        last = await status(session, connection, script, nonce);
      } finally {
        connection.close();
      }
    } catch (error) {
      if (!(error instanceof HostError)) throw error;
    }
    if (last !== undefined) {
      if (!isUnderWay(last)) return last;
      patience = restsWithin(session);
    }
    await setTimeout(1000);
  }
  return last;
}

async function status(
  session: HostSession,
  connection: Connection,
  script: string,
  nonce: string,
): Promise<TransactionReport | undefined> {
  session.record.roundTrips++;
  // Putting back a large host takes its time; a link that went silent is noticed long before.
  const { stdout } = await connection.run(script, { timeoutMs: restsWithin(session) });
  return reportOf(session, stdout, nonce);
}

/** Lines of a transaction's journal that end in words of Redis, of its log or of its unit's. */
const QUOTING =
  /^(fail (?:validate|live|restart(?: log:)?) |data |redis does not take a setting back: )(.*)$/;

/** The host's report, with what it keeps in clear text masked in the words that it only repeats. */
function reportOf(
  { found, observation }: HostSession,
  stdout: Buffer,
  nonce: string,
): TransactionReport | undefined {
  const report = parseReport(stdout, nonce);
  if (report === undefined) return undefined;
  const ours = `fail restart ${observation?.server.unit ?? ""}`;
  const journal = report.journal.map((line) => {
    const [, start, words] = QUOTING.exec(line) ?? [];
    return start === undefined || words === undefined || line === ours
      ? line
      : `${start}${found.mask(words)}`;
  });
  return { ...report, journal, log: found.mask(report.log) };
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
    if (outcome !== undefined && !isUnderWay(outcome)) return outcome;
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
  }
  return await askAgain(session, script, nonce);
}

/**
 * A new TCP connection, key exchange and login, and fresh proof over it; only then the host may keep what it has.
 * @param prove what speaks against keeping it, in sentences; empty for nothing.
 */
export async function confirmOrRollBack(
  session: HostSession,
  { id, nonce }: Transaction,
  tell: (text: string) => void,
  prove: () => Promise<string[]>,
): Promise<void> {
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
    const broken = await prove().catch((error: unknown) => [messageOf(error)]);
    if (broken.length > 0) {
      await rollBack(fresh, "verify", broken.join("\n"));
      return;
    }
    // A lost reply may have been a yes: only what is read back counts.
    const outcome = await settle(session, fresh, compileConfirm(id, nonce, nonce), nonce);
    if (outcome?.state !== "committed") failTransaction(session, outcome);
    else record.status = "changed";
  } finally {
    before?.close();
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

/** A transaction that did not get as far as being confirmed, in the four parts of every failure. */
export function failTransaction(session: HostSession, outcome: TransactionReport | undefined): void {
  if (outcome?.state === undefined) {
    fail(session, "unknown", {
      where: "transaction",
      found: "the host did not say how the transaction ended",
      state: "not known; an unconfirmed change puts itself back by itself",
      remedy: "run redkeep verify",
    });
    return;
  }
  const { state, journal } = outcome;
  const failures = journal.filter((line) => line.startsWith("fail ")).map((line) => line.slice(5));
  const steps = journal.filter((line) => !/^(fail|rollback|restore|rolled_back|edited|aside)\b/.test(line));
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
              where: why === "refused" ? "look at the host again" : "stale plan",
              found: why === "stale" ? `changed since it was looked at: ${what}` : what,
              remedy:
                why === "refused"
                  ? "correct that on the host, then run again"
                  : "run again: the plan is made anew",
            },
      );
      return;
    }
    case "rolled_back":
      fail(session, "rolled-back", {
        where: step,
        found:
          [...failures, outcome.log.split("\n").at(-1) ?? ""].filter(Boolean).join("\n") ||
          (step === "applied" ? "the change was not confirmed in time" : `the step "${step}" did not end`),
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
      [...failures, ...journal.filter((line) => /^(edited|not restored|redis |data )/.test(line))].join(
        "\n",
      ) || state,
    state: state === "needs_human" ? leftAs(journal) : "not known",
    remedy: `look at /var/lib/redkeep/txn on the host, then run again`,
  });
  session.needsHuman = state === "needs_human";
}

/** How a host stands that put nothing more back by itself, and why. */
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
    return "Redis answers and has fewer keys than before; nothing more was touched, and no other host was begun";
  }
  if (!has("edited")) return "it was to be put back, and not all of it could be";
  return has("restore")
    ? "someone edited a file meanwhile and Redis did not answer: all but that file was put back"
    : "part of the change is still there: someone edited a file meanwhile, so nothing but the firewall was put back";
}

/** The way in that the probe found. */
export function loginBefore(observation: Observation): Login {
  const { facts, server, login } = observation;
  const { user, endpoint } = facts.redis;
  if (login !== undefined) return { endpoint, auth: login, isKnown: true };
  const requirepass = server.config.get("requirepass")?.[0];
  const auth = requirepass === undefined ? undefined : { password: new Secret(requirepass) };
  return { endpoint, auth, isKnown: user !== undefined };
}

/** The way in that the plan leads to: the Unix socket where there will be one. */
export function loginAfter(observation: Observation, config: ConfigDocument): Login {
  const endpoint = endpointOf(observation.server, config);
  // The password as this run leaves it: the observation may have been made with another.
  const auth = observation.secrets.login;
  return auth === undefined ? { ...loginBefore(observation), endpoint } : { endpoint, auth, isKnown: true };
}
