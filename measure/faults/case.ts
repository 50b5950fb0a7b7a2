/**
 * One case of the kill sweep: a fresh lab host with 100 000 keys and a client that writes; `redkeep apply`; a fault at a
 * line of the transaction's journal; then what is left is compared with what was.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { RunRecord } from "../../src/record/record.ts";
import type { HostStatus } from "../../src/record/statuses.ts";
import { CUT_POWER, type LabHost, programOf } from "../../test/integration/support/lab.ts";
import { onHost, residueOf } from "../../test/integration/support/observe.ts";
import { openProject, type Project } from "../../test/integration/support/project.ts";
import {
  type Comparison,
  canLogIn,
  compare,
  keysOf,
  missingWrites,
  observe,
  prepareHost,
  quote,
  secretsIn,
  untilAtRest,
  Writer,
} from "./host.ts";
import { Wire } from "./wire.ts";

const repository = join(import.meta.dirname, "../..");
const strike = readFileSync(join(import.meta.dirname, "strike.py"), "utf8");

export const FAULTS = [
  "unit-killed",
  "controller-killed",
  "interrupted-twice",
  "connection-reset",
  "black-hole",
  "cut-off",
  "reboot",
  "power-cut",
] as const;
export type Fault = (typeof FAULTS)[number];

export interface FaultCase {
  fault: Fault;
  /** The journal's line, without its time. */
  boundary: string;
  /** 1 strikes at once; others wait up to 300 ms. */
  seed: number;
}

export interface Row extends FaultCase, Comparison {
  /** What the controller said; null where it was killed, or left, before it could. */
  told: HostStatus | null;
  /** What it said is what happened, as far as it said anything. */
  truthful: boolean;
  /** From the strike to the controller's next login, or from when the host could be reached again. Null where none was needed. */
  secondsToLogin: number | null;
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
  await using host = await prepareHost({ aof: withAof });
  using project = openProject({ "redis-01": host });
  const { status, stdout } = await project.run("apply", "--yes");
  if (status !== 0) throw new Error(stdout);
  const journal = await onHost(host, "cut -d ' ' -f 2- /var/lib/redkeep/txn/*/journal");
  return [...new Set(journal.split("\n"))];
}

/**
 * After which the host boots again. What Redis has not written to disk is gone then, whoever caused it: such a host writes
 * each command to its AOF before it answers. The others keep Debian's snapshots.
 */
export const isCut = (fault: Fault): boolean => fault === "reboot" || fault === "power-cut";

export async function runCase({ fault, boundary, seed }: FaultCase): Promise<Row> {
  await using host = await prepareHost({ aof: isCut(fault), disk: fault === "power-cut" });
  using project = openProject({ "redis-01": host });
  const before = await observe(host);
  const keysBefore = await keysOf(host, project);
  const writer = new Writer(host, project.appPassword);
  await writer.nextWrite();
  await using wire = DROPPED.includes(fault) ? await Wire.to(host) : undefined;
  const controller = startController(project);
  const delay = seed === 1 ? 0 : Math.round(300 * fraction(`${fault} ${boundary} ${seed}`));
  if (!(await strikeAt(host, boundary, ON_HOST[fault] ?? "true", delay))) {
    throw new Error(`${boundary} was not in the journal:\n${controller.output()}`);
  }
  const start = performance.now();
  let reachable = Date.now();
  if (fault === "black-hole") await wire?.dropConnected();
  if (fault === "cut-off") await wire?.dropAll();
  if (fault === "controller-killed") controller.signal("SIGKILL");
  if (fault === "interrupted-twice") await controller.interruptTwice();
  if (isCut(fault)) {
    await host.kill();
    await host.restart();
    writer.start();
  }
  let residue = await untilAtRest(host, start);
  const secondsToRest = (performance.now() - start) / 1000;
  const secondsToApplied = Math.max(0, secondsToRest - (await secondsSinceApplied(host)));
  if (fault === "cut-off") {
    await wire?.open();
    reachable = Date.now();
  }
  // The lab gives a host another port at its restart: the controller could ask for ever.
  if (isCut(fault)) controller.signal("SIGKILL");
  await controller.ended;
  residue ||= await residueOf(host);
  const nextLogin = await secondsToLogin(host, reachable);
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
    secondsToLogin: nextLogin,
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

/** What breaks the network and not the host. */
const DROPPED: readonly Fault[] = ["black-hole", "cut-off"];

/** What is done by a shell on the host itself, at once. */
const ON_HOST: Partial<Record<Fault, string>> = {
  "unit-killed": "systemctl kill -s KILL 'redkeep-apply-*' 2>/dev/null",
  "connection-reset": "pkill -KILL -f '^sshd: root'",
  // Docker takes its time to cut the power: the transaction gets no further meanwhile.
  reboot: "systemctl kill -s STOP 'redkeep-apply-*' 2>/dev/null",
  // An fsync that is under way while the file system goes would say yes: the kernel's, not the disk's.
  "power-cut": `pkill -STOP -x redis-server; systemctl kill -s STOP 'redkeep-apply-*' 2>/dev/null; ${CUT_POWER}`,
};

/**
 * Runs a shell command on the host as soon as the line is in the transaction's journal, and says so; false where it has not
 * come within three minutes: a busy machine starts slowly.
 * @param delay milliseconds to wait after the line
 */
export async function strikeAt(
  host: LabHost,
  boundary: string,
  command: string,
  delay = 0,
): Promise<boolean> {
  const program = `exec python3 -c ${quote(strike)} ${quote(boundary)} ${delay} ${quote(command)}`;
  return (await host.sh(program)).stdout === "struck\n";
}

/** A fraction that is always the same for a text: FNV-1a. */
export function fraction(text: string): number {
  let hash = 0x811c9dc5;
  for (const character of text) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193) >>> 0;
  return hash / 2 ** 32;
}

/** An apply as an operator starts it, that signals reach. */
export function startController(project: Project) {
  const child = spawn(
    join(repository, "node_modules/.bin/node"),
    [programOf(project.product), "apply", "--yes", "-i", "inventory.yml", "--json", "run.json"],
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
      while (running() && !output.includes("Stopping")) {
        await Promise.race([once(child.stderr, "data"), ended]);
      }
      child.kill("SIGINT");
    },
  };
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

/** @param since in ms, as the machine's clock has it, which is the host's too. */
async function secondsToLogin(host: LabHost, since: number): Promise<number | null> {
  const lines = await onHost(
    host,
    "journalctl --no-pager -o short-unix -t sshd | sed -n 's/ .*Accepted .*//p'",
  );
  const next = lines
    .split("\n")
    .map((seconds) => Number(seconds) - since / 1000)
    .find((seconds) => seconds > 0);
  return next === undefined ? null : Number(next.toFixed(1));
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
