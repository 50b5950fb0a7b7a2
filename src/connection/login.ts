import { connect as connectSocket } from "node:net";
import { performance } from "node:perf_hooks";
import type { Duplex } from "node:stream";
import type { Algorithms, AuthHandlerMiddleware } from "ssh2";
import { errorOf } from "../lib/errors.ts";
import { type LoginNotes, loginMethods } from "./authentication.ts";
import { Bastions, forward } from "./bastion.ts";
import { ProtocolError } from "./breach.ts";
import { budgetOf } from "./budget.ts";
import { HostError } from "./connection.ts";
import { loginEagerly } from "./eager-login.ts";
import { admitHostKey, hostKeyAlgorithms } from "./host-key.ts";
import { MAX_COSTS } from "./limits.ts";
import {
  endedEarly,
  gaveUp,
  noAddress,
  noAnswer,
  noRoute,
  refusedConnection,
  refusedLogin,
} from "./login-errors.ts";
import { endpoint } from "./names.ts";
import { oneLine } from "./one-line.ts";
import { logInPatiently, type Progress, withSignal } from "./patience.ts";
import { Peer } from "./peer.ts";
import { cut, hangUp, LinkLost, type Session } from "./session.ts";
import type { ResolvedConnection } from "./ssh-config.ts";
import { Client } from "./ssh2.ts";

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

interface LoginOptions {
  opensSession: boolean;
  signal: AbortSignal;
}

/** A session whose client ssh2 is, so that another login can go through it. */
export interface Ssh2Session extends Session {
  client: Client;
}

const bastions = new Bastions<Ssh2Session>();

/**
 * Connects and logs in by ssh2, with patience.
 * @param opensSession true for a host that runs a script; false for a jump host, which only forwards
 * @throws HostError "unreachable", or the reason of `signal`
 */
export async function login(
  target: ResolvedConnection,
  opensSession: boolean,
  signal?: AbortSignal,
): Promise<Ssh2Session> {
  const once = (progress: Progress, giveUp: AbortSignal) =>
    logInOnce(target, progress, { opensSession, signal: giveUp });
  return await logInPatiently(target, once, signal);
}

async function logInOnce(
  target: ResolvedConnection,
  progress: Progress,
  options: LoginOptions,
): Promise<Ssh2Session> {
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
  const bastion = bastions.enter(target.jumps, (jumpHost) => login(jumpHost, false));
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
      session.onEnd(bastion.leave);
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
): Promise<Ssh2Session> {
  const where = endpoint(target);
  const { opensSession, signal } = options;
  const { promise, resolve, reject } = Promise.withResolvers<Ssh2Session>();
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
    if (error.level === "agent") notes.isAgentUnwilling = true;
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
      failure: () => failure,
      allow: (what) => budget.allow(MAX_COSTS[what]),
      onEnd: (listener) => {
        client.on("error", listener).on("end", listener).on("close", listener);
      },
      exec: (command) =>
        new Promise((resolveChannel, rejectChannel) => {
          try {
            client.exec(command, (error, channel) =>
              error ? rejectChannel(error) : resolveChannel(channel),
            );
          } catch (error) {
            // ssh2 throws where there is no link.
            rejectChannel(new LinkLost("", { cause: error }));
          }
        }),
      hangUp: () => hangUp(client, socket),
    });
  });

  const methods = loginMethods(target, notes);
  // The types leave out that ssh2 passes null at first, and takes `false` for no more methods.
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
    sock: socket,
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
        giveUp(errorOf(error));
        return false;
      }
    },
    authHandler,
  });
  const budget = budgetOf(target);
  budget.allow(MAX_COSTS.login);
  new Peer(client, budget, (error) => giveUp(explain(error, target, { greeting, isKeyChecked, notes })));
  const mayFollow = loginEagerly(client, opensSession);
  return promise;
}

/** What went wrong before the login, in the operator's words. */
function explain(
  error: Error & { level?: string; code?: unknown },
  target: ResolvedConnection,
  { greeting, isKeyChecked, notes }: { greeting: string; isKeyChecked: boolean; notes: LoginNotes },
): HostError {
  if (error instanceof ProtocolError) return gaveUp(target, error.message, error);
  if (error.level === "client-authentication" || /too many authentication failures/i.test(error.message)) {
    return refusedLogin(target, notes, /too many/i.test(error.message), error);
  }
  switch (error.code) {
    case "ECONNREFUSED":
      return refusedConnection(target, error);
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return noAddress(target, error);
    case "EHOSTUNREACH":
    case "ENETUNREACH":
      return noRoute(target, error);
    case "ETIMEDOUT":
      return noAnswer(target, error);
  }
  return endedEarly(target, { greeting, isKeyChecked, said: oneLine(error.message) }, error);
}
