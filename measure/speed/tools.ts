/** The tools that are compared: how each is run for a phase, and how one knows that it had nothing to do. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { RunRecord } from "../../src/record/record.ts";
import type { LabHost } from "../../test/integration/support/lab.ts";
import { onHost } from "../../test/integration/support/observe.ts";
import type { Job } from "./job.ts";

/**
 * `login`: nothing but a login, for bare ssh. `first`: apply on a stock host. The others follow on a hardened one: `nothing` is
 * an apply, `check` a plan or dry run, `verify` asks the running service.
 */
export const PHASES = ["login", "first", "nothing", "check", "verify"] as const;
export type Phase = (typeof PHASES)[number];

export interface Command {
  argv: readonly [string, ...string[]];
  env?: Record<string, string>;
}

export interface Tool {
  name: string;
  /** As in the table. */
  title: string;
  /** Why it cannot be run on this machine, or undefined. */
  missing(): string | undefined;
  phases: readonly Phase[];
  /** Run in the job's folder. */
  command(phase: Phase, job: Job): Command;
  /** On how many hosts the run says that nothing was to be done. */
  untouched?: (output: string, job: Job) => number;
  /** SSH connections and channels a host, where the tool itself counts them. */
  trips?: (job: Job) => Trips | undefined;
  /** The client's certificate and key, where they are on this machine and not on the host. */
  clientFiles?: (job: Job) => readonly [string, string];
  /** Where the time of the first apply went, as the host tells it. `started` is its uptime at the start, in seconds. */
  steps?: (host: LabHost, started: number) => Promise<Step[]>;
  /** Fast enough for several runs in the time of one of the others. */
  isQuick: boolean;
}

export interface Step {
  name: string;
  seconds: number;
}

export interface Trips {
  connections: number;
  roundTrips: number;
}

const repository = join(import.meta.dirname, "../..");
const node = join(repository, "node_modules/.bin/node");
/** The program behind the command that users type. */
export const redkeepCommand = (): [string, string] => {
  const { bin } = JSON.parse(readFileSync(join(repository, "package.json"), "utf8")) as {
    bin: { redkeep: string };
  };
  return [node, join(repository, bin.redkeep)];
};

/** Debian's own, which has Debian's packages: another one may come first in PATH. */
const python = "/usr/bin/python3";

const STEADY = ["first", "nothing", "check", "verify"] as const;
/** The same for every tool that takes a number. */
const FORKS = 50;

const count = (text: string, pattern: RegExp): number => text.match(pattern)?.length ?? 0;

function works(program: string, ...args: string[]): boolean {
  try {
    execFileSync(program, args, { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** The run record that redkeep was asked for. */
function recordOf({ dir }: Job): RunRecord | undefined {
  const file = join(dir, "run.json");
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as RunRecord) : undefined;
}

const redkeep: Tool = {
  name: "redkeep",
  title: "redkeep",
  missing: () => undefined,
  phases: STEADY,
  isQuick: true,
  command(phase, { env }) {
    const words = phase === "check" ? ["plan"] : phase === "verify" ? ["verify"] : ["apply", "--yes"];
    return { argv: [...redkeepCommand(), ...words, "-i", "inventory.yml", "--json", "run.json"], env };
  },
  untouched: (_, job) => recordOf(job)?.summary.unchanged ?? 0,
  trips(job) {
    const record = recordOf(job);
    if (record === undefined) return undefined;
    const most = (value: (host: RunRecord["hosts"][number]) => number): number =>
      Math.max(...record.hosts.map(value));
    return { connections: most((host) => host.connections), roundTrips: most((host) => host.roundTrips) };
  },
  steps: stepsOf,
  clientFiles: ({ dir }) => [
    join(dir, ".redkeep/pki/clients/app.crt"),
    join(dir, ".redkeep/pki/clients/app.key"),
  ],
};

/** The lines of a transaction's journal that end a part of it, and the part's name. The others are of changes to files. */
const PARTS: Readonly<Record<string, string>> = {
  begin: "start, login, probe, plan; the program is sent",
  backup: "fingerprints compared, backup",
  validated: "validation by a scratch server",
  "daemon-reload": "files and modes",
  restart: "daemon-reload",
  check: "restart, until Redis answers",
  "firewall enable": "local checks",
  applied: "firewall",
  committed: "new login, verify, commit",
};

/** Reads a transaction's journal: each line has the host's uptime. */
async function stepsOf(host: LabHost, started: number): Promise<Step[]> {
  const journal = (await onHost(host, "cat /var/lib/redkeep/txn/*/journal")).split("\n");
  let before = started;
  return journal.flatMap((line) => {
    const [at = "", word = "", rest = ""] = line.split(" ");
    const name = PARTS[`${word} ${rest}`] ?? PARTS[word];
    if (name === undefined) return [];
    const seconds = Number(at) - before;
    before = Number(at);
    return [{ name, seconds }];
  });
}

/** `xargs` starts one for each line of `addresses`, at most as many at once as the other tools. */
const fan = (command: string): [string, ...string[]] => [
  "sh",
  "-c",
  `xargs -P ${FORKS} -I{} ${command} <addresses`,
];

const ssh: Tool = {
  name: "ssh",
  title: "bare `ssh host true`",
  missing: () => (works("ssh", "-V") ? undefined : "no ssh"),
  phases: ["login"],
  isQuick: true,
  command: () => ({ argv: fan("ssh -F ssh_config {} true") }),
};

const shell: Tool = {
  name: "script",
  title: "shell script over ssh",
  missing: ssh.missing,
  phases: STEADY,
  isQuick: true,
  command(phase) {
    const mode = phase === "check" || phase === "verify" ? phase : "apply";
    return { argv: fan(`sh -c 'ssh -F ssh_config {} bash -s -- ${mode} <harden.sh'`) };
  },
  untouched: (output) => count(output, /^changed=0$/gm),
};

const pyinfra: Tool = {
  name: "pyinfra",
  title: "pyinfra",
  missing: () => (works(python, "-c", "import pyinfra_cli") ? undefined : "no pyinfra for python3"),
  phases: STEADY,
  isQuick: false,
  command(phase) {
    const words =
      phase === "check" ? ["--dry", "deploy.py"] : phase === "verify" ? ["verify.py"] : ["deploy.py"];
    return { argv: [python, "run.py", "inventory.py", ...words], env: { PYTHONWARNINGS: "ignore" } };
  },
  // A dry run ends with what it would change, a run with that and what it changed.
  untouched: (output) => count(output, /Changed: 0 /g) || count(output, /Change: 0 /g),
};

function ansible(
  name: string,
  title: string,
  config: string,
  env: () => Record<string, string> = () => ({}),
): Tool {
  return {
    name,
    title,
    missing() {
      if (!works("ansible-playbook", "--version")) return "no ansible-playbook";
      return name !== "mitogen" || mitogenStrategies() !== undefined ? undefined : "no Mitogen for Ansible";
    },
    phases: STEADY,
    isQuick: false,
    command(phase, { dir }) {
      const words =
        phase === "check" ? ["harden", "--check", "--diff"] : [phase === "verify" ? "verify" : "harden"];
      return {
        argv: ["ansible-playbook", "-i", "inventory.yml", "site.yml", "--tags", ...words],
        env: {
          ANSIBLE_CONFIG: config,
          ANSIBLE_NOCOLOR: "1",
          ANSIBLE_LOCAL_TEMP: join(dir, ".ansible"),
          ANSIBLE_SSH_CONTROL_PATH_DIR: join(dir, "cp"),
          LC_ALL: "C.UTF-8",
          ...env(),
        },
      };
    },
    untouched: (output) => count(output, /changed=0 .*unreachable=0 .*failed=0/g),
  };
}

function mitogenStrategies(): string | undefined {
  const program =
    "import ansible_mitogen, os; print(os.path.dirname(ansible_mitogen.__file__) + '/plugins/strategy')";
  try {
    return execFileSync(python, ["-c", program], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
  } catch {
    return undefined;
  }
}

export const TOOLS: readonly Tool[] = [
  ssh,
  redkeep,
  shell,
  pyinfra,
  ansible("mitogen", "Ansible, tuned, with Mitogen", "mitogen.cfg", () => ({
    ANSIBLE_STRATEGY_PLUGINS: mitogenStrategies() ?? "",
  })),
  ansible("ansible-tuned", "Ansible, tuned", "tuned.cfg"),
  ansible("ansible", "Ansible as it comes", "default.cfg"),
];
