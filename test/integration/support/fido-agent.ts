import { createHash, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { createServer, type Socket } from "node:net";

const TYPE = "sk-ssh-ed25519@openssh.com";
const APPLICATION = "ssh:";
/** Somebody touched the key. */
const PRESENT = 1;
/** Messages to and from an agent, by the numbers of its protocol. */
const MESSAGE = { failure: 5, identities: 11, answer: 12, sign: 13, signed: 14 } as const;

/**
 * An agent with a FIDO key that is software: it signs as an authenticator does (PROTOCOL.u2f), and is touched at once.
 * @param path of its socket
 */
export async function startFidoAgent(path: string): Promise<AsyncDisposable & { publicKey: string }> {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const raw = publicKey.export({ format: "der", type: "spki" }).subarray(-32);
  const blob = Buffer.concat([string(TYPE), string(raw), string(APPLICATION)]);
  let uses = 0;
  const sockets = new Set<Socket>();
  const listener = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    let received = Buffer.alloc(0);
    socket.on("data", (data) => {
      received = Buffer.concat([received, data]);
      while (received.length >= 4 && received.length >= 4 + received.readUInt32BE()) {
        const message = received.subarray(4, 4 + received.readUInt32BE());
        received = received.subarray(4 + message.length);
        socket.write(string(answer(message)));
      }
    });
  });
  const answer = (message: Buffer): Buffer => {
    if (message[0] === MESSAGE.identities)
      return Buffer.concat([Buffer.from([MESSAGE.answer]), uint32(1), string(blob), string("authenticator")]);
    if (message[0] !== MESSAGE.sign) return Buffer.from([MESSAGE.failure]);
    const at = 1 + 4 + message.readUInt32BE(1);
    const data = message.subarray(at + 4, at + 4 + message.readUInt32BE(at));
    return Buffer.concat([Buffer.from([MESSAGE.signed]), string(signature(data, privateKey, ++uses))]);
  };
  await new Promise<void>((resolve) => listener.listen(path, resolve));
  return {
    publicKey: `${TYPE} ${blob.toString("base64")}`,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
}

function signature(data: Buffer, key: KeyObject, counter: number): Buffer {
  const told = Buffer.concat([Buffer.from([PRESENT]), uint32(counter)]);
  const signed = Buffer.concat([sha256(APPLICATION), told, sha256(data)]);
  return Buffer.concat([string(TYPE), string(sign(null, signed, key)), told]);
}

const sha256 = (data: string | Buffer) => createHash("sha256").update(data).digest();

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function string(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value as string);
  return Buffer.concat([uint32(bytes.length), bytes]);
}
