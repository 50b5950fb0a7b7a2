/** One block of the benchmark: a tool on fresh hosts of its own, measured in every phase. */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { pool } from "../../src/lib/pool.ts";
import { type LabHost, startHost } from "../../test/integration/support/lab.ts";
import { LabProgram } from "../../test/integration/support/lab-program.ts";
import { onHost } from "../../test/integration/support/observe.ts";
import { connectJob, endStateOf, type Job, type JobHost, openJob } from "./job.ts";
import { groupOf, measure, waitForQuiet } from "./measure.ts";
import { type DelayingProxy, startProxy } from "./proxy.ts";
import type { Block, Counted, Row } from "./results.ts";
import { type Phase, TOOLS, type Tool } from "./tools.ts";

export interface BlockOptions {
  tool: Tool;
  hosts: number;
  rtt: number;
  round: number;
  phases: readonly Phase[];
  /** How often a quick tool does what follows on a hardened host. */
  repeat: number;
  log: (line: string) => void;
}

const END_STATE = readFileSync(join(import.meta.dirname, "end-state.txt"), "utf8")
  .trim()
  .split("\n");
/** Seconds after which a run has failed. */
const LIMIT = 900;
/** Of hosts that start at a time: systemd's boot takes a core. */
const STARTS = 4;

export async function runBlock(options: BlockOptions): Promise<Block> {
  const { tool, hosts: size, rtt, round, phases } = options;
  await using stack = new AsyncDisposableStack();
  const hosts = await startHosts(stack, size);
  const job = stack.use(openJob(hosts));
  const block: Block = {
    tool: tool.name,
    hosts: size,
    rtt,
    round,
    at: new Date().toISOString(),
    rows: [],
    differences: [],
  };
  const groups = hosts.map(({ host }) => groupOf(host.id));
  let proxies: DelayingProxy[] = [];

  const run = async (by: Tool, phase: Phase): Promise<Row> => {
    const row = await runOnce(by, phase, job, groups, proxies);
    options.log(
      `  ${by.name} ${phase}: ${row.wall.toFixed(2)} s${row.problem === undefined ? "" : `, ${row.problem}`}`,
    );
    return row;
  };

  // Behind a proxy only what follows on a hardened host is of interest, and of the slow tools one phase.
  if (rtt === 0) block.rows.push(await run(loginTool, "login"));
  const uptime = Number(await onHost((hosts[0] as JobHost).host, "cut -d ' ' -f 1 /proc/uptime"));
  const first = await run(tool, "first");
  if (rtt === 0) block.rows.push(first);
  if (first.problem === undefined && size === 1 && rtt === 0)
    block.steps = await tool.steps?.((hosts[0] as JobHost).host, uptime);
  block.differences =
    first.problem === undefined ? await differencesOf(tool, job) : [`first apply: ${first.problem}`];
  if (rtt > 0) proxies = await hideBehindProxies(stack, job, rtt);
  for (let turn = 0; turn < (tool.isQuick ? options.repeat : 1); turn++) {
    block.rows.push(await run(loginTool, "login"));
    for (const phase of phases) {
      if (phase === "first" || (rtt > 0 && !tool.isQuick && phase !== "nothing")) continue;
      block.rows.push(await run(tool, phase));
    }
  }
  if (size === 1 && rtt === 0 && round === 1) block.counted = await count(tool, job);
  return block;
}

const loginTool = TOOLS.find(({ name }) => name === "ssh") as Tool;

async function startHosts(stack: AsyncDisposableStack, count: number): Promise<JobHost[]> {
  const names = Array.from({ length: count }, (_, index) => `redis-${String(index + 1).padStart(2, "0")}`);
  const hosts: JobHost[] = [];
  await pool(names, STARTS, async (name) => {
    const host: LabHost = stack.use(await startHost());
    hosts.push({ name, host, hostname: await onHost(host, "hostname"), address: host.ip, port: 22 });
  });
  await waitForQuiet(20);
  return hosts.toSorted((a, b) => a.name.localeCompare(b.name));
}

async function hideBehindProxies(
  stack: AsyncDisposableStack,
  job: Job,
  rtt: number,
): Promise<DelayingProxy[]> {
  const proxies = await Promise.all(job.hosts.map(({ host }) => startProxy(host.ip, 22, rtt)));
  for (const proxy of proxies) stack.use(proxy);
  connectJob(
    job,
    job.hosts.map((host, index) => ({ ...host, address: "127.0.0.1", port: proxies[index]?.port ?? 0 })),
  );
  return proxies;
}

async function runOnce(
  tool: Tool,
  phase: Phase,
  job: Job,
  groups: string[],
  proxies: DelayingProxy[],
): Promise<Row> {
  const passed = (way: "sent" | "received"): number =>
    proxies.reduce((sum, { traffic }) => sum + traffic[way], 0);
  const before = { sent: passed("sent"), received: passed("received") };
  rmSync(join(job.dir, "run.json"), { force: true });
  const { argv, env = {} } = tool.command(phase, job);
  const { output, ...measured } = await measure(argv, { cwd: job.dir, env, hosts: groups, limit: LIMIT });
  const trips = tool.trips?.(job);
  const untouched =
    phase === "nothing" || phase === "check"
      ? (tool.untouched?.(output, job) ?? job.hosts.length)
      : undefined;
  const problem =
    measured.status !== 0
      ? `exit status ${measured.status}: ${output.trim().slice(-300)}`
      : untouched !== undefined && untouched !== job.hosts.length
        ? `something was to be done on ${job.hosts.length - untouched} of ${job.hosts.length} hosts`
        : undefined;
  return {
    tool: tool.name,
    phase,
    ...measured,
    ...(problem === undefined ? {} : { problem }),
    ...(trips === undefined ? {} : { trips }),
    ...(proxies.length === 0
      ? {}
      : { sent: passed("sent") - before.sent, received: passed("received") - before.received }),
  };
}

/** What is other on the hosts than end-state.txt says. */
async function differencesOf(tool: Tool, job: Job): Promise<string[]> {
  const differences = new Set<string>();
  for (const host of job.hosts) {
    const files = tool.clientFiles?.(job);
    const found = await endStateOf(host, files !== undefined && existsSync(files[0]) ? files : undefined);
    for (const line of END_STATE) if (!found.includes(line)) differences.add(`- ${line}`);
    for (const line of found) if (!END_STATE.includes(line)) differences.add(`+ ${line}`);
  }
  return [...differences];
}

/** The last process id that the host's namespace gave out, asked by a program that starts none. */
const LAST_PID = `import sys
for _ in sys.stdin: print(open("/proc/loadavg").read().split()[-1], flush=True)`;

/** Of a run with nothing to do: connections and channels as sshd tells them, and the process ids that the host gave out. */
async function count(tool: Tool, job: Job): Promise<Counted | undefined> {
  const [{ host }] = job.hosts as [JobHost];
  await onHost(host, "echo LogLevel DEBUG2 >/etc/ssh/sshd_config.d/00-count.conf && systemctl reload ssh");
  const log = async (): Promise<string[]> =>
    (await onHost(host, "journalctl --sync; journalctl -b -t sshd -o cat --no-pager")).split("\n");
  const before = (await log()).length;
  await using pids = new LabProgram(host, LAST_PID);
  const pid = Number(await pids.ask(0));
  const row = await runOnce(tool, "nothing", job, [], []);
  const processes = Number(await pids.ask(0)) - pid;
  if (row.problem !== undefined) return undefined;
  const lines = (await log()).slice(before).join("\n");
  const found = (pattern: RegExp): number => lines.match(pattern)?.length ?? 0;
  return {
    connections: found(/^Accepted publickey/gm),
    channels: found(/^Starting session: (?:command|shell|forced-command|subsystem)/gm),
    processes,
  };
}
