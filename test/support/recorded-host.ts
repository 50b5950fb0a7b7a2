import type { ServerChannel } from "ssh2";
import { generateKey, type KeyPair, startServer, type TestServer } from "../connection/support/server.ts";
import { answerTo, probeOutput } from "./facts.ts";
import { nonceIn } from "./scripts.ts";

export interface RecordedHost extends TestServer {
  /** The scripts that it was sent, in order. */
  scripts: string[];
}

/** A host on loopback that answers each probe as a recorded one did, by SSH. It runs nothing. */
export async function startRecordedHost(
  name: string,
  edit: (answer: string) => string = (answer) => answer,
  hostKey?: KeyPair,
): Promise<RecordedHost> {
  return await startAnsweringHost((nonce) => answerTo(nonce, edit(probeOutput(name))), hostKey);
}

/** A host on loopback that runs nothing, and says to each script what `answer` makes of the script's nonce. */
export async function startAnsweringHost(
  answer: (nonce: string) => string,
  hostKey: KeyPair = generateKey(),
): Promise<RecordedHost> {
  const scripts: string[] = [];
  const server = await startServer({
    hostKeys: [hostKey],
    exec: (command, channel) => respond(command, channel, scripts, answer),
  });
  return Object.assign(server, { scripts });
}

/** As the bootstrap's shell does: the marker on both outputs, then what the script prints. */
function respond(
  command: string,
  channel: ServerChannel,
  scripts: string[],
  answer: (nonce: string) => string,
): void {
  const [, first, second] = /'([0-9a-f]{24})' '([0-9a-f]{24})'$/.exec(command) ?? [];
  const chunks: Buffer[] = [];
  channel.on("data", (chunk: Buffer) => chunks.push(chunk));
  channel.on("end", () => {
    const script = Buffer.concat(chunks).toString("utf8");
    scripts.push(script);
    const nonce = nonceIn(script);
    channel.stderr.write(`${first}:${second}\n`);
    channel.write(`${first}:${second}\n${answer(nonce)}`);
    channel.exit(0);
    channel.end();
  });
}
