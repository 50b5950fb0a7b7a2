/** What a run costs a host, in numbers that are the same on every machine: measure/speed/ceilings.json holds what they may be. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { startProxy } from "../../measure/speed/proxy.ts";
import { startHost } from "./support/lab.ts";
import { LabProgram } from "./support/lab-program.ts";
import { openProject } from "./support/project.ts";

interface Cost {
  /** SSH connections, as the way to the host sees them. */
  connections: number;
  /** Channels, as redkeep counts them. */
  roundTrips: number;
  /** Process ids that the host gave out, sshd's own included. */
  processes: number;
  /** To the host, by SSH. */
  bytes: number;
}

interface Ceiling extends Cost {
  /** Of the whole run. More is told and fails nothing: that may be the machine. */
  seconds: number;
}

/** A first apply has room: it asks Redis until it is up again, some four processes each time, and a restart may be slow. */
const ceilings = JSON.parse(
  readFileSync(join(import.meta.dirname, "../../measure/speed/ceilings.json"), "utf8"),
) as Record<string, Ceiling>;

/** The last process id that the host's namespace gave out. Starts no process to find out. */
const LAST_PID = `import sys
for _ in sys.stdin: print(open("/proc/loadavg").read().split()[-1], flush=True)`;

const RUNS = [
  ["first apply", "apply", "--yes"],
  ["nothing to do", "apply", "--yes"],
  ["plan", "plan"],
  ["verify", "verify"],
] as const;

describe("the cost of each command for a host", () => {
  it("stays under the ceilings for connections, round trips, processes and bytes", async ({ annotate }) => {
    await using host = await startHost();
    await using proxy = await startProxy(host.ip, 22);
    await using pids = new LabProgram(host, LAST_PID);
    const vars = { ansible_port: proxy.port, ansible_ssh_common_args: "-o UserKnownHostsFile=proxied" };
    using project = openProject({ "redis-01": host }, {}, { "redis-01": vars });
    project.write("proxied", `[127.0.0.1]:${proxy.port} ${host.hostKey}\n`);

    const over: string[] = [];
    for (const [name, command, ...args] of RUNS) {
      const before = { ...proxy.traffic, pid: Number(await pids.ask(0)) };
      const started = performance.now();
      const run = await project.run(command, ...args);
      const seconds = (performance.now() - started) / 1000;
      expect(run.status, run.stderr).toBe(0);
      const cost: Cost = {
        connections: proxy.traffic.connections - before.connections,
        roundTrips: run.host("redis-01").roundTrips,
        processes: Number(await pids.ask(0)) - before.pid,
        bytes: proxy.traffic.sent - before.sent,
      };
      const ceiling = ceilings[name];
      if (ceiling === undefined) throw new Error(`measure/speed/ceilings.json has nothing for "${name}"`);
      for (const key of ["connections", "roundTrips", "processes", "bytes"] as const)
        if (cost[key] > ceiling[key]) over.push(`${name}: ${cost[key]} ${key}, at most ${ceiling[key]}`);
      const text = Object.entries(cost).map(([key, value]) => `${value} ${key}`);
      await annotate(`${name}: ${text.join(", ")}, ${seconds.toFixed(1)} s`);
      if (seconds > ceiling.seconds)
        await annotate(`${name} took ${seconds.toFixed(1)} s, usually under ${ceiling.seconds} s`, "warning");
    }
    // Where it has to cost more, measure/speed/ceilings.json is raised by the change that needs it.
    expect(over).toEqual([]);
  });
});
