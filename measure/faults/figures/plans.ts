/** What plan says is what apply does: on start states drawn at random, change by change. */
import { dirname } from "node:path/posix";
import { pool } from "../../../src/lib/pool.ts";
import type { HostRecord } from "../../../src/record/record.ts";
import { type LabHost, redkeep, startHost } from "../../../test/integration/support/lab.ts";
import { filesOf, onHost, redisProcess, residueOf } from "../../../test/integration/support/observe.ts";
import { notPassed, openProject, type Project } from "../../../test/integration/support/project.ts";
import type { Figure } from "../figure.ts";
import { drawState, KEPT_USERS, type State } from "../states.ts";

export interface PlanCase {
  seed: number;
  habits: string[];
  /** What plan and apply said of the host. */
  planned: HostRecord["status"];
  applied: HostRecord["status"];
  changes: number;
  /** In what they differ, or what is not as they said; a line each. */
  problems: string[];
}

const NAME = "redis-01";

export async function runPlanCase(seed: number): Promise<PlanCase> {
  const state = drawState(seed);
  await using host = await startHost();
  using project = openProject({ [NAME]: host });
  await prepare(host, project, state);
  const problems: string[] = [];
  const before = await filesOf(host, { times: true });
  const process = await redisProcess(host);

  await onHost(host, "touch /root/before-plan; sleep 0.02");
  const planned = (await project.run("plan")).host(NAME);
  // A login leaves its lines; nothing else may be written.
  const written = await onHost(
    host,
    `find / -xdev -newer /root/before-plan ! -path '/var/log/*' ! -path '/root/before-plan' ! -path '/root' \\
       ! -path '/etc/hosts' ! -path /run ! -path /tmp -printf '%p\\n'`,
  );
  for (const path of written.split("\n").filter(Boolean)) problems.push(`plan wrote ${path}`);
  if ((await redisProcess(host)) !== process) problems.push("plan restarted Redis");

  const applied = (await project.run("apply", "--yes")).host(NAME);
  problems.push(...differences(planned, applied));
  const after = await filesOf(host, { times: true });
  if (planned.status === "would-change" && applied.status === "changed") {
    problems.push(...unexplained(withoutTimes(before), withoutTimes(after), planned));
    // Of a host that is as wanted, apply says what plan and verify would.
    const again = (await project.run("apply", "--yes")).host(NAME);
    if (again.status !== "unchanged") problems.push(`a second run says ${again.status}: ${summary(again)}`);
    for (const check of notPassed(again)) if (!isKept(check)) problems.push(`verify: ${check}`);
    const keys = await keysOf(host, project);
    if (keys !== "200") problems.push(`${keys} keys of 200 are left`);
  } else {
    if (planned.status === "would-change") problems.push(`apply: ${applied.status}: ${applied.error?.found}`);
    if (after !== before) problems.push(`apply was ${applied.status}, and files changed`);
    if ((await redisProcess(host)) !== process)
      problems.push(`apply was ${applied.status}, and restarted Redis`);
  }
  const residue = await residueOf(host);
  if (residue !== "") problems.push(`left behind: ${residue}`);
  return {
    seed,
    habits: [
      ...state.habits,
      ...(state.past === "none" ? [] : [`redkeep before: ${state.past}`]),
      ...(state.drift === undefined ? [] : [`then ${state.drift.name}`]),
    ],
    planned: planned.status,
    applied: applied.status,
    changes: planned.tasks.flatMap(({ changes }) => changes).length,
    problems,
  };
}

async function prepare(host: LabHost, project: Project, { script, past, drift }: State): Promise<void> {
  const prepared = await host.sh(script);
  if (prepared.status !== 0) throw new Error(`the state could not be made: ${prepared.stdout.slice(-500)}`);
  if (past === "part") await project.run("apply", "--yes", "--tags", "network");
  if (past === "whole" || past === "rolled back") await project.run("apply", "--yes");
  if (past === "rolled back") {
    await redkeep(["rollback", "--yes", "-i", "inventory.yml"], {
      cwd: project.dir,
      env: { APP_PASSWORD: project.appPassword },
    });
  }
  if (drift !== undefined) await onHost(host, `${drift.script} >/dev/null 2>&1`);
}

/** Over whichever socket the host has now. */
async function keysOf(host: LabHost, project: Project): Promise<string> {
  return await onHost(
    host,
    `read -r REDISCLI_AUTH; export REDISCLI_AUTH
     redis-cli -s "$(tr -d '\\r' </etc/redis/redis.conf | sed -n 's/^unixsocket \\([^ ]*\\).*/\\1/p' | tail -n 1)" --user admin DBSIZE 2>&1 || true`,
    `${project.password("admin", host)}\n`,
  );
}

/** What apply said otherwise than plan. */
function differences(planned: HostRecord, applied: HostRecord): string[] {
  const problems: string[] = [];
  for (const [index, task] of planned.tasks.entries()) {
    const done = applied.tasks[index];
    const [said, did] = [task.changes, done?.changes ?? []].map((changes) =>
      changes.map((c) => JSON.stringify(c)),
    );
    for (const change of said ?? [])
      if (!did?.includes(change)) problems.push(`planned, not applied: ${change}`);
    for (const change of did ?? [])
      if (!said?.includes(change)) problems.push(`applied, not planned: ${change}`);
    if (task.task !== done?.task) problems.push(`${task.task} became ${done?.task}`);
  }
  if (planned.status === "would-change") {
    if (planned.restart.needed !== applied.restart.needed) problems.push("they disagree on the restart");
    return problems;
  }
  if (planned.status !== applied.status)
    problems.push(`plan says ${planned.status}, apply ${applied.status}`);
  if (JSON.stringify(planned.error) !== JSON.stringify(applied.error)) {
    problems.push(`plan says ${JSON.stringify(planned.error)}, apply ${JSON.stringify(applied.error)}`);
  }
  return problems;
}

/** A control that speaks of a user whom the playbook keeps. */
const isKept = (check: string): boolean =>
  check.startsWith("RK-ACL-") && new RegExp(`found .*\\b(${KEPT_USERS.join("|")})\\b`).test(check);

/** Files that are not as they were although no change spoke of them, and changes of files that are as they were. */
function unexplained(before: string, after: string, { tasks }: HostRecord): string[] {
  const addresses = tasks.flatMap(({ changes }) => changes.map(({ address }) => address));
  const has = (start: string): boolean => addresses.some((address) => address.startsWith(start));
  const changed = changedPaths(before, after);
  const said = (path: string): boolean =>
    addresses.includes(`file:${path}`) ||
    (/^\/etc\/redis\/.*\.conf$/.test(path) && has("redis.conf:")) ||
    (/\.(acl|list)$/.test(path) && has("users.acl:")) ||
    (/^\/etc\/(ufw|default\/ufw)/.test(path) && has("ufw:")) ||
    (path.startsWith("/etc/systemd/system/redis-server.service.d") && has("unit:"));
  const files = addresses
    .filter((address) => address.startsWith("file:/etc/"))
    .map((address) => address.slice(5));
  return [
    ...[...changed].filter((path) => !said(path)).map((path) => `changed, and not told: ${path}`),
    ...files
      .filter((path) => !changed.has(path) && ![...changed].some((other) => dirname(other) === path))
      .map((path) => `told as changed, and is as it was: ${path}`),
  ];
}

function changedPaths(before: string, after: string): Set<string> {
  const [old, now] = [before, after].map((text) => new Set(text.split("\n")));
  const lines = [...(old ?? []), ...(now ?? [])].filter((line) => !(old?.has(line) && now?.has(line)));
  return new Set(
    lines
      .map((line) => /(?:^|^[0-9a-f]{64} {2})(\/\S+)/.exec(line)?.[1] ?? "")
      .filter(
        // Redis numbers the files of its AOF anew whenever it rewrites it.
        (path) =>
          !/\/appendonly\.aof\.\d+\.|redkeep-recover|^\/var\/lib\/redkeep|^\/etc\/hosts$|^\/etc\/redis\.real$/.test(
            path,
          ),
      )
      .filter(Boolean),
  );
}

/** As filesOf() tells without times. */
function withoutTimes(files: string): string {
  return files.replace(/^(\/\S+ \S \S+ \d+) \S+/gm, "$1");
}

function summary({ error, tasks }: HostRecord): string {
  const changes = tasks.flatMap(({ changes }) =>
    changes.map(({ address, before, after }) => `${address} ${before} -> ${after}`),
  );
  return [error?.found, ...changes].filter(Boolean).join("; ");
}

export const figure: Figure = {
  name: "plans",
  title: "Start states drawn at random: apply does what plan said, change by change, and nothing else",
  target: "200 of 200",
  async run({ count = 200, log }) {
    const seeds = Array.from({ length: count }, (_, index) => index + 1);
    const cases: (Pick<PlanCase, "seed" | "problems"> & Partial<PlanCase>)[] = [];
    await pool(seeds, 2, async (seed) => {
      const result = await runPlanCase(seed).catch((error: Error) => ({ seed, problems: [error.message] }));
      log(JSON.stringify(result));
      cases.push(result);
    });
    const bad = cases.filter(({ problems }) => problems.length > 0);
    return {
      measured: `${count - bad.length} of ${count}`,
      ok: bad.length === 0,
      problems: bad.flatMap(({ seed, problems }) => problems.map((problem) => `state ${seed}: ${problem}`)),
      details: cases,
    };
  },
};
