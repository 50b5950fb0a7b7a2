import type { AnyAuthMethod, Client, ParsedKey } from "ssh2";
import { MAX_WINDOW, PACKET_SIZE } from "./ssh2.ts";

type Sign = (data: Buffer, send: (signature: Buffer) => void) => void;

/** The parts that we use of ssh2's protocol object. It is not a public interface. */
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

/** How many arguments each of its parts takes in the ssh2 that this file was written for. */
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
  // None of it is in ssh2's types: what is there is looked up below.
  const { _protocol: protocol } = client as unknown as { _protocol?: Protocol };
  const has = (parts: object, arities: Record<string, number>) =>
    Object.entries(arities).every(([name, arity]) => {
      const part: unknown = Reflect.get(parts, name);
      return typeof part === "function" && part.length === arity;
    });
  const isKnown =
    protocol?._handlers &&
    // From its class: on the object itself, the connection's Peer has wrapped some of them.
    has(Object.getPrototypeOf(protocol), METHODS) &&
    has(protocol._handlers, HANDLERS);
  return isKnown ? protocol : undefined;
}

/**
 * Saves three round trips and three signatures of a login by ssh2, which has no options for this. Call it after `connect`.
 * An ssh2 with other parts is left alone and logs in at its own pace.
 *
 * - The first login attempt follows the request for the service at once: RFC 4253, 10, requires waiting for the answer only
 *   where the server has not proved its key by a signature.
 * - A private key at hand signs at once, instead of asking first whether the server would take it (RFC 4252, 7).
 * - The first session is asked for right behind the signature: what follows a request that succeeds belongs to the service
 *   (RFC 4252, 5.3). If the login fails, OpenSSH answers that it did not understand; we do not know what others do.
 * - The server's list of its other host keys gets no answer: ssh2 would have it prove each, and redkeep learns no keys.
 *
 * @param opensSession the first channel will be a session, which runs a command
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
      // ssh2 asks first, and reports what is wrong when it signs.
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

/** @returns a function that requests the first session early, and keeps the answer until ssh2 asks for one. */
function firstSession(client: Client, protocol: Protocol): () => void {
  const handlers = protocol._handlers;
  const { USERAUTH_FAILURE, CHANNEL_OPEN_CONFIRMATION, CHANNEL_OPEN_FAILURE } = handlers;
  const session = protocol.session.bind(protocol);
  /** The number of ssh2's first channel. */
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
    // ssh2 tells the server's greeting to nobody.
    const { _remoteVer: server = "" } = client as unknown as { _remoteVer?: string };
    if (!server.startsWith("OpenSSH_")) return;
    isAsked = true;
    session(first, MAX_WINDOW, PACKET_SIZE);
  };
}
