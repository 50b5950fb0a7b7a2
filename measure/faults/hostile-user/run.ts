/** One run: an attacker is at work on a host, redkeep does what it is told, and what came of it is judged. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { RunRecord } from "../../../src/record/record.ts";
import { type LabHost, programOf } from "../../../test/integration/support/lab.ts";
import { onHost } from "../../../test/integration/support/observe.ts";
import type { Project } from "../../../test/integration/support/project.ts";
import { quote, untilAtRest } from "../host.ts";
import type { HostileCase } from "./cases.ts";
import {
  type Manifest,
  PLANNABLE,
  parseManifest,
  runsByOthers,
  shownPlaces,
  touched,
  turned,
} from "./judge.ts";
import { NAME, type Site } from "./site.ts";

const repository = join(import.meta.dirname, "../../..");
const program = readFileSync(join(import.meta.dirname, "attacker.py"), "utf8");
const manifest = readFileSync(join(import.meta.dirname, "manifest.py"), "utf8");

/** Seconds within which redkeep has to end: a host's whole transaction with its confirm window, and some more. */
const ENDS_WITHIN = 240;
/** Lines of the journal at which a recovery begins. */
const BOUNDARIES = ["armed", "mode ", "directory ", "restart ", "applied"];

/** What a run must never show, by the words of the figure. */
export const MEASURES = {
  outside: "files outside of the service user's own changed",
  programs: "programs of the attacker's run by others",
  turned: "checks turned to pass",
  unshown: "changes that the plan did not show",
  leaks: "files of root's handed to the service user",
  endings: "runs without an end or a whole record",
} as const;
export type Measure = keyof typeof MEASURES;

export interface Row extends HostileCase {
  /** What redkeep said of the host; null where it wrote no record. */
  told: string | null;
  error: string | null;
  seconds: number;
  /** What the attacker did, counted by it. */
  done: Record<string, number>;
  found: Record<Measure, string[]>;
}

/** Never throws: a run that cannot be judged is one of those without an end. */
export async function runHostile(site: Site, wanted: HostileCase): Promise<Row> {
  try {
    return await runAndJudge(site, wanted);
  } catch (error) {
    await site.dropHost();
    const found = { outside: [], programs: [], turned: [], unshown: [], leaks: [] };
    const endings = [`not judged: ${(error as Error).message.slice(0, 500)}`];
    return { ...wanted, told: null, error: null, seconds: 0, done: {}, found: { ...found, endings } };
  }
}

async function runAndJudge(site: Site, wanted: HostileCase): Promise<Row> {
  const { host, project, args, violated } = await site.ready(wanted.stage);
  const uid = Number(await onHost(host, "id -u redis"));
  const { manifest: before } = await look(host);
  const own = isOwn(before, uid) ? ["/etc/redis"] : [];
  let attacker = await Attacker.start(host, wanted);
  const began = performance.now();
  const controller = startRedkeep(project, args);
  const done: Record<string, number> = {};
  if (wanted.stage === "recovery from a kill") {
    await strike(host, controller, wanted.seed, "systemctl kill -s KILL 'redkeep-apply-*'");
  } else if (wanted.stage === "recovery at boot") {
    // Docker takes its time to cut the power: the transaction gets no further meanwhile.
    await strike(host, controller, wanted.seed, "systemctl kill -s STOP 'redkeep-apply-*'");
    await host.kill();
    add(done, await attacker.stop());
    // The attacker may have kept its own server from starting.
    await host.restart("systemctl is-active -q ssh");
    attacker = await Attacker.start(host, wanted);
    // The lab gives a host another port at its restart: the controller could ask for ever.
    controller.kill();
  }
  const { status, output, isLate } = await controller.ended;
  const seconds = Number(((performance.now() - began) / 1000).toFixed(1));
  // What only looks has nothing under way.
  const residue =
    args[0] === "plan" || args[0] === "verify" ? "" : await untilAtRest(host, performance.now());
  add(done, await attacker.stop());
  const after = await look(host);
  const record = recordOf(project);
  const told = record?.hosts[0];
  const places = told === undefined ? PLANNABLE : shownPlaces(told);
  const changed = touched(before, after.manifest, places, own);
  const isCut = wanted.stage === "recovery at boot";
  // Where a human is asked for, the files from before are what redkeep points to.
  const isKept = (line: string): boolean =>
    /\.redkeep\.[^/]+\.(?:old|new)$/.test(line) &&
    told?.error?.where === "needs_human" &&
    told.error.state.includes(line);
  const left = residue
    .split("\n")
    .filter((line) => !isKept(line))
    .join("\n");
  const found: Row["found"] = {
    outside: changed.outside,
    unshown: changed.unshown,
    programs: runsByOthers(after.canary, uid),
    turned: told === undefined ? [] : turned(told, violated),
    leaks: after.leaks,
    endings: [
      ...(isLate ? [`no end within ${ENDS_WITHIN} s`] : []),
      ...(told === undefined && !isCut ? [`no record, exit status ${status}: ${output.slice(-300)}`] : []),
      ...(left === "" ? [] : [`left behind: ${left}`]),
    ],
  };
  if (Object.values(found).some((list) => list.length > 0)) await site.dropHost();
  return {
    ...wanted,
    told: told?.status ?? null,
    error: told?.error ? `${told.error.where}: ${told.error.found}`.slice(0, 300) : null,
    seconds,
    done,
    found,
  };
}

const isOwn = (found: Manifest, uid: number): boolean =>
  found.get("/etc/redis")?.includes(` ${uid}:`) ?? false;

interface Sight {
  manifest: Manifest;
  canary: string[];
  leaks: string[];
}

async function look(host: LabHost): Promise<Sight> {
  const text = await onHost(host, `exec python3 -c ${quote(manifest)}`);
  const at = text.indexOf("\n");
  return { ...JSON.parse(text.slice(0, at)), manifest: parseManifest(text.slice(at + 1)) };
}

function add(total: Record<string, number>, more: Record<string, number>): void {
  for (const [name, count] of Object.entries(more)) total[name] = (total[name] ?? 0) + count;
}

function recordOf(project: Project): RunRecord | undefined {
  const path = project.path("hostile.json");
  if (!existsSync(path)) return undefined;
  const record = JSON.parse(readFileSync(path, "utf8")) as RunRecord;
  return record.hosts.some(({ host }) => host === NAME) ? record : undefined;
}

interface Controller {
  ended: Promise<{ status: number | null; output: string; isLate: boolean }>;
  kill: () => void;
}

function startRedkeep(project: Project, args: readonly string[]): Controller {
  rmSync(project.path("hostile.json"), { force: true });
  const child = spawn(
    join(repository, "node_modules/.bin/node"),
    [programOf(project.product), ...args, "-i", "inventory.yml", "--json", "hostile.json"],
    {
      cwd: project.dir,
      env: { ...process.env, NO_COLOR: "1", APP_PASSWORD: project.appPassword },
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  let output = "";
  let isLate = false;
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output = (output + text).slice(-10_000);
    });
  }
  const timer = setTimeout(() => {
    isLate = true;
    child.kill("SIGKILL");
  }, ENDS_WITHIN * 1000);
  const ended = once(child, "close").then(([status]: unknown[]) => {
    clearTimeout(timer);
    return { status: status as number | null, output, isLate };
  });
  return { ended, kill: () => child.kill("SIGKILL") };
}

/** Does something on the host as soon as a line is in the transaction's journal; nothing where redkeep ends before. */
async function strike(host: LabHost, controller: Controller, seed: number, command: string): Promise<void> {
  const boundary = BOUNDARIES[seed % BOUNDARIES.length] ?? "";
  const struck = host.sh(
    `rm -f /run/lab-over; until [ -e /run/lab-over ] || grep -qs ' ${boundary}' /var/lib/redkeep/txn/*/journal; do sleep 0.002; done
     [ -e /run/lab-over ] || ${command}`,
  );
  await Promise.race([struck, controller.ended]);
  await onHost(host, ": >/run/lab-over");
  await struck;
}

/** The program of the attacker's, which runs as the service user on the host. */
class Attacker {
  readonly #child: ReturnType<typeof spawn>;
  readonly #lines: AsyncIterator<string>;

  private constructor(child: ReturnType<typeof spawn>, lines: AsyncIterator<string>) {
    this.#child = child;
    this.#lines = lines;
  }

  /** Resolves once it is at work. */
  static async start(host: LabHost, { attack, seed, moment }: HostileCase): Promise<Attacker> {
    // Who listens in the server's place is a child of the server's; the others outlive its restart.
    const enter = attack.startsWith("port: ")
      ? "for at in unified systemd; do echo $$ >/sys/fs/cgroup/$at/system.slice/redis-server.service/cgroup.procs; done 2>/dev/null; "
      : "";
    const command = `${enter}exec setpriv --reuid redis --regid redis --init-groups python3 -c ${quote(program)} ${quote(attack)} ${seed} ${moment}`;
    const child = spawn("docker", ["exec", "-i", host.id, "sh", "-c", command], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const first = await lines.next();
    if (first.value !== "ready") throw new Error(`the attacker did not begin: ${attack}: ${first.value}`);
    return new Attacker(child, lines);
  }

  /** Ends it, and returns what it did; nothing where it went with its host or its service. */
  async stop(): Promise<Record<string, number>> {
    this.#child.stdin?.on("error", () => {}).end();
    const last = await this.#lines.next();
    await this.#lines.return?.();
    return last.done ? {} : (JSON.parse(last.value) as Record<string, number>);
  }
}
