import { connect } from "node:net";

const REQUEST_IDENTITIES = 11;
const IDENTITIES_ANSWER = 12;
const MAX_ANSWER = 256 * 1024;
const PATIENCE = 2_000;

const asked = new Map<string, Promise<string[]>>();

/**
 * The types of the keys that the agent at `socket` holds, as their blobs name them; none where it does not answer. ssh2 leaves out
 * those that it does not know. Asked once for each agent: it is the same for all hosts.
 */
export function agentKeyTypes(socket: string): Promise<string[]> {
  let types = asked.get(socket);
  if (types === undefined) {
    types = ask(socket).catch(() => []);
    asked.set(socket, types);
  }
  return types;
}

function ask(path: string): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    let received = Buffer.alloc(0);
    socket.setTimeout(PATIENCE, () => socket.destroy(new Error("it does not answer")));
    socket.on("error", reject);
    socket.on("close", () => reject(new Error("it hung up")));
    socket.on("data", (data) => {
      received = Buffer.concat([received, data]);
      if (received.length < 4) return;
      const length = received.readUInt32BE();
      if (received.length < 4 + Math.min(length, MAX_ANSWER)) return;
      socket.destroy();
      try {
        resolve(typesIn(received.subarray(4, 4 + length)));
      } catch (error) {
        reject(error);
      }
    });
    socket.write(Buffer.from([0, 0, 0, 1, REQUEST_IDENTITIES]));
  });
}

function typesIn(answer: Buffer): string[] {
  if (answer.readUInt8() !== IDENTITIES_ANSWER) return [];
  const count = answer.readUInt32BE(1);
  const types: string[] = [];
  let at = 5;
  for (let index = 0; index < count; index++) {
    const length = answer.readUInt32BE(at);
    types.push(answer.toString("latin1", at + 8, at + 8 + answer.readUInt32BE(at + 4)));
    at += 4 + length;
    // The comment.
    at += 4 + answer.readUInt32BE(at);
  }
  return types;
}
