/** Two runs at once on one host, and a confirmation against the end of its window: one of the two, and both are told so. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { type LabHost, startHost } from "../../../test/integration/support/lab.ts";
import { asSoonAs, onHost, residueOf } from "../../../test/integration/support/observe.ts";
import { openProject, type Project, type ProjectRun } from "../../../test/integration/support/project.ts";
import type { Figure } from "../figure.ts";

export interface Race {
  name: string;
  /** What both sides were told. */
  told: string[];
  problems: string[];
}

const NAME = "redis-01";
const RACES = 100;
/** Of two runs on one host, before it is exchanged for a fresh one. */
const RACES_PER_HOST = 10;
const CONFIRMATIONS_PER_HOST = 2;

const harden = readFileSync(join(import.meta.dirname, "../../../playbooks/harden.yml"), "utf8");
const playbookFor = (project: Project, megabytes: number): string =>
  project.write(
    `playbooks/${megabytes}.yml`,
    harden.replace("maxmemory: 512mb", `maxmemory: ${megabytes}mb`),
  );

interface Journal {
  id: string;
  state: string;
  /** Seconds since the host's start, and what was done then. */
  lines: { at: number; text: string }[];
}

async function journals(host: LabHost): Promise<Journal[]> {
  const text = await onHost(
    host,
    `for d in /var/lib/redkeep/txn/*; do if [ -d "$d" ]; then echo "= \${d##*/} $(cat "$d/state")"; cat "$d/journal"; fi; done`,
  );
  return text
    .split(/^= /m)
    .filter(Boolean)
    .map((part) => {
      const [head = "", ...lines] = part.trimEnd().split("\n");
      const [id = "", state = ""] = head.split(" ");
      return {
        id,
        state,
        lines: lines.map((line) => ({ at: Number.parseFloat(line), text: line.replace(/^\S+ /, "") })),
      };
    });
}

/** Two whole runs with different wishes, the second \`offset\` ms after the first. */
export async function raceRuns(
  host: LabHost,
  project: Project,
  number: number,
  offset: number,
): Promise<Race> {
  const known = new Set((await journals(host)).map(({ id }) => id));
  const wishes = [number * 2 + 200, number * 2 + 201];
  const start = async (wish: number, delay: number): Promise<ProjectRun> => {
    const playbook = playbookFor(project, wish);
    await setTimeout(delay);
    return await project.run("apply", playbook, "--yes");
  };
  const runs = await Promise.all(wishes.map((wish, index) => start(wish, index * offset)));
  const told = runs.map((run) => run.host(NAME));
  const problems: string[] = [];
  const won = wishes.filter((_, index) => told[index]?.status === "changed");
  const fresh = (await journals(host)).filter(({ id }) => !known.has(id));
  const begun = fresh
    .filter(({ lines }) => lines.some(({ text }) => text === "armed"))
    .toSorted((one, other) => (one.lines[0]?.at ?? 0) - (other.lines[0]?.at ?? 0));
  if (won.length === 0) problems.push("nobody won");
  if (begun.length !== won.length || begun.some(({ state }) => state !== "committed")) {
    problems.push(`${won.length} were told that they won, the host has ${begun.map(({ state }) => state)}`);
  }
  for (const [index, later] of begun.entries()) {
    const end = begun[index - 1]?.lines.at(-1)?.at ?? 0;
    if ((later.lines[0]?.at ?? 0) < end) problems.push("one began before the other had ended");
  }
  for (const [index, host] of told.entries()) {
    const { status, error } = host;
    const run = runs[index];
    if (run?.status !== { changed: 0, unchanged: 0, refused: 3 }[status as string]) {
      problems.push(`${status} with exit status ${run?.status}: ${error?.found}`);
    }
    if (status !== "refused") continue;
    const isTold = error?.where === "lock" ? /\S+@\S+ since \d{4}-/ : /changed since it was looked at: \S/;
    if (!isTold.test(error?.found ?? ""))
      problems.push(`refused without a name: ${error?.where}: ${error?.found}`);
  }
  problems.push(...(await atRest(host, project, won.length === 2 ? wishes : won)));
  return {
    name: `two runs, ${offset} ms apart`,
    told: told.map(({ status, error }) => (error === null ? status : `${status}: ${error.where}`)),
    problems,
  };
}

/**
 * A run's confirmation, over its new login, against the rollback that the host starts by itself: both wait for the same
 * lock when it is let go.
 */
export async function raceConfirm(host: LabHost, project: Project, number: number): Promise<Race> {
  const [before, wish] = [await project.configGet(host, "maxmemory"), number + 600];
  const waiting = (count: number): string =>
    `until [ "$(pgrep -fc '^flock -w 60 9')" -ge ${count} ]; do :; done`;
  const rollback = "systemctl start --no-block redkeep-win-$id.service";
  const both = number % 2 === 0 ? `${rollback}; ${waiting(2)}` : `${waiting(1)}; ${rollback}; ${waiting(2)}`;
  const released = asSoonAs(
    host,
    "grep -qs ^applied /var/lib/redkeep/txn/*/state",
    `exec 9>>/var/lib/redkeep/lock; flock 9
     id=$(basename "$(dirname "$(grep -ls ^applied /var/lib/redkeep/txn/*/state)")"); ${both}; echo $id`,
  );
  const run = await project.run("apply", playbookFor(project, wish), "--yes");
  const id = await released;
  const { status, error } = run.host(NAME);
  const problems: string[] = [];
  const state = (await journals(host)).find((journal) => journal.id === id)?.state;
  const told = { changed: "committed", "rolled-back": "rolled_back" }[status as string];
  if (state !== told) problems.push(`told ${status}, the host says ${state}: ${error?.found}`);
  if (run.status !== (status === "changed" ? 0 : 5))
    problems.push(`${status} with exit status ${run.status}`);
  problems.push(
    ...(await atRest(host, project, status === "changed" ? [wish] : [Number(before) / 1024 / 1024])),
  );
  return { name: "a confirmation against a rollback", told: [status, state ?? "none"], problems };
}

/** One of the wishes holds, on the running server and in its file, and nothing is left behind. */
async function atRest(host: LabHost, project: Project, wishes: readonly number[]): Promise<string[]> {
  const running = Number(await project.configGet(host, "maxmemory")) / 1024 / 1024;
  const inFile = await onHost(host, "sed -n 's/^maxmemory //p' /etc/redis/redis.conf");
  // A unit that ended is there for a moment more.
  let residue = await residueOf(host);
  for (let i = 0; residue !== "" && i < 50; i++) residue = await residueOf(host);
  return [
    ...(wishes.includes(running)
      ? []
      : [`maxmemory is ${running}mb, and should be ${wishes.join(" or ")}mb`]),
    ...(inFile === `${running}mb` ? [] : [`maxmemory is ${running}mb, and ${inFile} in redis.conf`]),
    ...(residue === "" ? [] : [`left behind: ${residue}`]),
  ];
}

export const figure: Figure = {
  name: "races",
  title:
    "Two runs at once on one host: exactly one wins, the other is told; so with a confirmation and a rollback",
  target: "100 of 100",
  async run({ count = RACES, log }) {
    const races: Race[] = [];
    for (let from = 0; from < count; from += RACES_PER_HOST) {
      // On a fresh host the first race is one of two whole hardenings, the others are of live changes.
      await using host = await startHost();
      using project = openProject({ [NAME]: host });
      for (let number = from; number < Math.min(count, from + RACES_PER_HOST); number++) {
        // Spread over 0 to 300 ms, in no order.
        races.push(await raceRuns(host, project, number, (number * 89) % 301));
        log(JSON.stringify(races.at(-1)));
      }
      for (let number = 0; number < CONFIRMATIONS_PER_HOST; number++) {
        races.push(await raceConfirm(host, project, from + number));
        log(JSON.stringify(races.at(-1)));
      }
    }
    const bad = races.filter(({ problems }) => problems.length > 0);
    const outcomes = Map.groupBy(
      races,
      ({ name, told }) => `${name.split(",")[0]}: ${told.toSorted().join(", ")}`,
    );
    const isRun = ({ name }: Race): boolean => name.startsWith("two runs");
    const confirmations = races.length - races.filter(isRun).length;
    return {
      measured: `${races.filter(isRun).length - bad.filter(isRun).length} of ${count}, and ${confirmations - bad.filter((race) => !isRun(race)).length} of ${confirmations} confirmations against a rollback`,
      ok: bad.length === 0,
      problems: bad.flatMap(({ name, problems }) => problems.map((problem) => `${name}: ${problem}`)),
      details: {
        outcomes: Object.fromEntries([...outcomes].map(([told, found]) => [told, found.length])),
        races,
      },
    };
  },
};
