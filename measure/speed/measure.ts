/** Runs a program and measures it with everything it started: in a cgroup of its own, where the machine has them. */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

export interface Measurement {
  /** Exit status. Null where a signal ended it. */
  status: number | null;
  /** stdout and stderr as they came. */
  output: string;
  /** Seconds from start to exit. */
  wall: number;
  /** CPU seconds of the whole process tree, SSH masters in the background included. */
  cpu: number;
  /** CPU seconds of the lab hosts meanwhile. */
  hostCpu: number;
  /** CPU seconds that the rest of the machine took meanwhile. */
  otherCpu: number;
  /** Most memory (PSS of all its processes together, sampled) in MB. */
  memory: number;
  /** The machine's load average over a minute before it started. */
  load: number;
}

/** Control groups of version 1 lie in a folder for each controller, those of version 2 in one. */
const V1 = "/sys/fs/cgroup/cpuacct";
const isV1 = existsSync(V1);
const root = isV1 ? V1 : "/sys/fs/cgroup";

/** How CPU and memory are measured here, in words for the report. */
export const METHOD = `CPU: cgroup v${isV1 ? "1 (cpuacct)" : "2 (cpu.stat)"} of the tool's whole process tree; memory: its processes' PSS, sampled`;

const read = (file: string): string => {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return ""; // the process or group has gone
  }
};

/** CPU seconds of a control group so far. */
function cpuOf(group: string): number {
  if (isV1) return Number(read(join(group, "cpuacct.usage"))) / 1e9;
  return Number(/^usage_usec (\d+)/m.exec(read(join(group, "cpu.stat")))?.[1] ?? 0) / 1e6;
}

const pidsOf = (group: string): string[] => read(join(group, "cgroup.procs")).split("\n").filter(Boolean);

/** The control group of a container. */
export function groupOf(containerId: string): string {
  const folders = [`docker/${containerId}`, `system.slice/docker-${containerId}.scope`];
  const folder = folders.find((name) => existsSync(join(root, name)));
  if (folder === undefined) throw new Error(`no control group of container ${containerId} in ${root}`);
  return join(root, folder);
}

/** CPU seconds of the machine so far, idle and waiting left out. */
function machineCpu(): number {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] =
    read("/proc/stat").split("\n", 1)[0]?.split(/\s+/).slice(1).map(Number) ?? [];
  return (user + nice + system + irq + softirq) / 100; // USER_HZ
}

function pssOf(group: string): number {
  const kilobytes = pidsOf(group).map((pid) =>
    Number(/^Pss:\s+(\d+)/m.exec(read(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0),
  );
  return kilobytes.reduce((sum, value) => sum + value, 0) / 1024;
}

export interface RunOptions {
  cwd: string;
  env?: Record<string, string>;
  /** The control groups of the lab hosts. */
  hosts: readonly string[];
  /** Seconds after which the run is ended. */
  limit: number;
}

let groups = 0;

/** Runs a program to its end. Throws where it cannot be started, or where there are no control groups to be had. */
export async function measure(argv: readonly string[], options: RunOptions): Promise<Measurement> {
  const group = join(root, `redkeep-bench-${process.pid}-${++groups}`);
  mkdirSync(group);
  const hostsCpu = (): number => options.hosts.reduce((sum, host) => sum + cpuOf(host), 0);
  const before = { hosts: hostsCpu(), machine: machineCpu(), load: loadavg()[0] ?? 0 };
  const started = performance.now();
  const child = spawn("sh", ["-c", 'echo $$ >"$0/cgroup.procs" && exec "$@"', group, ...argv], {
    cwd: options.cwd,
    env: { ...process.env, NO_COLOR: "1", FORCE_COLOR: undefined, ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const limit = setTimeout(() => void endProcesses(group), options.limit * 1000);
  let memory = 0;
  // Sampling costs CPU itself: seldom, once a run is long.
  let delay = 60;
  const sample = (): void => {
    memory = Math.max(memory, pssOf(group));
    delay = Math.min(delay * 1.4, 2000);
    timer = setTimeout(sample, delay);
  };
  let timer = setTimeout(sample, delay);
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  // Not "close": an SSH master in the background may hold the pipe.
  const status = await new Promise<number | null>((done, failed) => {
    child.on("error", failed).on("exit", done);
  });
  const wall = (performance.now() - started) / 1000;
  clearTimeout(limit);
  clearTimeout(timer);
  const cpu = cpuOf(group);
  const hostCpu = hostsCpu() - before.hosts;
  const otherCpu = Math.max(0, machineCpu() - before.machine - cpu - hostCpu);
  await sleep(20); // what is in the pipes already
  await endProcesses(group);
  rmdirSync(group);
  child.stdout.destroy();
  child.stderr.destroy();
  return { status, output, wall, cpu, hostCpu, otherCpu, memory, load: before.load };
}

/** Ends what is left in a group: every run starts from cold. */
async function endProcesses(group: string): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    const pids = pidsOf(group);
    if (pids.length === 0) break;
    for (const pid of pids) {
      try {
        process.kill(Number(pid), tries < 50 ? "SIGTERM" : "SIGKILL");
      } catch {} // gone by itself
    }
    await sleep(50);
  }
}

/** Removes the groups that a killed benchmark left behind. */
export function sweepGroups(): void {
  for (const name of readdirSync(root)) {
    const pid = /^redkeep-bench-(\d+)-/.exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`) && pidsOf(join(root, name)).length === 0)
      rmdirSync(join(root, name));
  }
}

/** Waits until the rest of the machine takes less than a quarter of a core, or until `seconds` have passed. */
export async function waitForQuiet(seconds: number): Promise<void> {
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end) {
    const before = machineCpu();
    await sleep(500);
    if (machineCpu() - before < 0.125) return;
  }
}

export const machine = (): string => `${cpus().length} × ${cpus()[0]?.model.trim() ?? "CPU"}`;
