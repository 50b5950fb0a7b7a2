import type { AnyAuthMethod, Client, ParsedKey } from "ssh2";

type Sign = (data: Buffer, send: (signature: Buffer) => void) => void;

/** What is used of the object that ssh2's client speaks the protocol by. It is no public interface: ssh2's version is pinned. */
interface Protocol {
  service(name: string): void;
  authPK(username: string, key: ParsedKey, algorithm?: string, sign?: Sign): void;
  requestSuccess(): void;
  _handlers: {
    SERVICE_ACCEPT(protocol: Protocol, name: string): void;
    GLOBAL_REQUEST(protocol: Protocol, name: string, wantsReply: boolean, data: unknown): void;
  };
}

/**
 * Takes two round trips and three signatures out of a login by ssh2, which has no options for them. To be called once
 * `connect` was called.
 *
 * - The first way to log in follows the request for the service at once: RFC 4253, 10, demands to wait for the answer only
 *   where the server has not proved its key by a signature.
 * - A private key at hand signs at once, instead of asking first whether the server would take it (RFC 4252, 7).
 * - The server's list of its other keys is not answered: ssh2 would have it prove each, and nothing here learns keys.
 *
 * @returns settles when `method` may be sent: RSA signs by an algorithm that the server names before it accepts the service.
 */
export function loginEagerly(client: Client): (method: AnyAuthMethod) => Promise<void> {
  const protocol = (client as unknown as { _protocol: Protocol })._protocol;
  const handlers = protocol._handlers;
  const accepted = Promise.withResolvers<void>();

  const { SERVICE_ACCEPT, GLOBAL_REQUEST } = handlers;
  const service = protocol.service.bind(protocol);
  protocol.service = (name) => {
    service(name);
    SERVICE_ACCEPT(protocol, name);
  };
  handlers.SERVICE_ACCEPT = () => accepted.resolve();

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
    authPK(username, key, algorithm, sign ?? (key.isPrivateKey() ? signAtOnce : undefined));
  };

  handlers.GLOBAL_REQUEST = (_protocol, name, wantsReply, data) => {
    if (name !== "hostkeys-00@openssh.com") GLOBAL_REQUEST(protocol, name, wantsReply, data);
    else if (wantsReply) protocol.requestSuccess();
  };

  return async (method) => {
    const isNamedByServer =
      method.type === "agent" ||
      (method.type === "publickey" && (method.key as ParsedKey).type === "ssh-rsa");
    if (isNamedByServer) await accepted.promise;
  };
}
