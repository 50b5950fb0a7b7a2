import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Figure } from "../../faults/figure.ts";
import type { FleetOptions } from "../../scale/fleet.ts";
import { type Measurement, measure } from "../measure.ts";
import { redkeepCommand } from "../tools.ts";

const simulator = resolve(import.meta.dirname, "../../scale/main.ts");
/** MB, ratio of the wall time, and of the CPU that one host more costs. */
const [MEMORY, WITH_DEAD, FLAT] = [512, 1.3, 1.2];

const WHY =
  "A dead host gets 10 s to answer (`--timeout`), and all the others are done by then. The first hundred hosts cost more each, until V8 has compiled what is used most.";

/** plan and verify on virtual hosts: in a process of their own, on the same machine. */
export const figure: Figure = {
  name: "thousand-hosts",
  title: "10, 100 and 1 000 virtual hosts",
  target: `plan of 1 000 in ${MEMORY} MB; 5 % dead and 2 % slow take at most ${WITH_DEAD} × the time; one host more costs the same within 20 %`,
  async run({ count = 1000, log }) {
    const problems: string[] = [];
    const rows: [name: string, command: string, hosts: number, measured: Measurement][] = [];
    const take = async (command: string, name: string, options: FleetOptions, status: number) => {
      const measured = await runOn(command, options);
      if (measured.status !== status)
        problems.push(`${command} on ${name}: exit status ${measured.status}, expected ${status}`);
      rows.push([name, command, options.hosts, measured]);
      log(line(rows.at(-1) as (typeof rows)[number]));
      return measured;
    };
    const one = await take("plan", "1", { hosts: 1 }, 0);
    const few = await take("plan", `${count / 10}`, { hosts: count / 10 }, 0);
    await take("plan", `${count / 100}`, { hosts: count / 100 }, 0);
    const all = await take("plan", `${count}`, { hosts: count }, 0);
    const [dead, slow] = [Math.round(count * 0.05), Math.round(count * 0.02)];
    const withDead = await take(
      "plan",
      `${count}, ${dead} dead, ${slow} slow`,
      { hosts: count, dead, slow },
      4,
    );
    await take("verify", `${count}`, { hosts: count }, 0);

    const marginal = (many: Measurement, hosts: number) => ((many.cpu - one.cpu) / (hosts - 1)) * 1000;
    const costs = [marginal(few, count / 10), marginal(all, count)] as const;
    const flat = Math.max(...costs) / Math.min(...costs);
    const ratio = withDead.wall / all.wall;
    return {
      measured: `${Math.round(all.memory)} MB, ${ratio.toFixed(2)} ×, ${costs.map((cost) => cost.toFixed(1)).join(" and ")} ms of CPU a host of ${count / 10} and of ${count}`,
      ok: all.memory <= MEMORY && ratio <= WITH_DEAD && flat <= FLAT && problems.length === 0,
      why: WHY,
      problems,
      table: [
        "| hosts | command | wall | CPU | CPU a host | memory | load |",
        "|---|---|---|---|---|---|---|",
        ...rows.map(
          ([name, command, hosts, { wall, cpu, memory, load }]) =>
            `| ${name} | ${command} | ${wall.toFixed(1)} s | ${cpu.toFixed(1)} s | ${((cpu / hosts) * 1000).toFixed(1)} ms | ${Math.round(memory)} MB | ${load.toFixed(1)} |`,
        ),
      ].join("\n"),
    };
  },
};

function line([name, command, hosts, { wall, cpu, memory, load }]: [
  string,
  string,
  number,
  Measurement,
]): string {
  return `${command} on ${name}: ${wall.toFixed(1)} s, CPU ${cpu.toFixed(1)} s (${((cpu / hosts) * 1000).toFixed(1)} ms a host), ${Math.round(memory)} MB, load ${load.toFixed(1)}`;
}

async function runOn(command: string, options: FleetOptions): Promise<Measurement> {
  const directory = mkdtempSync(join(tmpdir(), "rk-bench-"));
  mkdirSync(join(directory, "fleet"));
  const fleet = spawn(process.execPath, [simulator, join(directory, "fleet"), JSON.stringify(options)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  try {
    const ready: { options: string[]; env: Record<string, string> } = JSON.parse(await firstLine(fleet));
    return await measure([...redkeepCommand(), command, ...ready.options, "--json", "run.json"], {
      cwd: directory,
      env: { ...ready.env, HOME: directory },
      hosts: [],
      limit: 600,
    });
  } finally {
    const ended = new Promise((resolve) => fleet.once("exit", resolve));
    fleet.stdin?.end();
    await ended;
    rmSync(directory, { recursive: true, force: true });
  }
}

function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    child.stdout?.setEncoding("utf8").on("data", (more: string) => {
      text += more;
      if (text.includes("\n")) resolve(text.slice(0, text.indexOf("\n")));
    });
    child.once("exit", (code) => reject(new Error(`the simulator ended with ${code}`)));
  });
}
