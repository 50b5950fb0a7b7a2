/** One fault, one tool, one fresh host: seven questions. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import { type LabHost, startNetwork } from "../../../test/integration/support/lab.ts";
import { onHost } from "../../../test/integration/support/observe.ts";
import { canLogIn, KEYS, keysOf, missingWrites, prepareHost, untilAtRest, Writer } from "../host.ts";
import { Wire } from "../wire.ts";
import { type Bundle, openBundle, ownFile } from "./bundle.ts";
import type { Fault, Moment, Strike } from "./faults.ts";
import { type Delta, type Differences, deltaOf, judge, linesOf } from "./state.ts";
import type { Claim, Tool } from "./tools.ts";

/** A tool that is not done by then is ended, in seconds from its start. */
const ENDS_WITHIN = 180;
/** A new login has to work by then, in seconds from the moment the host is at rest. */
const LOGIN_WITHIN = 60;

export interface Row {
  fault: string;
  tool: string;
  state: "old" | "new" | "mixed";
  differences: Differences;
  /** Preloaded keys. Where Redis does not run any more, its files were loaded into another one. */
  keysLost: number;
  writesAcked: number;
  writesLost: number;
  /** The longest time in which no write was acknowledged. */
  secondsDown: number;
  /** Writes are acknowledged again at the end. */
  served: boolean;
  /** A new SSH login works within a minute. */
  login: boolean;
  /** What every user of the host, or a reader of its journal and of the tool's output, can see. */
  secrets: string[];
  /** Null for a tool that was killed by the fault, or never ended. */
  statuses: (number | null)[];
  claims: Claim[];
  /** An exit status said what was not so. */
  lied: boolean;
  seconds: number;
}

export function survived(row: Omit<Row, "lied">): boolean {
  return row.state !== "mixed" && row.keysLost === 0 && row.writesLost === 0 && row.served && row.login;
}

export interface Reference {
  row: Row;
  delta: Delta;
  /** What a second run changes, and the longest time without an acknowledged write meanwhile. */
  again: { differences: Differences; secondsDown: number };
}

/** What a tool does to a host when nothing goes wrong. */
export async function measureReference(tool: Tool, { aof }: Pick<Fault, "aof">): Promise<Reference> {
  const nothing: Fault = { name: "none", title: "No fault", ...(aof && { aof }) };
  await using lab = await openLab(nothing);
  const { host, bundle } = lab;
  tool.write(bundle);
  const before = await linesOf(host, bundle);
  const first = await watch(lab, nothing, tool);
  const after = await linesOf(host, bundle);
  const delta = deltaOf(before, after);
  const row = await answer(lab, nothing, tool, { delta, stock: before, before, ...first });
  const second = await watch(lab, nothing, tool);
  const { removed, added } = deltaOf(after, await linesOf(host, bundle));
  const differences = [...removed.map((line) => `- ${line}`), ...added.map((line) => `+ ${line}`)];
  return { row, delta, again: { differences, secondsDown: secondsDown(second) } };
}

/** @param delta of the tool's run without a fault */
export async function runFault(fault: Fault, tool: Tool, delta: Delta): Promise<Row> {
  await using lab = await openLab(fault);
  const { host, bundle } = lab;
  tool.write(bundle);
  const stock = await linesOf(host, bundle);
  await fault.prepare?.(host);
  const before = await linesOf(host, bundle);
  return await answer(lab, fault, tool, { delta, stock, before, ...(await watch(lab, fault, tool)) });
}

interface Lab extends AsyncDisposable {
  host: LabHost;
  bundle: Bundle;
}

/** A network of its own gives the host the same address again after a power cut. */
async function openLab(fault: Fault): Promise<Lab> {
  await using stack = new AsyncDisposableStack();
  const network = stack.use(await startNetwork());
  const host = stack.use(await prepareHost({ network, aof: fault.aof ?? false }));
  if (fault.aof) await onHost(host, REWRITE_AOF);
  // Only what the lab publishes can be silenced.
  const way =
    fault.strike === "silence"
      ? { address: host.address, port: host.sshPort }
      : { address: host.ip, port: fault.sshPort ?? 22 };
  const bundle = stack.use(await openBundle(host, fault.values ?? {}, way));
  const kept = stack.move();
  return { host, bundle, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/**
 * The keys were made by a script, which an AOF holds as a transaction: replayed while the default user may do nothing, Redis 7.0
 * drops it (redis/redis#14541), whatever the fault.
 */
const REWRITE_AOF = `redis-cli bgrewriteaof
until redis-cli info persistence | grep -q '^aof_rewrite_in_progress:0' &&
  ! redis-cli info persistence | grep -q '^aof_rewrite_scheduled:1'; do sleep 0.1; done`;

interface Watched {
  writer: Writer;
  served: boolean;
  stoppedAt: number;
  statuses: (number | null)[];
  output: string;
  seen: string[];
  seconds: number;
}

/** Runs the tool under a client that writes every 10 ms, strikes, and waits until the host is at rest. */
async function watch({ host, bundle }: Lab, fault: Fault, tool: Tool): Promise<Watched> {
  const writer = new Writer(host, bundle.project.appPassword);
  await writer.nextWrite();
  let sampler = startSampler(host, bundle);
  const samplers = [sampler];
  await using wire = fault.strike === "silence" ? await Wire.to(host) : undefined;
  const blow = fault.at && fault.strike ? await armStrike(host, fault.at, fault.strike) : undefined;
  const start = performance.now();
  const controllers = Array.from({ length: fault.operators ?? 1 }, (_, index) =>
    startController(tool, bundle, index + 1),
  );
  const ended = Promise.all(controllers.map((controller) => controller.ended));
  if (blow !== undefined) {
    await Promise.race([
      blow.struck,
      ended
        .then(() => setTimeout(2000))
        .then(() =>
          Promise.reject(
            new Error(
              `${tool.name} ended before ${fault.at}:\n${controllers.map(({ output }) => output()).join("\n")}`,
            ),
          ),
        ),
    ]);
    if (fault.strike === "silence") await wire?.dropConnected();
    if (fault.strike === "interrupted") for (const controller of controllers) controller.signal("SIGINT");
    if (fault.strike === "killed") {
      for (const controller of controllers) controller.signal("SIGKILL");
      // A laptop that dies takes its connections along, also those that a background process holds.
      await host.sh(RESET);
    }
    if (fault.strike === "power") {
      await host.kill();
      // Without Redis the boot does not count as done: that is for the questions to find.
      await host.restart().catch(() => {});
      writer.start();
      sampler = startSampler(host, bundle);
      samplers.push(sampler);
    }
  }
  await Promise.race([
    ended,
    setTimeout(ENDS_WITHIN * 1000 - (performance.now() - start), undefined, { ref: false }),
  ]);
  const statuses = controllers.map((controller) => controller.status());
  for (const controller of controllers) controller.signal("SIGKILL");
  await ended;
  await onHost(host, WAIT_FOR_PROCESSES);
  await untilAtRest(host, performance.now());
  const served = await writer.nextWrite();
  await writer.stop();
  for (const each of samplers) each.stop();
  return {
    writer,
    served,
    stoppedAt: Date.now(),
    statuses,
    output: controllers.map(({ output }) => output()).join("\n"),
    seen: samplers.flatMap(({ findings }) => findings),
    seconds: Number(((performance.now() - start) / 1000).toFixed(1)),
  };
}

/** What still runs on the host of a shell script or of Ansible, for at most a minute. */
const WAIT_FOR_PROCESSES = `i=0
while [ $i -lt 600 ] && pgrep -f 'harden/harden[.]sh|[.]ansible/tmp' >/dev/null; do i=$((i + 1)); sleep 0.1; done`;

/** As seen from the host, it is the end of every connection of root. */
const RESET = "pkill -KILL -f '^sshd: root'";

async function armStrike(host: LabHost, moment: Moment, strike: Strike): Promise<{ struck: Promise<void> }> {
  const commands: Partial<Record<string, string>> = {
    reset: RESET,
    // Docker takes its time to cut the power: nothing goes on meanwhile.
    power: "kill -STOP -1",
  };
  const command = typeof strike === "string" ? (commands[strike] ?? "true") : strike.onHost;
  const child = spawn("docker", ["exec", host.id, "python3", "-c", ownFile("strike.py"), moment, command], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (word: string): Promise<void> => {
    const { value } = await lines.next();
    if (value !== word) throw new Error(`expected ${word} at ${moment}, found ${value}`);
  };
  await next("ready");
  return { struck: next("struck") };
}

function startSampler(host: LabHost, { secrets }: Bundle): { findings: string[]; stop(): void } {
  const child = spawn("docker", ["exec", "-i", host.id, "python3", "-c", ownFile("sampler.py")], {
    stdio: ["pipe", "pipe", "ignore"],
  });
  child.stdin.on("error", () => {});
  child.stdin.write(`${JSON.stringify(secrets)}\n`);
  const findings: string[] = [];
  createInterface({ input: child.stdout }).on("line", (line) => findings.push(line));
  return { findings, stop: () => child.stdin.end() };
}

/** In a process group of its own, which is what a terminal's Ctrl-C and the end of a laptop reach. */
function startController(tool: Tool, bundle: Bundle, run: number) {
  const { argv, env } = tool.command(bundle, run);
  const [program, ...args] = argv;
  const child = spawn(program, args, {
    cwd: bundle.project.dir,
    env: { ...process.env, NO_COLOR: "1", ...env },
    detached: true,
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  child.stdin.end();
  const ended = once(child, "exit");
  return {
    ended,
    output: () => output,
    status: () => child.exitCode,
    signal(name: NodeJS.Signals) {
      try {
        process.kill(-(child.pid ?? Number.NaN), name);
      } catch {
        // The group has ended.
      }
    },
  };
}

async function answer(
  { host, bundle }: Lab,
  fault: Fault,
  tool: Tool,
  seen: Watched & { delta: Delta; stock: string[]; before: string[] },
): Promise<Row> {
  const login = await untilLogin(host, bundle);
  const found = await linesOf(host, bundle).then(
    (now) => judge(fault, seen.delta, { ...seen, now }),
    (error: Error) => ({ state: "mixed" as const, differences: [error.message] }),
  );
  const { keysLost, missing } = await dataOf(host, bundle, seen);
  const acknowledged = [...seen.writer.acknowledged.keys()];
  const claims = seen.statuses.map((status, index) =>
    status === null ? "unknown" : tool.claim(status, bundle, index + 1),
  );
  const row = {
    fault: fault.name,
    tool: tool.name,
    ...found,
    keysLost,
    writesAcked: acknowledged.length,
    writesLost:
      missing === "all" ? acknowledged.length : acknowledged.filter((number) => missing.has(number)).length,
    secondsDown: secondsDown(seen),
    served: seen.served,
    login,
    secrets: [...new Set([...seen.seen, ...(await secretsAtRest(host, bundle, seen.output))])].toSorted(),
    statuses: seen.statuses,
    claims,
    seconds: seen.seconds,
  };
  return { ...row, lied: claims.some((claim) => isLie(claim, row, fault)) };
}

/** `failed` promises nothing. It is wrong where all is as planned, unless another operator did it, or somebody's line is in it. */
export function isLie(claim: Claim, row: Omit<Row, "lied">, fault: Fault): boolean {
  if (claim === "new") return row.state !== "new" || !survived(row);
  if (claim === "unknown") return false;
  if (row.state === "new") return !row.claims.includes("new") && fault.keeps === undefined;
  return claim === "old" && row.state !== "old";
}

async function untilLogin(host: LabHost, bundle: Bundle): Promise<boolean> {
  const until = performance.now() + LOGIN_WITHIN * 1000;
  do {
    if (await canLogIn(host, bundle)) return true;
    await setTimeout(1000);
  } while (performance.now() < until);
  return false;
}

function secondsDown({ writer, served, stoppedAt }: Watched): number {
  const last = Math.max(0, ...writer.acknowledged.values());
  return Number((Math.max(writer.longestGap(), served ? 0 : stoppedAt - last) / 1000).toFixed(1));
}

/** Asks Redis, or where it does not run any more, another one that loads its files. */
async function dataOf(
  host: LabHost,
  { project }: Bundle,
  { writer }: Watched,
): Promise<{ keysLost: number; missing: Set<number> | "all" }> {
  const last = Math.max(0, ...writer.acknowledged.keys());
  const count = async (): Promise<{ keysLost: number; missing: Set<number> | "all" }> => {
    const keys = await keysOf(host, project);
    if (Number.isNaN(keys)) throw new Error("Redis does not answer");
    return { keysLost: KEYS - keys, missing: new Set(await missingWrites(host, project, last)) };
  };
  try {
    return await count();
  } catch {
    const loaded = await host.sh(LOAD_ASIDE);
    return loaded.status === 0 ? await count() : { keysLost: KEYS, missing: "all" };
  }
}

/** On the plain port, with the files of the old server and nothing else of it. */
const LOAD_ASIDE = `systemctl stop --no-block redis-server; systemctl kill -s KILL redis-server 2>/dev/null
dir=/var/lib/redis; [ -d $dir/appendonlydir ] && aof=yes || aof=no
rm -rf /root/aside && cp -a $dir /root/aside && cd /root/aside
redis-server --port 6379 --bind 127.0.0.1 --dir /root/aside --appendonly $aof --save '' --daemonize yes >/dev/null
i=0; until [ "$(redis-cli ping 2>&1)" = PONG ]; do i=$((i + 1)); [ $i -lt 100 ] || exit 1; sleep 0.1; done`;

/** In the journal, in files that everybody may read, and in what the tool printed. */
async function secretsAtRest(host: LabHost, { secrets }: Bundle, output: string): Promise<string[]> {
  const found = await Promise.all(
    Object.entries(secrets).map(async ([name, text]) => {
      const places = await onHost(
        host,
        `text=$(cat)
         journalctl --no-pager -o verbose 2>/dev/null | grep -qFe "$text" && echo 'the journal'
         printf '%s\\n' "$text" | runuser -u nobody -- grep -rlFf - /etc /var /tmp /srv /home /run 2>/dev/null
         true`,
        text,
      );
      const printed = output.includes(text) ? ["the tool's output"] : [];
      return [...places.split("\n").filter(Boolean), ...printed].map((place) => `${name} in ${place}`);
    }),
  );
  return found.flat();
}
