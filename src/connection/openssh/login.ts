import { once } from "node:events";
import { lstatSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { accountOf } from "../account.ts";
import { Bastions } from "../bastion.ts";
import { nameInKnownHosts, notAddable } from "../host-key.ts";
import { checkKnownHostsFile, isNamed } from "../known-hosts.ts";
import { ALLOWANCES } from "../limits.ts";
import { gaveUp } from "../login-errors.ts";
import { endpoint } from "../names.ts";
import { logInPatiently, type Progress, withSignal } from "../patience.ts";
import type { Session } from "../session.ts";
import type { ResolvedConnection } from "../ssh-config.ts";
import { masterArguments } from "./arguments.ts";
import { askpass } from "./askpass.ts";
import { explain, explainEnd } from "./explain.ts";
import { SshLog } from "./log.ts";
import { Master } from "./master.ts";
import { Mux } from "./mux.ts";

/** A session with its control socket, so that another login can go through it. */
interface OpenSshSession extends Session {
  controlPath: string;
  log: SshLog;
}

const bastions = new Bastions<OpenSshSession>();

/**
 * Connects and logs in by the system's `ssh`, with patience: one `ssh` keeps the one connection, and its control socket
 * takes the channels. Each call makes a connection of its own, never a channel of one that stands.
 * @throws HostError "unreachable", or the reason of `signal`
 */
export async function loginByOpenSsh(
  target: ResolvedConnection,
  signal?: AbortSignal,
): Promise<OpenSshSession> {
  return await logInPatiently(target, (progress, giveUp) => logInOnce(target, progress, giveUp), signal);
}

/**
 * A session over a connection of the user's own, where the socket that ControlPath names is theirs and answers. Nobody logs in
 * for it, and its end is not the connection's.
 */
export async function joinStanding(target: ResolvedConnection): Promise<Session | undefined> {
  const { controlPath } = target;
  if (controlPath === undefined || controlPath === "none") return undefined;
  const account = accountOf(target.jumps.map(endpoint), target.address, target.port);
  let mux: Mux;
  try {
    const found = lstatSync(controlPath);
    // In a folder that others write to, it could be somebody else's.
    if (!found.isSocket() || found.uid !== process.geteuid?.()) return undefined;
    mux = await Mux.open(controlPath, account);
  } catch {
    return undefined;
  }
  return {
    failure: () => mux.failure,
    allow: (what) => account.allow(ALLOWANCES[what]),
    onEnd: (listener) => mux.onEnd(listener),
    exec: (command) => mux.exec(command),
    hangUp: () => mux.close(),
  };
}

async function logInOnce(
  target: ResolvedConnection,
  progress: Progress,
  signal: AbortSignal,
): Promise<OpenSshSession> {
  progress.waitingFor = `no answer from ${endpoint(target)}`;
  if (target.jumps.length === 0)
    return await withNewHostKey(target, signal, (acceptsNew) =>
      handshake(target, { acceptsNew, via: undefined }, progress, signal),
    );
  const via = target.jumps.at(-1)?.host;
  progress.waitingFor = `no login at jump host ${via}`;
  const bastion = bastions.enter(target.jumps, (jumpHost) => loginByOpenSsh(jumpHost));
  try {
    const outer = await withSignal(bastion.session, signal);
    progress.waitingFor = `no answer from ${endpoint(target)} to jump host ${via}`;
    outer.allow("forward");
    const session = await withNewHostKey(target, signal, (acceptsNew) =>
      handshake(target, { acceptsNew, via: outer }, progress, signal),
    );
    session.onEnd(bastion.leave);
    const outerFailure = () => {
      const failure = outer.failure();
      return failure && `jump host ${via}: ${failure}`;
    };
    return { ...session, failure: () => session.failure() ?? outerFailure() };
  } catch (error) {
    bastion.leave();
    throw error;
  }
}

/** By name and file: who logs in to a host whose key is not on file yet. */
const newHosts = new Map<string, Promise<unknown>>();

/**
 * Decides whether a new key may be accepted: where no line of known_hosts names the host, not even one that vouches for it by
 * certificate. `ssh` itself would also accept a key of another type than the one on file, which an impostor needs only offer. One
 * login at a time learns a host's key; the others then know it.
 */
async function withNewHostKey<T>(
  target: ResolvedConnection,
  signal: AbortSignal,
  work: (acceptsNew: boolean) => Promise<T>,
): Promise<T> {
  const [name, port] = nameInKnownHosts(target);
  const file = target.newHostKeysFile;
  const isNew = () => isNamed(name, port, target.knownHostsFiles) === undefined;
  if (target.strictHostKeyChecking !== "accept-new" || file === undefined || !isNew())
    return await work(false);
  try {
    checkKnownHostsFile(file);
  } catch (error) {
    throw notAddable(target, file, error as Error);
  }
  const key = JSON.stringify([name, port, file]);
  const before = newHosts.get(key) ?? Promise.resolve();
  const mine = before.then(() => {
    signal.throwIfAborted();
    return work(isNew());
  });
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

interface Way {
  acceptsNew: boolean;
  /** The connection to the jump host. */
  via: OpenSshSession | undefined;
}

async function handshake(
  target: ResolvedConnection,
  { acceptsNew, via }: Way,
  progress: Progress,
  signal: AbortSignal,
): Promise<OpenSshSession> {
  signal.throwIfAborted();
  const account = accountOf(target.jumps.map(endpoint), target.address, target.port);
  account.allow(ALLOWANCES.login);
  const master = new Master();
  const onAbort = () => master.kill();
  const refusedBefore = via?.log.refusedForwards.length ?? 0;
  signal.addEventListener("abort", onAbort, { once: true });
  let answers: Awaited<ReturnType<typeof askpass>>;
  try {
    answers = await askpass(master.directory, target);
    signal.throwIfAborted();
    const loggedIn = Promise.withResolvers<void>();
    const log = new SshLog(target, progress, loggedIn.resolve);
    const { controlPath } = master;
    const args = masterArguments(target, {
      controlPath,
      acceptsNew,
      asks: answers !== undefined,
      via: via?.controlPath,
    });
    const env: Record<string, string> =
      answers === undefined ? {} : { SSH_ASKPASS: answers.program, SSH_ASKPASS_REQUIRE: "force" };
    const child = master.start(args, env);
    let isTooMuch = false;
    child.stderr?.on("data", (data: Buffer) => {
      if (log.add(data)) return;
      isTooMuch = true;
      master.kill();
    });
    const ended = once(child, "close").then(([code, name]) => ({ code, name }) as Exit);
    const early = ended.then((exit) => {
      if (isTooMuch) throw gaveUp(target, "it says too much before the login");
      // Others may be refused at the same time: then nobody knows which reason is ours.
      const refused = via?.log.refusedForwards.slice(refusedBefore) ?? [];
      throw explain(target, log, exit, refused.length === 1 ? refused[0] : undefined);
    });
    early.catch(() => {});
    await withSignal(Promise.race([loggedIn.promise, early]), signal);
    const mux = await withSignal(Promise.race([openMux(controlPath, account, signal), early]), signal);
    return sessionOf(target, { master, mux, log, ended, account });
  } catch (error) {
    master.kill();
    throw signal.aborted ? signal.reason : error;
  } finally {
    answers?.end();
    signal.removeEventListener("abort", onAbort);
  }
}

export interface Exit {
  code: number | null;
  name: NodeJS.Signals | null;
}

/** The socket appears a moment after ssh says that it is in. */
async function openMux(
  path: string,
  account: ReturnType<typeof accountOf>,
  signal: AbortSignal,
): Promise<Mux> {
  for (let pause = 1; ; pause = Math.min(pause * 2, 50)) {
    signal.throwIfAborted();
    try {
      if (lstatSync(path).isSocket()) return await Mux.open(path, account);
    } catch (error) {
      if (!["ENOENT", "ECONNREFUSED"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
    }
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
    account,
  }: {
    master: Master;
    mux: Mux;
    log: SshLog;
    ended: Promise<Exit>;
    account: ReturnType<typeof accountOf>;
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
    controlPath: master.controlPath,
    log,
    ...(log.connectMs === undefined ? {} : { connectMs: log.connectMs }),
    failure: () => mux.failure ?? failure,
    allow: (what) => account.allow(ALLOWANCES[what]),
    onEnd: (listener) => {
      listeners.push(listener);
    },
    exec: (command) => mux.exec(command),
    hangUp,
  };
}
