import type { ServerChannel } from "ssh2";
import { takeApart } from "../../measure/faults/hostile/compiled.ts";
import { splitWords } from "../../src/redis/words.ts";
import {
  generateKey,
  type KeyPair,
  type ServerOptions,
  startServer,
  type TestServer,
} from "../connection/support/server.ts";
import { answerTo, editedParts, wireOf, withRunning } from "./facts.ts";
import { reportText } from "./report.ts";
import { isProbe, nonceIn, unknownScript } from "./scripts.ts";

/** What a host is asked for, in a run: the facts, to change, how that stands, to keep it, to put it back. */
export type Step = "probe" | "transaction" | "status" | "confirm" | "rollback";

/** One request that has arrived whole. */
export interface Request {
  step: Step;
  /** How often this step was asked for, this time included. */
  time: number;
  channel: ServerChannel;
  /** Does what was asked; what is not done was never heard of. */
  act(): void;
  /** What the host would answer now. */
  answer(): string;
}

export interface ActingHost extends TestServer {
  /** How its transaction stands; undefined as long as it has none. */
  state: "applied" | "committed" | "rolled_back" | undefined;
  /** What it was asked for, in order. */
  asked: Step[];
  /** Closes this many of the next connections at once, after dropping those that are open. */
  leave(connections: number): void;
}

export interface Acting {
  hostKey?: KeyPair;
  /** The recorded host that it is before anything was changed; default: the stock install of Debian 12. */
  like?: string;
  /** Edits each part of what it answers to the probe, before it is framed. */
  edit?: (text: string, title: string) => string;
  /** More unauthenticated connections at once than this are closed at once. */
  maxStartups?: number;
  /** What its transactions come to; default: applied. */
  outcome?: () => "applied" | "rolled_back";
  /** Answers in another way than by doing what was asked and saying so. */
  on?: (request: Request, host: ActingHost) => void;
}

const CONF = "/etc/redis/redis.conf";
let machines = 0;

/**
 * A host on loopback that has no Redis and behaves as if it had: a recorded stock host, whose redis.conf and running
 * settings change by what its transactions say. Only settings that need no restart are understood.
 */
export async function startActingHost({
  hostKey = generateKey(),
  like = "stock",
  edit = (text) => text,
  maxStartups,
  outcome,
  on,
}: Acting = {}): Promise<ActingHost> {
  const machine = (++machines).toString(16).padStart(32, "0");
  let conf: string | undefined;
  let running: [string, string][] = [];
  const take = (script: string) => {
    host.state = outcome?.() ?? "applied";
    if (host.state !== "applied") return;
    const { parts } = takeApart(script);
    for (const line of (parts.get("files") ?? "").split("\n")) {
      const [number, path] = line.split(" ");
      if (path === CONF) conf = parts.get(`new/${number}`);
    }
    running = (parts.get("live") ?? "")
      .split("\n")
      .flatMap((line) => pairs(splitWords(line)?.slice(2) ?? []));
  };
  const putBack = () => {
    host.state = "rolled_back";
    conf = undefined;
    running = [];
  };
  const facts = (script: string): string => {
    const parts = editedParts(like, {
      machine: (text) => text.replace(/^(.*\n).*/, `$1${machine}`),
      // Recorded hosts have one history: they would pass for a replication group.
      info: (text) => text.replace(/^master_replid:\S*/m, `master_replid:${machine}00000000`),
      ...(conf === undefined ? {} : { [`config ${CONF}`]: () => conf }),
      ...(running.length === 0
        ? {}
        : {
            running: (text: string) =>
              running.reduce((now, [name, value]) => withRunning(name, value)(now), text),
          }),
    });
    const edited = new Map([...parts].map(([title, text]) => [title, edit(text, title)]));
    return answerTo(nonceIn(script), wireOf(edited));
  };
  const report = (script: string): string => {
    const nonce = nonceIn(script);
    const journal = host.state === undefined ? "" : "1 begin\n2 armed\n3 live\n4 applied\n";
    return reportText({ state: `${host.state ?? ""}\n`, journal, unavailable: "", log: "" }, nonce);
  };

  const options: ServerOptions = {
    hostKeys: [hostKey],
    ...(maxStartups === undefined ? {} : { maxStartups }),
  };
  options.exec = (command, channel) => {
    const [, first, second] = /'([0-9a-f]{24})' '([0-9a-f]{24})'$/.exec(command) ?? [];
    const chunks: Buffer[] = [];
    channel.on("data", (chunk: Buffer) => chunks.push(chunk));
    channel.on("end", () => {
      const script = Buffer.concat(chunks).toString();
      const step = stepOf(script);
      host.asked.push(step);
      const time = host.asked.filter((asked) => asked === step).length;
      channel.stderr.write(`${first}:${second}\n`);
      channel.write(`${first}:${second}\n`);
      const act = () => {
        if (step === "transaction") take(script);
        if (step === "confirm" && host.state === "applied") host.state = "committed";
        if (step === "rollback" && host.state === "applied") putBack();
      };
      const answer = () => (step === "probe" ? facts(script) : report(script));
      if (on !== undefined) on({ step, time, channel, act, answer }, host);
      else answerAsAsked({ step, time, channel, act, answer });
    });
  };
  const server = await startServer(options);
  const host: ActingHost = Object.assign(server, {
    state: undefined as ActingHost["state"],
    asked: [] as Step[],
    leave(connections: number) {
      options.closeFirst = server.connections + connections;
      server.drop();
    },
  });
  return host;
}

/** Does it, and says so. */
export function answerAsAsked({ act, answer, channel }: Request): void {
  act();
  channel.write(answer());
  channel.exit(0);
  channel.end();
}

function stepOf(script: string): Step {
  if (isProbe(script)) return "probe";
  if (/ confirm >/.test(script)) return "confirm";
  if (/ rollback asked >/.test(script)) return "rollback";
  if (/^begun=/m.test(script)) return "transaction";
  if (/show -p ActiveState /.test(script)) return "status";
  throw unknownScript(script);
}

function pairs(words: readonly string[]): [string, string][] {
  return words.flatMap((word, index): [string, string][] =>
    index % 2 === 0 ? [[word, words[index + 1] ?? ""]] : [],
  );
}
