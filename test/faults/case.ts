/**
 * One case of the kill sweep: a fresh lab host with 100 000 keys and a client that writes; `redkeep apply`; a fault at a
 * line of the transaction's journal; then what is left is compared with what was.
 */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import { load } from "js-yaml";
import { CONFIRM_WINDOW } from "../../src/apply/compile.ts";
import type { HostStatus, RunRecord } from "../../src/report/record.ts";
import { type LabHost, labKey, startHost } from "../integration/support/lab.ts";
import { filesOf, onHost, residueOf } from "../integration/support/observe.ts";
import { openProject, type Project } from "../integration/support/project.ts";

const repository = join(import.meta.dirname, "../..");
const read = (name: string): string => readFileSync(join(import.meta.dirname, name), "utf8");

export const KEYS = 100_000;
/** A host has to be at rest by then, in seconds from the strike, or from `applied` where that came later. */
export const REST_WITHIN = CONFIRM_WINDOW + 10;

export const FAULTS = [
  "unit-killed",
  "controller-killed",
  "interrupted-twice",
  "connection-reset",
  "reboot",
] as const;
export type Fault = (typeof FAULTS)[number];

export interface FaultCase {
  fault: Fault;
  /** The journal's line, without its time. */
  boundary: string;
  /** 1 strikes at once; others wait up to 300 ms. */
  seed: number;
}

export interface Row extends FaultCase {
  /** `mixed`: neither the host from before nor the planned one. */
  state: "old" | "new" | "mixed";
  /** What is neither old nor new, one line each. */
  differences: string[];
  /** What the controller said; null where it was killed, or left, before it could. */
  told: HostStatus | null;
  /** What it said is what happened, as far as it said anything. */
  truthful: boolean;
  /** From the strike. */
  secondsToRest: number;
  /** How long after the strike all changes were in place and the host began to wait for its confirmation; else 0. */
  secondsToApplied: number;
  keysBefore: number;
  keysAfter: number;
  writesAcked: number;
  writesLost: number;
  /** Longest time between two acknowledged writes. */
  gapMs: number;
  /** Writes are acknowledged again once the host is at rest. */
  served: boolean;
  /** A new SSH login works. */
  login: boolean;
  residue: string[];
  /** Where in a journal or log a password or key was found. */
  secrets: string[];
}

/** Runs an apply without a fault and returns the lines of its journal: the boundaries to strike at. */
export async function findBoundaries(withAof: boolean): Promise<string[]> {
  await using host = await prepareHost(withAof);
  using project = openProject({ "redis-01": host });
  const { status, stdout } = await project.run("apply", "--yes");
  if (status !== 0) throw new Error(stdout);
  const journal = await onHost(host, "cut -d ' ' -f 2- /var/lib/redkeep/txn/*/journal");
  return [...new Set(journal.split("\n"))];
}

/**
 * A power cut takes what Redis has not written to disk, whoever caused it: a host to reboot writes each command to its AOF
 * before it answers. The others keep Debian's snapshots.
 */
export const needsAof = (fault: Fault): boolean => fault === "reboot";

async function prepareHost(withAof: boolean): Promise<LabHost> {
  const host = await startHost();
  if (withAof) {
    await onHost(
      host,
      `sed -i 's/^appendonly no/appendonly yes/; s/^appendfsync .*/appendfsync always/' /etc/redis/redis.conf
       systemctl restart redis-server`,
    );
  }
  const fill = "for i = 1, ARGV[1] do redis.call('SET', 'app:' .. i, 'value ' .. i) end";
  await host.redis("EVAL", fill, "0", `${KEYS}`);
  await host.redis("SAVE");
  return host;
}

export async function runCase({ fault, boundary, seed }: FaultCase): Promise<Row> {
  await using host = await prepareHost(needsAof(fault));
  using project = openProject({ "redis-01": host });
  const before = await observe(host);
  const keysBefore = await keysOf(host, project);
  const writer = new Writer(host, project.appPassword);
  await writer.nextWrite();
  const controller = startController(project);
  const delay = seed === 1 ? 0 : Math.round(300 * fraction(`${fault} ${boundary} ${seed}`));
  const struck = onHost(host, strikeCommand(boundary, delay, ON_HOST[fault] ?? "true"));
  if ((await Promise.race([struck, controller.ended.then(() => struck)])) !== "struck") {
    throw new Error(`${boundary} was not in the journal:\n${controller.output()}`);
  }
  const start = performance.now();
  if (fault === "controller-killed") controller.signal("SIGKILL");
  if (fault === "interrupted-twice") await controller.interruptTwice();
  if (fault === "reboot") {
    await host.kill();
    await host.restart();
    writer.start();
  }
  let residue = await untilAtRest(host, start);
  const secondsToRest = (performance.now() - start) / 1000;
  const secondsToApplied = Math.max(0, secondsToRest - (await secondsSinceApplied(host)));
  // The lab gives a host another port at its restart: the controller could ask for ever.
  if (fault === "reboot") controller.signal("SIGKILL");
  await controller.ended;
  residue ||= await residueOf(host);
  const served = await writer.nextWrite();
  await writer.stop();

  const told = toldBy(project);
  const { state, differences } = await compare(host, project, before);
  const acknowledged = [...writer.acknowledged.keys()];
  const missing = new Set(await missingWrites(host, project, Math.max(0, ...acknowledged)));
  return {
    fault,
    boundary,
    seed,
    state,
    differences,
    told,
    truthful: isTruthful(told, state),
    secondsToRest: Number(secondsToRest.toFixed(1)),
    secondsToApplied: Number(secondsToApplied.toFixed(1)),
    keysBefore,
    keysAfter: await keysOf(host, project),
    writesAcked: acknowledged.length,
    writesLost: acknowledged.filter((number) => missing.has(number)).length,
    gapMs: writer.longestGap(),
    served,
    login: await canLogIn(host),
    residue: residue.split("\n").filter(Boolean),
    secrets: await secretsIn(host, project, controller.output()),
  };
}

/** What is done by a shell on the host itself, at once. */
const ON_HOST: Partial<Record<Fault, string>> = {
  "unit-killed": "systemctl kill -s KILL 'redkeep-apply-*' 2>/dev/null",
  "connection-reset": "pkill -KILL -f '^sshd: root'",
  // Docker takes its time to cut the power: the transaction gets no further meanwhile.
  reboot: "systemctl kill -s STOP 'redkeep-apply-*' 2>/dev/null",
};

function strikeCommand(boundary: string, delay: number, command: string): string {
  return `exec python3 -c ${quote(read("strike.py"))} ${quote(boundary)} ${delay} ${quote(command)}`;
}

/** A fraction that is always the same for a text: FNV-1a. */
export function fraction(text: string): number {
  let hash = 0x811c9dc5;
  for (const character of text) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193) >>> 0;
  return hash / 2 ** 32;
}

/** An apply as an operator starts it, that signals reach. */
function startController(project: Project) {
  const child = spawn(
    join(repository, "node_modules/.bin/node"),
    [join(repository, "src/cli.ts"), "apply", "--yes", "-i", "inventory.yml", "--json", "run.json"],
    { cwd: project.dir, env: { ...process.env, NO_COLOR: "1", APP_PASSWORD: project.appPassword } },
  );
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  child.stdin.end();
  const ended = once(child, "exit");
  const running = (): boolean => child.exitCode === null && child.signalCode === null;
  return {
    ended,
    output: () => output,
    signal: (name: NodeJS.Signals) => child.kill(name),
    async interruptTwice() {
      child.kill("SIGINT");
      // Else the kernel may merge both into one.
      while (running() && !output.includes("Interrupted")) {
        await Promise.race([once(child.stderr, "data"), ended]);
      }
      child.kill("SIGINT");
    },
  };
}

/** Until nothing of redkeep is under way on the host. Returns what was still there when the time was over. */
async function untilAtRest(host: LabHost, start: number): Promise<string> {
  let residue = await residueOf(host);
  while (residue !== "" && performance.now() - start < (REST_WITHIN + 30) * 1000) {
    const result = await host.sh(
      `i=0; while [ $i -lt 20 ] && systemctl list-units --plain --no-legend 'redkeep-*' | grep -q .; do i=$((i + 1)); sleep 0.1; done`,
    );
    if (result.status !== 0) throw new Error(result.stderr);
    residue = await residueOf(host);
  }
  return residue;
}

/** Infinite where the transaction did not get so far. */
async function secondsSinceApplied(host: LabHost): Promise<number> {
  const [now, applied] = (
    await onHost(
      host,
      "cut -d ' ' -f 1 /proc/uptime; sed -n 's/ applied$//p' /var/lib/redkeep/txn/*/journal 2>/dev/null || true",
    )
  ).split("\n");
  return applied ? Number(now) - Number(applied) : Number.POSITIVE_INFINITY;
}

/** Writes from inside the host, over the Unix socket; a reboot ends it, and start() goes on with higher numbers. */
class Writer {
  /** Number and time (ms) of each write that Redis has acknowledged. */
  readonly acknowledged = new Map<number, number>();
  readonly #host: LabHost;
  readonly #password: string;
  #first = 1;
  #lines: Interface;
  #child: ReturnType<typeof spawn> | undefined;
  #ended: Promise<unknown> | undefined;

  constructor(host: LabHost, password: string) {
    this.#host = host;
    this.#password = password;
    this.#lines = this.start();
  }

  start(): Interface {
    const child = spawn(
      "docker",
      ["exec", "-i", this.#host.id, "python3", "-c", read("client.py"), `${this.#first}`],
      {
        stdio: ["pipe", "pipe", "ignore"],
      },
    );
    this.#first += 1_000_000;
    child.stdin.write(`${this.#password}\n`);
    this.#ended = once(child, "close");
    this.#lines = createInterface({ input: child.stdout }).on("line", (line) => {
      const [number, seconds] = line.split(" ").map(Number);
      if (number !== undefined && seconds !== undefined) this.acknowledged.set(number, seconds * 1000);
    });
    this.#child = child;
    return this.#lines;
  }

  /** Waits until one more write is acknowledged; false where none is within 20 seconds. */
  async nextWrite(): Promise<boolean> {
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), 20_000);
    try {
      const from = this.acknowledged.size;
      while (this.acknowledged.size === from) await once(this.#lines, "line", { signal: late.signal });
      return true;
    } catch {
      return false;
    } finally {
      clearTimeout(timer);
    }
  }

  async stop(): Promise<void> {
    // docker exec forwards no signal: the process inside ends with the pipe it prints to.
    await onHost(this.#host, "pkill -f '^python3 -c .*numbered ke[y]' || true");
    await this.#ended;
    this.#child?.kill();
  }

  longestGap(): number {
    const times = [...this.acknowledged.values()];
    return Math.round(Math.max(0, ...times.slice(1).map((time, index) => time - (times[index] ?? time))));
  }
}

type Observed = Record<"files" | "config" | "acl" | "kernel" | "ufw" | "unit", string>;

/** Everything that redkeep manages, as it is now, seen without redkeep. */
async function observe(host: LabHost): Promise<Observed> {
  const files = await filesOf(host);
  const config = await host.redis("CONFIG", "GET", "*");
  return {
    files: files
      .split("\n")
      // The recovery unit and redkeep's own folder stay; /etc/hosts is Docker's; a rewritten AOF has other names.
      .filter(
        (line) => !/redkeep-recover\.service|\/var\/lib\/redkeep|\/etc\/hosts\b|\/appendonlydir\//.test(line),
      )
      .join("\n"),
    config: pairs(config.split("\n")).toSorted().join("\n"),
    acl: (await host.redis("ACL", "LIST")).split("\n").toSorted().join("\n"),
    kernel: [
      effectiveRules(await onHost(host, "iptables-save")),
      effectiveRules(await onHost(host, "ip6tables-save")),
    ].join("\n"),
    ufw: await onHost(host, "ufw status verbose"),
    unit: await onHost(
      host,
      `systemctl show redis-server -p User,Group,UMask,FragmentPath,DropInPaths,NeedDaemonReload,UnitFileState,ActiveState \\
         -p Restart,TimeoutStartUSec,TimeoutStopUSec,LimitNOFILE,ProtectSystem,ReadWritePaths,CapabilityBoundingSet
       grep 'open files' /proc/$(systemctl show -p MainPID --value redis-server)/limits`,
    ),
  };
}

/** Rules and policies that decide on packets. A disabled ufw leaves jumps into chains of its own that are empty. */
function effectiveRules(saved: string): string {
  let rules = saved.split("\n").filter((line) => line.startsWith("-A "));
  for (let before = -1; before !== rules.length; ) {
    before = rules.length;
    const filled = new Set(rules.map((rule) => rule.split(" ")[1]));
    rules = rules.filter((rule) => {
      const [, target] = / -j (ufw6?-\S+)$/.exec(rule) ?? [];
      return target === undefined || filled.has(target);
    });
  }
  const policies = saved.split("\n").filter((line) => /^:\S+ (?:DROP|REJECT)/.test(line));
  return [...policies.map((line) => line.replace(/ \[.*/, "")), ...rules].join("\n");
}

const pairs = (lines: string[]): string[] =>
  lines.flatMap((name, index) => (index % 2 === 0 ? [`${name} ${lines[index + 1] ?? ""}`] : []));

/**
 * Old is what was seen before, to the letter. New is what the transaction's list names, file by file, with nothing left to
 * plan and every check passed.
 */
async function compare(
  host: LabHost,
  project: Project,
  before: Observed,
): Promise<Pick<Row, "state" | "differences">> {
  const transaction = await onHost(host, "cat /var/lib/redkeep/txn/*/state 2>/dev/null || true");
  if (transaction !== "committed") {
    let now: Observed;
    try {
      now = await observe(host);
    } catch (error) {
      return { state: "mixed", differences: [transaction, (error as Error).message] };
    }
    const differences = (Object.keys(before) as (keyof Observed)[]).flatMap((name) => {
      const [was, is] = [before[name].split("\n"), now[name].split("\n")];
      return [
        ...was.filter((line) => !is.includes(line)).map((line) => `${name} - ${line}`),
        ...is.filter((line) => !was.includes(line)).map((line) => `${name} + ${line}`),
      ];
    });
    return { state: differences.length === 0 ? "old" : "mixed", differences };
  }
  project.writeInventory();
  const differences = [];
  const changed = await onHost(
    host,
    `cd /var/lib/redkeep/txn/* && while read -r n p o m; do
       now="$(stat -c '%U:%G %a' "$p") $(sha256sum <"$p" | cut -d ' ' -f 1)"
       case $p in /etc/ufw/*) continue;; esac
       [ "$now" = "$(cat "new/$n.signature")" ] || echo "$p $now"
     done <files`,
  );
  if (changed !== "") differences.push(...changed.split("\n"));
  const plan = await project.run("plan");
  if (plan.status !== 0) differences.push(plan.stdout);
  const verified = await project.run("verify");
  if (verified.status !== 0) differences.push(verified.stdout);
  return { state: differences.length === 0 ? "new" : "mixed", differences };
}

function toldBy(project: Project): HostStatus | null {
  try {
    const record = JSON.parse(readFileSync(project.path("run.json"), "utf8")) as RunRecord;
    return record.hosts[0]?.status ?? null;
  } catch {
    return null;
  }
}

function isTruthful(told: HostStatus | null, state: Row["state"]): boolean {
  if (told === null || told === "unknown") return true;
  return told === "changed" ? state === "new" : state === "old";
}

/** Over the way in that the host has: without a login, or as the administrator. */
async function evaluate(host: LabHost, project: Project, script: string, argument: number): Promise<string> {
  const reply = await host.redis("EVAL", script, "0", `${argument}`).catch(() => "NOAUTH");
  if (!/^(?:NOAUTH|NOPERM)/.test(reply)) return reply;
  return await project.asAdmin(host, `EVAL ${quote(script)} 0 ${argument}`);
}

/** How many of the preloaded keys hold their value. */
async function keysOf(host: LabHost, project: Project): Promise<number> {
  const script = `local n = 0
    for i = 1, ARGV[1] do if redis.call('GET', 'app:' .. i) == 'value ' .. i then n = n + 1 end end
    return n`;
  return Number(await evaluate(host, project, script, KEYS));
}

/** Numbers without a key. After a reboot the numbers go on a million later. */
async function missingWrites(host: LabHost, project: Project, last: number): Promise<number[]> {
  const script = `local missing = {}
    for _, first in ipairs({1, 1000001}) do
      for i = first, math.min(ARGV[1], first + 99999) do
        if redis.call('GET', 'app:write:' .. i) ~= tostring(i) then missing[#missing + 1] = i end
      end
    end
    return table.concat(missing, ' ')`;
  const reply = await evaluate(host, project, script, last);
  return reply.split(" ").filter(Boolean).map(Number);
}

async function canLogIn(host: LabHost): Promise<boolean> {
  const options = [
    "BatchMode=yes",
    "StrictHostKeyChecking=no",
    "UserKnownHostsFile=/dev/null",
    "ControlPath=none",
  ];
  const args = [
    ...options.flatMap((option) => ["-o", option]),
    ...["-i", labKey, "-p", `${host.sshPort}`, `root@${host.address}`, "true"],
  ];
  return await new Promise((done) => {
    execFile("ssh", args, { timeout: 20_000 }, (error) => done(error === null));
  });
}

/** Looks for every password and private key of the run in journals, logs and what the controller printed and recorded. */
async function secretsIn(host: LabHost, project: Project, output: string): Promise<string[]> {
  const { passwords } = load(readFileSync(project.path(".redkeep/secrets.yml"), "utf8")) as {
    passwords: Record<string, string>;
  };
  const key = readFileSync(project.path(".redkeep/pki/ca.key"), "utf8").split("\n")[1] ?? "";
  const markers = [project.appPassword, ...Object.values(passwords), key].filter(Boolean);
  const forms = markers.flatMap((marker) => [
    marker,
    Buffer.from(marker).toString("base64").replace(/=+$/, ""),
  ]);
  const found = await onHost(
    host,
    `cat >/tmp/markers
     journalctl --no-pager -o verbose 2>/dev/null | grep -qFf /tmp/markers && echo journal
     grep -rlFf /tmp/markers /var/log /run/log /var/lib/redkeep/txn/*/journal /var/lib/redkeep/txn/*/log 2>/dev/null
     rm /tmp/markers`,
    forms.join("\n"),
  );
  let record = "";
  try {
    record = readFileSync(project.path("run.json"), "utf8");
  } catch {}
  const told = forms.some((form) => output.includes(form) || record.includes(form));
  return [...found.split("\n").filter(Boolean), ...(told ? ["controller"] : [])];
}

const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
