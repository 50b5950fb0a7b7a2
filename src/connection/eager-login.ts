import type { AnyAuthMethod, Client, ParsedKey } from "ssh2";
import { MAX_WINDOW, PACKET_SIZE } from "./ssh2.ts";

type Sign = (data: Buffer, send: (signature: Buffer) => void) => void;

/** What is used of the object by which ssh2's client speaks the protocol. It is no public interface. */
interface Protocol {
  service(name: string): void;
  authPK(username: string, key: ParsedKey, algorithm?: string, sign?: Sign): void;
  session(channel: number, window: number, packetSize: number): void;
  requestSuccess(): void;
  _handlers: {
    SERVICE_ACCEPT(protocol: Protocol, name: string): void;
    USERAUTH_FAILURE(protocol: Protocol, ...rest: unknown[]): void;
    GLOBAL_REQUEST(protocol: Protocol, name: string, wantsReply: boolean, data: unknown): void;
    CHANNEL_OPEN_CONFIRMATION(protocol: Protocol, info: { recipient: number }): void;
    CHANNEL_OPEN_FAILURE(protocol: Protocol, recipient: number, ...rest: unknown[]): void;
  };
}

/** How many arguments each part of it takes in the ssh2 that this file was written for. */
const METHODS = { service: 1, authPK: 4, session: 3, requestSuccess: 1 };
const HANDLERS = {
  SERVICE_ACCEPT: 2,
  USERAUTH_FAILURE: 3,
  GLOBAL_REQUEST: 4,
  CHANNEL_OPEN_CONFIRMATION: 2,
  CHANNEL_OPEN_FAILURE: 4,
};

/** Undefined where ssh2 has not exactly these parts. */
function knownProtocol(client: Client): Protocol | undefined {
  const { _protocol: protocol } = client as unknown as { _protocol?: Protocol };
  const has = (parts: object, arities: Record<string, number>) =>
    Object.entries(arities).every(([name, arity]) => {
      const part: unknown = Reflect.get(parts, name);
      return typeof part === "function" && part.length === arity;
    });
  const isKnown =
    protocol?._handlers &&
    // Its class': the connection's Peer stands before some of its own.
    has(Object.getPrototypeOf(protocol), METHODS) &&
    has(protocol._handlers, HANDLERS);
  return isKnown ? protocol : undefined;
}

/**
 * Takes three round trips and three signatures out of a login by ssh2, which has no options for them. To be called once
 * `connect` was called. An ssh2 of another shape is left alone: it logs in in its own time.
 *
 * - The first way to log in follows the request for the service at once: RFC 4253, 10, demands to wait for the answer only
 *   where the server has not proved its key by a signature.
 * - A private key at hand signs at once, instead of asking first whether the server would take it (RFC 4252, 7).
 * - The first session is asked for right behind the signature: what follows a request that succeeds belongs to the service
 *   (RFC 4252, 5.3). After one that fails OpenSSH answers that it did not understand; of others that is not known.
 * - The server's list of its other keys is not answered: ssh2 would have it prove each, and nothing here learns keys.
 *
 * @param opensSession the first channel will be a session, as to run a command
 * @returns settles when `method` may be sent: RSA signs by an algorithm that the server names before it accepts the service.
 */
export function loginEagerly(
  client: Client,
  opensSession: boolean,
): (method: AnyAuthMethod) => Promise<void> {
  const protocol = knownProtocol(client);
  if (protocol === undefined) return async () => {};
  const accepted = askAtOnce(protocol);
  doNotProve(protocol);
  const openEarly = opensSession ? firstSession(client, protocol) : () => {};

  const authPK = protocol.authPK.bind(protocol);
  protocol.authPK = (username, key, algorithm, sign) => {
    const hash =
      algorithm && /^rsa-sha2-(?:256|512)$/.test(algorithm) ? `sha${algorithm.slice(-3)}` : undefined;
    const signAtOnce: Sign = (data, send) => {
      const signature = key.sign(data, hash);
      // ssh2 asks first, and tells what is wrong when it signs.
      if (signature instanceof Error) authPK(username, key, algorithm);
      else send(signature);
    };
    const anySign = sign ?? (key.isPrivateKey() ? signAtOnce : undefined);
    const signAndOpen: Sign | undefined =
      anySign &&
      ((data, send) =>
        anySign(data, (signature) => {
          send(signature);
          openEarly();
        }));
    authPK(username, key, algorithm, signAndOpen);
  };

  return async (method) => {
    const isNamedByServer =
      method.type === "agent" ||
      (method.type === "publickey" && (method.key as ParsedKey).type === "ssh-rsa");
    if (isNamedByServer) await accepted;
  };
}

/** @returns settles once the service is accepted, when ssh2 has begun to log in already. */
function askAtOnce(protocol: Protocol): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { SERVICE_ACCEPT } = protocol._handlers;
  const service = protocol.service.bind(protocol);
  protocol.service = (name) => {
    service(name);
    SERVICE_ACCEPT(protocol, name);
  };
  protocol._handlers.SERVICE_ACCEPT = () => resolve();
  return promise;
}

function doNotProve(protocol: Protocol): void {
  const { GLOBAL_REQUEST } = protocol._handlers;
  protocol._handlers.GLOBAL_REQUEST = (_, name, wantsReply, data) => {
    if (name !== "hostkeys-00@openssh.com") GLOBAL_REQUEST(protocol, name, wantsReply, data);
    else if (wantsReply) protocol.requestSuccess();
  };
}

/** @returns asks for the session that ssh2 will want first, and keeps the answer until it does. */
function firstSession(client: Client, protocol: Protocol): () => void {
  const handlers = protocol._handlers;
  const { USERAUTH_FAILURE, CHANNEL_OPEN_CONFIRMATION, CHANNEL_OPEN_FAILURE } = handlers;
  const session = protocol.session.bind(protocol);
  /** ssh2 counts its channels from here. */
  const first = 0;
  let isAsked = false;
  let isWanted = false;
  let answer: (() => void) | undefined;

  const keepFor = (channel: number, handle: () => void): void => {
    if (channel === first && !isWanted) answer = handle;
    else handle();
  };
  handlers.CHANNEL_OPEN_CONFIRMATION = (_, info) =>
    keepFor(info.recipient, () => CHANNEL_OPEN_CONFIRMATION(protocol, info));
  handlers.CHANNEL_OPEN_FAILURE = (_, channel, ...rest) =>
    keepFor(channel, () => CHANNEL_OPEN_FAILURE(protocol, channel, ...rest));
  handlers.USERAUTH_FAILURE = (_, ...rest) => {
    isAsked = false;
    USERAUTH_FAILURE(protocol, ...rest);
  };
  protocol.session = (channel, window, packetSize) => {
    if (channel === first) isWanted = true;
    if (channel !== first || !isAsked) session(channel, window, packetSize);
    else if (answer) process.nextTick(answer);
  };
  return () => {
    const { _remoteVer: server = "" } = client as unknown as { _remoteVer?: string };
    if (!server.startsWith("OpenSSH_")) return;
    isAsked = true;
    session(first, MAX_WINDOW, PACKET_SIZE);
  };
}
