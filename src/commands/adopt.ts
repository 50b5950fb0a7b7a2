import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { type Adopted, adoptHost } from "../adopt/adopt-host.ts";
import type { Found, KnownPassword } from "../adopt/candidates.ts";
import { type AdoptedHost, adoptedFiles } from "../adopt/files.ts";
import { InputError } from "../lib/errors.ts";
import { packageDirectory } from "../lib/package.ts";
import type { HostRecord } from "../record/record.ts";
import { ownPassword } from "../redis/server-login.ts";
import { printable, printableText } from "../report/printable.ts";
import { plural } from "../report/words.ts";
import {
  auditedChecks,
  fail,
  type HostSession,
  type Observation,
  planFor,
  toRecord,
} from "../run/observe.ts";
import type { Environment, RunOptions } from "../run/options.ts";
import { prepare, type Run } from "../run/prepare.ts";
import { observeAll, recordOf, startProgress, warn } from "../run/session.ts";
import { shellWord } from "../shell/quote.ts";
import type { AclParams } from "../tasks/acl.ts";
import { addGroupChecks } from "./verify.ts";

/**
 * Reads a live fleet as plan does, and writes a playbook, variables and waivers under which the first run changes nothing
 * and verify finds nothing new.
 */
export async function adopt(
  options: RunOptions & { out: string },
  environment: Environment,
): Promise<number> {
  const startedAt = new Date();
  const { cwd, program, stdout } = environment;
  const directory = resolve(cwd, options.out);
  refuseToOverwrite(["playbook.yml", "waivers.yml", "host_vars"], directory, cwd);
  const playbook = options.playbook ?? join(packageDirectory, "playbooks", "adopt.yml");
  const run = await prepare("plan", { ...options, playbook }, environment);
  warn(run.warnings, environment);
  const progress = startProgress(run, "plan", environment);
  const sessions = await observeAll(run, options, environment, "verify", progress);
  await progress.stop();
  const described = new Map<string, Adopted>();
  for (const session of sessions) {
    const { observation, record } = session;
    record.checks = [];
    // A guard that stops the plan does not keep the host from being described.
    if (observation !== undefined && session.plan !== undefined) {
      record.status = "unchanged";
      record.error = null;
      described.set(record.host, await describe(run, session, observation));
    } else if (record.error === null) {
      fail(session, "failed", {
        where: "login",
        found: "redkeep is not root on the host",
        remedy: "set become",
      });
    }
  }
  addGroupChecks(sessions);
  const adopted = sessions.flatMap(({ record }) => {
    const host = described.get(record.host);
    return host === undefined ? [] : [adoptedHost(record, host)];
  });
  for (const { record } of sessions) record.checks = [];
  const reports = [
    ...adopted.flatMap(({ host, leftOut }) =>
      leftOut.map(({ task, reason }) => `  ${host}: ${task} is left out: ${reason}`),
    ),
    ...sessions.flatMap(({ record: { host, error } }) =>
      error === null ? [] : [`  ${host}: not adopted: ${printable(error.found.split("\n")[0] ?? "", 400)}`],
    ),
  ];
  const { exitCode } = recordOf(run, "plan", sessions, startedAt, environment);
  if (adopted.length === 0) {
    stdout.write(
      `${reports.join("\n")}\nNo host was adopted, and nothing was written.        exit ${exitCode}\n`,
    );
    return exitCode;
  }
  const files = adoptedFiles(adopted, adopted.length === run.inventory.hosts.size, startedAt);
  await writeAll(files, directory);
  const at = relative(cwd, directory) || ".";
  const written = [...files.keys()].map((path) => printable(join(at, path)));
  const failures = adopted.reduce((count, { failures }) => count + failures.length, 0);
  const start = program.map(shellWord).join(" ");
  const again = [
    join(at, "playbook.yml"),
    ...options.inventory.flatMap((path) => ["-i", path]),
    "--waivers",
    join(at, "waivers.yml"),
  ]
    .map((word) => shellWord(printable(word)))
    .join(" ");
  stdout.write(
    printableText(
      [
        `${plural(adopted.length, "host")} adopted; ${plural(failures, "failing check")} waived for 90 days.`,
        ...reports,
        `Wrote ${written.length > 5 ? `${written.length} files into ${at}` : written.join(", ")}.`,
        `Next: ${start} plan ${again}`,
        `      ${start} verify ${again}        exit ${exitCode}`,
        "",
      ]
        .join("\n")
        .replaceAll("\u00a0", " "),
    ),
  );
  return exitCode;
}

/** What a playbook can say of the host; its record then has the checks that verify would make with it. */
async function describe(run: Run, { job, record }: HostSession, observation: Observation): Promise<Adopted> {
  const { facts, server, tasks } = observation;
  const found: Found = { facts, server, passwords: knownPasswords(run, observation) };
  const withTasks = async (chosen: Observation["tasks"]["tasks"]): Promise<Observation> => ({
    ...observation,
    tasks: { ...tasks, tasks: chosen, skipped: [] },
    secrets: await job.secrets(chosen),
  });
  const context = { accepted: new Set<string>(), render: run.render };
  const adopted = await adoptHost(tasks.tasks, found, async (chosen) =>
    planFor(await withTasks([...chosen]), context, () => "••••"),
  );
  const described = await withTasks(adopted.tasks.map(({ task }) => task));
  record.checks = auditedChecks(described, run.render, run.tags).map(toRecord);
  return adopted;
}

function adoptedHost({ host, checks }: HostRecord, { tasks, leftOut }: Adopted): AdoptedHost {
  return {
    host,
    tasks: new Map(tasks.map(({ task: { task, name }, params }) => [task, { name, params }])),
    failures: checks
      .filter(({ outcome }) => outcome === "fail")
      .map(({ control, observed }) => ({ control, observed: printable(observed, 400) })),
    leftOut: leftOut.map(({ task, reason }) => ({ task, reason: printable(reason, 400) })),
  };
}

/** What the playbook brings for its users, and what redkeep generated for users of these names. */
function knownPasswords(run: Run, { tasks, secrets, facts }: Observation): KnownPassword[] {
  const acl = tasks.tasks.find(({ task }) => task === "acl")?.params as AclParams | undefined;
  const listed = (acl?.users ?? []).flatMap(({ name, password: source }): KnownPassword[] => {
    const password = secrets.password(name);
    return "value" in password ? [{ user: name, value: password.value, source }] : [];
  });
  const names = (facts.redis.aclUsers ?? []).map((line) => line.split(" ")[1] ?? "");
  const generated = names.flatMap((user): KnownPassword[] => {
    const key = run.state.serverKey(user)?.key;
    const value = key === undefined ? run.state.password(user) : ownPassword(key, user, secrets.server);
    return value === undefined || listed.some((one) => one.user === user)
      ? []
      : [{ user, value, source: { generate: true } }];
  });
  return [...listed, ...generated];
}

function refuseToOverwrite(paths: readonly string[], directory: string, cwd: string): void {
  const there = paths.filter((path) => existsSync(join(directory, path)));
  if (there.length === 0) return;
  throw new InputError(
    there.map((path) => ({
      place: { file: relative(cwd, join(directory, path)) },
      message: "is there already: redkeep adopt overwrites nothing. Name another folder by --out",
    })),
  );
}

async function writeAll(files: ReadonlyMap<string, string>, directory: string): Promise<void> {
  for (const [path, text] of files) {
    const target = join(directory, path);
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, text, { flag: "wx" });
  }
}
