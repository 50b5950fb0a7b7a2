import { randomInt } from "node:crypto";
import { connect as connectSocket } from "node:net";
import { performance } from "node:perf_hooks";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type { Algorithms, AuthHandlerMiddleware } from "ssh2";
import { accountOf } from "./account.ts";
import { type LoginNotes, loginMethods } from "./authentication.ts";
import { enterBastion, forward } from "./bastion.ts";
import { HostError } from "./connection.ts";
import { loginEagerly } from "./eager-login.ts";
import { gateOf, type LoginOutcome } from "./gate.ts";
import { admitHostKey, hostKeyAlgorithms } from "./host-key.ts";
import { ALLOWANCES } from "./limits.ts";
import { endpoint, tilde } from "./names.ts";
import { oneLine } from "./one-line.ts";
import { Peer, ProtocolError } from "./peer.ts";
import { cut, type Session } from "./session.ts";
import type { ResolvedConnection } from "./ssh-config.ts";
import { Client } from "./ssh2.ts";

const MAX_TRIES = 3;
/** A dead link is noticed within 15 s: ssh2 gives up at the third interval without an answer. */
const KEEPALIVE = { keepaliveInterval: 5_000, keepaliveCountMax: 2 };

/**
 * ssh2's own lists without what lets a server waste our time. In a group exchange the server chooses the prime, and testing a
 * large one takes minutes in one call; with compression, a few bytes can expand without limit.
 */
const ALGORITHMS = {
  kex: {
    remove: ["diffie-hellman-group-exchange-sha256"],
    append: [],
    prepend: [],
  } satisfies Algorithms["kex"],
  compress: ["none"] satisfies Algorithms["compress"],
};

/** The server hung up, which it does when it has no room for another login: try again. */
class Dropped extends HostError {
  constructor(message: string) {
    super(
      "unreachable",
      message,
      "Its sshd may limit logins (MaxStartups) or block this address: use fewer --forks.",
    );
  }
}

interface LoginOptions {
  opensSession: boolean;
  signal: AbortSignal;
}

/** What we are waiting for, for the message if it does not come. */
interface Progress {
  waitingFor: string;
}

/**
 * Connects and logs in, and tries again where the server had no room, all within the target's timeout. Where many hosts wait
 * for the same server, the time before its turn does not count.
 * @param opensSession true for a host that runs a script; false for a jump host, which only forwards
 * @throws HostError "unreachable", or the reason of `signal`
 */
export async function login(
  target: ResolvedConnection,
  opensSession: boolean,
  signal?: AbortSignal,
): Promise<Session> {
  const progress: Progress = { waitingFor: "" };
  const giveUp = new AbortController();
  const onAbort = () => giveUp.abort(signal?.reason);
  signal?.addEventListener("abort", onAbort, { once: true });
  const gate = gateOf(target.jumps.map(endpoint), target.address, target.port);
  let leftMs = target.timeoutSeconds * 1000;
  const within = async <T>(work: () => Promise<T>): Promise<T> => {
    const begun = performance.now();
    const timer = setTimeout(() => {
      giveUp.abort(new HostError("unreachable", `${progress.waitingFor} within ${target.timeoutSeconds} s`));
    }, leftMs);
    try {
      return await work();
    } finally {
      clearTimeout(timer);
      leftMs -= performance.now() - begun;
    }
  };
  try {
    for (let tries = 1; ; tries++) {
      const leave = await gate.enter(giveUp.signal);
      let outcome: LoginOutcome = "failed";
      try {
        const options = { opensSession, signal: giveUp.signal };
        const session = await within(() => logInOnce(target, progress, options));
        outcome = "done";
        return session;
      } catch (error) {
        if (error instanceof Dropped) outcome = "dropped";
        if (!(error instanceof Dropped) || tries === MAX_TRIES) throw error;
      } finally {
        leave(outcome);
      }
      const pause = tries * randomInt(200, 800);
      await within(() => withSignal(sleep(pause, undefined, { ref: false }), giveUp.signal));
    }
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
}

async function logInOnce(
  target: ResolvedConnection,
  progress: Progress,
  options: LoginOptions,
): Promise<Session> {
  const where = endpoint(target);
  const { signal } = options;
  if (target.jumps.length === 0) {
    progress.waitingFor = `no answer from ${where}`;
    const socket = connectSocket({ host: target.address, port: target.port, noDelay: true });
    let begun = performance.now();
    let connectMs = 0;
    // The name has been resolved by then.
    socket.once("lookup", () => {
      begun = performance.now();
    });
    socket.once("connect", () => {
      connectMs = performance.now() - begun;
    });
    return { ...(await handshake(socket, target, progress, options)), connectMs };
  }
  const via = target.jumps.at(-1)?.host;
  progress.waitingFor = `no login at jump host ${via}`;
  const bastion = enterBastion(target.jumps, (jumpHost) => login(jumpHost, false));
  try {
    const outer = await withSignal(bastion.session, signal);
    const outerFailure = () => {
      const failure = outer.failure();
      return failure && `jump host ${via}: ${failure}`;
    };
    try {
      progress.waitingFor = `no answer from ${where} to jump host ${via}`;
      outer.allow("forward");
      const channel = await withSignal(forward(outer.client, target), signal);
      const session = await handshake(channel, target, progress, options);
      session.client.once("close", bastion.leave);
      return { ...session, failure: () => session.failure() ?? outerFailure() };
    } catch (error) {
      const failure = outerFailure();
      throw failure === undefined ? error : new HostError("unreachable", failure, "", { cause: error });
    }
  } catch (error) {
    bastion.leave();
    throw error;
  }
}

/** Key exchange, host key and login, in this order, over a stream. */
function handshake(
  socket: Duplex,
  target: ResolvedConnection,
  progress: Progress,
  options: LoginOptions,
): Promise<Session> {
  const where = endpoint(target);
  const { opensSession, signal } = options;
  const { promise, resolve, reject } = Promise.withResolvers<Session>();
  const client = new Client();
  const notes: LoginNotes = { tried: [], problems: [] };
  let greeting = "";
  let isKeyChecked = false;
  /** Why we cut the connection: after the login, nothing else would report it. */
  let failure: string | undefined;

  const giveUp = (error: Error) => {
    failure ??= error.message;
    fail(error);
  };
  const fail = (error: unknown) => {
    signal.removeEventListener("abort", onAbort);
    reject(error);
    cut(socket);
  };
  const onAbort = () => fail(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });

  // The first of several errors counts. The listener stays: an error that nobody listens to ends the program.
  client.on("error", (error: Error & { level?: string; code?: unknown }) => {
    // This key could not sign; the next method follows. Errors that the server sends have no level.
    const isOfOneKey =
      error.level === "agent" ||
      (error.level === "client-authentication" && /^Error (?:while )?signing /.test(error.message));
    if (!isOfOneKey) fail(explain(error, target, { greeting, isKeyChecked, notes }));
  });
  client.on("close", () => fail(explain(new Error("closed"), target, { greeting, isKeyChecked, notes })));
  client.on("connect", () => {
    progress.waitingFor = `no SSH banner from ${where}`;
    socket.once("data", (data: Buffer) => {
      greeting = oneLine(data.toString("latin1", 0, 200));
      progress.waitingFor = `no end of the key exchange with ${where}`;
    });
  });
  client.on("handshake", () => {
    progress.waitingFor = `no answer to the login of ${target.user} at ${where}`;
  });
  client.on("ready", () => {
    signal.removeEventListener("abort", onAbort);
    resolve({
      client,
      socket,
      failure: () => failure,
      allow: (what) => account.allow(ALLOWANCES[what]),
    });
  });

  const methods = loginMethods(target, notes);
  const authHandler = ((
    accepted: string[] | null,
    _partial: boolean | null,
    next: (method: unknown) => void,
  ) => {
    const following = async () => {
      const { value } = await methods.next(accepted);
      if (value) await mayFollow(value);
      next(value ?? false);
    };
    following().catch(fail);
  }) as AuthHandlerMiddleware;

  client.connect({
    sock: socket as never,
    username: target.user,
    readyTimeout: 0,
    ...KEEPALIVE,
    algorithms: { ...ALGORITHMS, serverHostKey: hostKeyAlgorithms(target) },
    // Synchronous on purpose: an async function would return a promise, which ssh2 would take for true.
    hostVerifier: (key: Buffer) => {
      try {
        admitHostKey(key, target);
        isKeyChecked = true;
        return true;
      } catch (error) {
        giveUp(error as Error);
        return false;
      }
    },
    authHandler,
  });
  const account = accountOf(target.jumps.map(endpoint), target.address, target.port);
  account.allow(ALLOWANCES.login);
  new Peer(client, account, (error) => giveUp(explain(error, target, { greeting, isKeyChecked, notes })));
  const mayFollow = loginEagerly(client, opensSession);
  return promise;
}

/** What went wrong before the login, in the operator's words. */
function explain(
  error: Error & { level?: string; code?: unknown },
  target: ResolvedConnection,
  { greeting, isKeyChecked, notes }: { greeting: string; isKeyChecked: boolean; notes: LoginNotes },
): HostError {
  const where = endpoint(target);
  const unreachable = (message: string, remedy = "") =>
    new HostError("unreachable", message, remedy, { cause: error });
  if (error instanceof ProtocolError) return unreachable(`gave up on ${where}: ${error.message}`);
  if (error.level === "client-authentication" || /too many authentication failures/i.test(error.message)) {
    return refusedLogin(target, notes, error);
  }
  switch (error.code) {
    case "ECONNREFUSED":
      return unreachable(`connection refused by ${where}`);
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return unreachable(`the name ${target.address} has no address`, "Set ansible_host.");
    case "EHOSTUNREACH":
    case "ENETUNREACH":
      return unreachable(`no route to ${where}`);
    case "ETIMEDOUT":
      return unreachable(`no answer from ${where}`);
  }
  if (greeting === "") return new Dropped(`${where} closed the connection before the login`);
  if (!greeting.startsWith("SSH-")) {
    // OpenSSH 9.8 and newer says why it hangs up. Every further try would prolong a block by PerSourcePenalties.
    if (/MaxStartups/i.test(greeting))
      return new Dropped(`${where} has no room for another login: ${greeting}`);
    return unreachable(`${where} does not speak SSH: ${greeting}`);
  }
  const what = isKeyChecked
    ? `the login of ${target.user} at ${where} failed`
    : `no key exchange with ${where}`;
  return unreachable(`${what}: ${oneLine(error.message)}`);
}

function refusedLogin(target: ResolvedConnection, { tried, problems }: LoginNotes, cause: Error): HostError {
  const ways =
    tried.length > 0 ? `it refused ${tried.map(tilde).join(", ")}` : "there is nothing to log in with";
  const limit = /too many/i.test(cause.message)
    ? " (too many attempts; IdentitiesOnly=yes offers fewer keys)"
    : "";
  const message = [
    `no login as ${target.user} at ${endpoint(target)}: ${ways}${limit}`,
    ...problems.map(tilde),
  ];
  const remedy =
    tried.length > 0 || problems.length > 0
      ? ""
      : "Set ansible_ssh_private_key_file or ansible_password, or start an agent.";
  return new HostError("unreachable", message.join("; "), remedy, { cause });
}

/** `promise`, unless `signal` comes first. */
function withSignal<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) return onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
