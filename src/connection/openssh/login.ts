import { once } from "node:events";
import { lstatSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { errorOf } from "../../lib/errors.ts";
import { Bastions } from "../bastion.ts";
import { type Budget, budgetOf } from "../budget.ts";
import { HostError } from "../connection.ts";
import { nameInKnownHosts, notAddable, storedHostKey } from "../host-key.ts";
import { checkKnownHostsFile, isNamed, keysOf } from "../known-hosts.ts";
import { MAX_COSTS } from "../limits.ts";
import { gaveUp } from "../login-errors.ts";
import { endpoint } from "../names.ts";
import { logInPatiently, type Progress, withSignal } from "../patience.ts";
import type { Session } from "../session.ts";
import type { ResolvedConnection } from "../ssh-config.ts";
import { masterArguments } from "./arguments.ts";
import { askpass } from "./askpass.ts";
import { explain, explainEnd } from "./explain.ts";
import { SshLog } from "./log.ts";
import { type Exit, Master } from "./master.ts";
import { Mux } from "./mux.ts";

/** A session with its ssh, so that another login can go through it. */
interface OpenSshSession extends Session {
  master: Master;
  log: SshLog;
  /** Settled once its ssh has ended. */
  ended: Promise<unknown>;
}

const bastions = new Bastions<OpenSshSession>();

/**
 * Connects and logs in by the system's `ssh`, with patience. One `ssh` keeps the one connection, and its control socket takes
 * the channels. Each call makes a connection of its own, and never a channel on one that is there already.
 * @throws HostError "unreachable", or the reason of `signal`
 */
export async function loginByOpenSsh(
  target: ResolvedConnection,
  role: "host" | "jump host",
  signal?: AbortSignal,
): Promise<OpenSshSession> {
  const attempt = (progress: Progress, giveUp: AbortSignal) => logInOnce(target, role, progress, giveUp);
  return await logInPatiently(target, attempt, signal);
}

/**
 * A session over a connection of the user's own, where the socket that ControlPath names belongs to them and answers. It takes
 * no login, and when it ends, the connection stays.
 */
export async function joinStanding(target: ResolvedConnection): Promise<Session | undefined> {
  const { controlPath } = target;
  if (controlPath === undefined || controlPath === "none") return undefined;
  const budget = budgetOf(target);
  let mux: Mux;
  try {
    const found = lstatSync(controlPath);
    // In a folder that others may write to, the socket could be somebody else's.
    if (!found.isSocket() || found.uid !== process.geteuid?.()) return undefined;
    mux = await Mux.open(controlPath, budget);
  } catch {
    // There is no socket, or nobody answers: we log in ourselves.
    return undefined;
  }
  return {
    failure: () => mux.failure,
    allow: (what) => budget.allow(MAX_COSTS[what]),
    onEnd: (listener) => mux.onEnd(listener),
    exec: (command) => mux.exec(command),
    hangUp: () => mux.close(),
  };
}

async function logInOnce(
  target: ResolvedConnection,
  role: "host" | "jump host",
  progress: Progress,
  signal: AbortSignal,
): Promise<OpenSshSession> {
  progress.waitingFor = `no answer from ${endpoint(target)}`;
  if (target.jumps.length === 0)
    return await withNewHostKey(target, signal, (acceptsNew) =>
      handshake(target, { role, acceptsNew, via: undefined }, progress, signal),
    );
  const jumpName = target.jumps.at(-1)?.host;
  progress.waitingFor = `no login at jump host ${jumpName}`;
  let outer: OpenSshSession | undefined;
  const outerFailure = () => {
    const failure = outer?.failure();
    return failure && `jump host ${jumpName}: ${failure}`;
  };
  const bastion = bastions.enter(target.jumps, (jumpHost) => loginByOpenSsh(jumpHost, "jump host"));
  try {
    const jump = await withSignal(bastion.session, signal);
    outer = jump;
    progress.waitingFor = `no answer from ${endpoint(target)} to jump host ${jumpName}`;
    jump.allow("forward");
    const session = await withNewHostKey(target, signal, (acceptsNew) =>
      handshake(target, { role, acceptsNew, via: jump }, progress, signal),
    );
    session.onEnd(bastion.leave);
    return { ...session, failure: () => session.failure() ?? outerFailure() };
  } catch (error) {
    // Where the jump host's own connection has just ended, that is the reason, and we hear of it in a moment.
    if (outer !== undefined && !signal.aborted) await Promise.race([outer.ended, sleep(SETTLE_MS)]);
    bastion.leave();
    const failure = outerFailure();
    throw failure === undefined ? error : new HostError("unreachable", failure, "", { cause: error });
  }
}

/** Milliseconds that an ssh has to say why its connection was lost, and to end. */
const SETTLE_MS = 200;

/** The login that is learning a host's key, by the host's name and the file. */
const newHosts = new Map<string, Promise<unknown>>();

/**
 * Decides whether a new key may be accepted: only where no line of known_hosts names the host, not even one for certificates.
 * `ssh` itself would also accept a key whose type is not on file: an impostor would only have to offer one. One login at a time
 * learns a host's key; the others then know it.
 */
async function withNewHostKey<T>(
  target: ResolvedConnection,
  signal: AbortSignal,
  work: (acceptsNew: boolean) => Promise<T>,
): Promise<T> {
  const [name, port] = nameInKnownHosts(target);
  const file = target.newHostKeysFile;
  // With those options ssh looks for the host's key under a name that we do not know.
  const isRenamed = target.otherOptions.some(([keyword]) => keyword === "CanonicalizeHostname");
  const isNew = () => !isRenamed && isNamed(name, port, target.knownHostsFiles) === undefined;
  if (target.strictHostKeyChecking !== "accept-new" || file === undefined || !isNew())
    return await work(false);
  try {
    checkKnownHostsFile(file, name);
  } catch (error) {
    throw notAddable(target, file, errorOf(error));
  }
  const key = JSON.stringify([name, port, file]);
  const before = newHosts.get(key) ?? Promise.resolve();
  const mine = before.then(() => {
    signal.throwIfAborted();
    return work(isNew());
  });
  // The next login only waits for this one: its error is its own.
  const settled = mine.then(
    () => {},
    () => {},
  );
  newHosts.set(key, settled);
  try {
    return await withSignal(mine, signal);
  } finally {
    if (newHosts.get(key) === settled) newHosts.delete(key);
  }
}

interface HandshakeOptions {
  role: "host" | "jump host";
  acceptsNew: boolean;
  /** The connection to the jump host. */
  via: OpenSshSession | undefined;
}

async function handshake(
  target: ResolvedConnection,
  { role, acceptsNew, via }: HandshakeOptions,
  progress: Progress,
  signal: AbortSignal,
): Promise<OpenSshSession> {
  signal.throwIfAborted();
  const budget = budgetOf(target);
  budget.allow(MAX_COSTS.login);
  const master = new Master();
  const onAbort = () => master.kill();
  const isOver = new AbortController();
  const refusedBefore = via?.log.refusedForwards ?? 0;
  signal.addEventListener("abort", onAbort, { once: true });
  const loggedIn = Promise.withResolvers<void>();
  const log = new SshLog(target, progress, loggedIn.resolve);
  let answers: Awaited<ReturnType<typeof askpass>>;
  try {
    answers = await askpass(master.directory, target);
    signal.throwIfAborted();
    const { controlPath } = master;
    const args = masterArguments(target, {
      controlPath,
      acceptsNew,
      asks: answers !== undefined,
      via: via?.master.controlPath,
    });
    const env: Record<string, string> =
      answers === undefined ? {} : { SSH_ASKPASS: answers.program, SSH_ASKPASS_REQUIRE: "force" };
    const child = master.start(role, args, env);
    via?.master.carry(master);
    let isTooMuch = false;
    child.stderr?.on("data", (data: Buffer) => {
      budget.charge(data.length, () => {
        isTooMuch ||= !log.add(data);
      });
      if (isTooMuch || budget.exceeded !== undefined) master.kill();
    });
    const ended = once(child, "close").then(([code, name]) => ({ code, name }) as Exit);
    const early = ended.then((exit) => {
      if (isTooMuch) throw gaveUp(target, "it says too much before the login");
      // The jump host may refuse others at the same time: then nobody knows which reason is ours.
      const refused = (via?.log.refusedForwards ?? 0) - refusedBefore;
      throw explain(target, log, exit, refused === 1 ? via?.log.lastRefusal : undefined);
    });
    // Both races below report it. Where ssh ends after them, a session ends, and says so itself.
    early.catch(() => {});
    await withSignal(Promise.race([loggedIn.promise, early]), signal);
    const settled = () => Promise.race([ended.then(() => {}), sleep(SETTLE_MS, undefined, { ref: false })]);
    const opened = openMux(controlPath, isOver.signal, () => Mux.open(controlPath, budget, settled));
    const mux = await withSignal(Promise.race([opened, early]), signal);
    log.isLoggedIn = true;
    return sessionOf(target, { master, mux, log, ended, budget });
  } catch (error) {
    master.kill();
    throw signal.aborted ? signal.reason : error;
  } finally {
    isOver.abort();
    answers?.end();
    if (acceptsNew) tellOfNewKey(target);
    signal.removeEventListener("abort", onAbort);
  }
}

/**
 * ssh stores a new key as soon as it has checked it, whether or not the login succeeds. We read from the file what it stored:
 * what ssh says of it, a server could say too.
 */
function tellOfNewKey(target: ResolvedConnection): void {
  const [name, port] = nameInKnownHosts(target);
  const file = target.newHostKeysFile;
  if (file === undefined) return;
  for (const key of keysOf(name, port, file)) target.onNewHostKey?.(storedHostKey(target, key, file));
}

/** The socket appears a moment after ssh says that it is logged in. Where ssh ends instead, another part notices. */
async function openMux(path: string, isOver: AbortSignal, open: () => Promise<Mux>): Promise<Mux> {
  for (let pause = 1; ; pause = Math.min(pause * 2, 50)) {
    try {
      if (lstatSync(path).isSocket()) return await open();
    } catch {
      // The socket is not there yet, or is gone.
    }
    if (isOver.aborted) return await new Promise(() => {});
    await sleep(pause);
  }
}

function sessionOf(
  target: ResolvedConnection,
  {
    master,
    mux,
    log,
    ended,
    budget,
  }: {
    master: Master;
    mux: Mux;
    log: SshLog;
    ended: Promise<Exit>;
    budget: Budget;
  },
): OpenSshSession {
  let isOurs = false;
  let failure: string | undefined;
  const listeners: (() => void)[] = [];
  const onEnd = () => {
    for (const listener of listeners.splice(0)) listener();
    master.end();
  };
  mux.onEnd(onEnd);
  void ended.then((exit) => {
    if (!isOurs) failure = explainEnd(target, log, exit);
    mux.close();
  });
  const hangUp = () => {
    isOurs = true;
    mux.close();
  };
  return {
    master,
    log,
    ended,
    ...(log.connectMs === undefined ? {} : { connectMs: log.connectMs }),
    failure: () => mux.failure ?? failure,
    allow: (what) => budget.allow(MAX_COSTS[what]),
    onEnd: (listener) => {
      listeners.push(listener);
    },
    exec: (command) => mux.exec(command),
    hangUp,
  };
}
