import { constants, existsSync } from "node:fs";
import { access, stat } from "node:fs/promises";
import { dirname, join, normalize, resolve } from "node:path";
import { auditTags } from "../audit/audit.ts";
import type { ConnectionVariables } from "../connection/settings.ts";
import { inShard, REPLICATION_GROUP, type Shard, shardKey } from "../fleet/shard.ts";
import { connectionVariables } from "../inventory/connection-variables.ts";
import { limitedHosts, matchHosts, readLimit } from "../inventory/host-pattern.ts";
import { hostVariables, type Inventory, type Variable } from "../inventory/inventory.ts";
import { loadInventory } from "../inventory/load-inventory.ts";
import { OWN_VARIABLES, refuseUnknownVariables } from "../inventory/own-variables.ts";
import { type ProbeVariables, probeVariables } from "../inventory/probe-variables.ts";
import { didYouMean, InputError, type Problem } from "../lib/errors.ts";
import { packageDirectory } from "../lib/package.ts";
import { isSelected, type TagSelection } from "../lib/tags.ts";
import type { TemplateData } from "../lib/template.ts";
import { applicationNetworks } from "../playbook/application-networks.ts";
import { type FactsForTemplates, type HostTasks, hostTasks } from "../playbook/host-tasks.ts";
import { loadPlaybook } from "../playbook/load-playbook.ts";
import type { Play, Playbook } from "../playbook/playbook.ts";
import { templateRenderer } from "../playbook/templates.ts";
import type { ControllerRecord, HostRecord, RunRecord, Selection } from "../record/record.ts";
import type { Severity } from "../record/statuses.ts";
import { State } from "../state/state.ts";
import { type HostTask, paramsOf } from "../tasks/task.ts";
import { loadWaivers } from "../waivers/load-waivers.ts";
import type { Waiver } from "../waivers/waivers.ts";
import { rotationOf } from "./client-certificates.ts";
import { checkKeyFiles } from "./key-files.ts";
import type { Environment, RunOptions } from "./options.ts";
import { type HostSecrets, Secrets } from "./secrets.ts";
import { vantageConnection, vantageNames } from "./vantages.ts";
/** One host of a run, with all that is known before it is reached. */
export interface HostJob {
  host: string;
  /** Where an inventory file names it; a list such as `-i a,b,` is no file. */
  place?: NonNullable<HostRecord["place"]>;
  /** The plays that select it, in order; the first one's keywords count. */
  plays: Play[];
  connection: ConnectionVariables;
  /** `redkeep_unit`, or empty. */
  unit: string;
  /** Units of other hosts of the run that are the same machine by their address. */
  neighbours?: readonly string[];
  /** The tasks; with the host's facts where some of them name `facts`. */
  tasks: (facts?: FactsForTemplates) => HostTasks;
  secrets: (tasks: readonly HostTask[]) => Promise<HostSecrets>;
  /** From where verify looks at it too; absent for other commands. */
  probes?: ProbeVariables;
}

export interface Run {
  inventory: Inventory;
  playbook: Playbook;
  state: State;
  secrets: Secrets;
  jobs: HostJob[];
  /** How to reach the hosts from which verify looks at others, by name. */
  vantages: ReadonlyMap<string, ConnectionVariables>;
  tags: TagSelection;
  /** Which tasks were asked for, as the record has it. */
  selection: Selection;
  shard: Shard | undefined;
  /** The hosts of the whole run, of which `jobs` has those of the shard. */
  selected: ReadonlySet<string>;
  /** Undefined where there is no file of them. */
  waivers: readonly Waiver[] | undefined;
  /** The day on which the waivers are read, `YYYY-MM-DD`, UTC. */
  today: string;
  failOn: Severity | undefined;
  warnings: string[];
  /** What the run does here, once it has asked the hosts. */
  controller: ControllerRecord | undefined;
  render: (name: string, data: TemplateData) => string;
}

/**
 * Everything before the first connection: whatever is wrong with the input ends here, and no host is touched.
 * @throws InputError with every problem found.
 */
export async function prepare(
  command: RunRecord["command"],
  options: RunOptions,
  environment: Environment,
): Promise<Run> {
  const { cwd, env } = environment;
  await checkRecordPath(options.json, cwd);
  const file = playbookFile(options.playbook, cwd);
  const playbook = await loadPlaybook(file, cwd);
  const inventory = await loadInventory({
    sources: options.inventory,
    playbookDir: playbook.directory,
    extraVars: options.extraVars,
    cwd,
  });
  const limit =
    options.limit === undefined ? undefined : limitedHosts(inventory, await readLimit(options.limit, cwd));
  // Nothing that a rollback does is checked: a waiver could only keep it from its work.
  const waived =
    command === "rollback" || command === "eject"
      ? undefined
      : await loadWaivers(options.waivers, inventory, options.inventory[0], cwd);
  const state = await State.open(options.state, options.inventory[0], cwd);
  const secrets = new Secrets(state, inventory, {
    rotate: options.rotate,
    baseDir: resolve(cwd, playbook.directory),
    env,
  });
  const tags: TagSelection = { only: options.tags, skip: options.skipTags };
  const selected = selectPlays(inventory, playbook, limit);
  const unfinished =
    options.retryFailed === undefined
      ? undefined
      : await unfinishedHosts(options.retryFailed, inventory, cwd);
  const problems = new Map<string, Problem>();
  const collect = async <T>(host: string, work: () => T | Promise<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      // The same mistake in the playbook shows on every host: it is told once.
      for (const problem of error.problems)
        problems.set(
          JSON.stringify([problem.place, problem.key, problem.message.replaceAll(host, "")]),
          problem,
        );
      return undefined;
    }
  };
  const chosen: [string, Play[]][] = [];
  for (const [host, plays] of selected) {
    if (unfinished?.has(host) === false) continue;
    const isOurs = await collect(host, () => isInShard(inventory, host, plays, options.shard));
    if (isOurs === true) chosen.push([host, plays]);
  }
  const jobs: HostJob[] = [];
  const logins: HostSecrets[] = [];
  const cache = new Map();
  for (const [host, plays] of chosen) {
    const [first] = plays;
    if (first === undefined) continue;
    const tasksWith = (facts?: FactsForTemplates): HostTasks => {
      const merged = mergeTasks(
        host,
        plays.map((play) => hostTasks(inventory, host, play, tags, facts)),
        first,
      );
      if (command !== "verify" || merged.tasks.some(({ task }) => task === "firewall")) return merged;
      const networks = applicationNetworks(inventory, host, plays, tags, facts);
      return networks === undefined ? merged : { ...merged, networks };
    };
    let early: HostTasks | undefined;
    const tasks = (facts?: FactsForTemplates) => {
      if (facts !== undefined) return tasksWith(facts);
      early ??= tasksWith();
      return early;
    };
    const variables = hostVariables(inventory, host, { playDefaults: first.defaults, playVars: first.vars });
    const connection = await collect(host, () =>
      connectionVariables(host, variables, connectionDefaults(options, first), { cwd, env, cache }),
    );
    if (connection !== undefined) await collect(host, () => checkKeyFiles(connection, options, cwd));
    await collect(host, () => refuseUnknownVariables(variables));
    const unit = await collect(host, () => unitName(variables.get(OWN_VARIABLES.unit)));
    const known = await collect(host, () => tasks());
    const secretsOf = (selected: readonly HostTask[]) => secrets.of(host, selected, known?.login);
    const hostSecrets = await collect(host, () => secretsOf(known?.tasks ?? []));
    if (hostSecrets !== undefined) logins.push(hostSecrets);
    const probes =
      command === "verify"
        ? await collect(host, () => probeVariables(host, variables, inventory))
        : undefined;
    if (connection !== undefined && unit !== undefined) {
      const { file, line } = inventory.hosts.get(host)?.place ?? {};
      const place = file === undefined || line === undefined ? {} : { place: { file, line } };
      const outside = probes === undefined ? {} : { probes };
      jobs.push({ host, ...place, ...outside, plays, connection, unit, tasks, secrets: secretsOf });
    }
  }
  setNeighbours(jobs);
  const vantages = new Map<string, ConnectionVariables>();
  for (const name of vantageNames(jobs)) {
    const connection = await collect(name, () =>
      vantageConnection(name, inventory, options, { cwd, env, cache }),
    );
    if (connection !== undefined) vantages.set(name, connection);
  }
  if (problems.size > 0) throw new InputError([...problems.values()]);
  checkRotate(options.rotate, jobs);
  checkTags(playbook, tags, command);
  return {
    inventory,
    playbook,
    state,
    secrets,
    jobs,
    vantages,
    tags,
    selection: {
      playbook: file.startsWith(packageDirectory) && options.playbook === undefined ? null : normalize(file),
      tags: [...options.tags],
      skipTags: [...options.skipTags],
    },
    shard: options.shard,
    selected: new Set(selected.keys()),
    waivers: waived?.waivers,
    today: new Date().toISOString().slice(0, 10),
    failOn: options.failOn,
    warnings: [
      ...inventory.warnings,
      ...unknownTags(playbook, options, command),
      ...sharedLogins(logins),
      ...(waived?.warnings ?? []),
    ],
    controller: undefined,
    render: templateRenderer(resolve(cwd, playbook.directory)),
  };
}

function isInShard(
  inventory: Inventory,
  host: string,
  [first]: readonly Play[],
  shard: Shard | undefined,
): boolean {
  if (shard === undefined) return true;
  const variables = hostVariables(
    inventory,
    host,
    first && { playDefaults: first.defaults, playVars: first.vars },
  );
  return inShard(shardKey(host, variables.get(REPLICATION_GROUP)), shard);
}

/** A typo in --tags must not pass for a clean host. */
function checkTags({ plays }: Playbook, tags: TagSelection, command: RunRecord["command"]): void {
  if (tags.only.length + tags.skip.length === 0) return;
  const audited = command === "verify" ? auditTags() : new Set<string>();
  if ([...audited].some((tag) => isSelected([tag], tags))) return;
  if (plays.some(({ tasks }) => tasks.some((task) => isSelected(task.tags, tags)))) return;
  const known = new Set([...plays.flatMap(({ tasks }) => tasks.flatMap((task) => task.tags)), ...audited]);
  const [wanted = ""] = tags.only;
  const hint = known.has(wanted) ? "" : didYouMean(wanted, known);
  throw new InputError({
    key: tags.only.length > 0 ? "--tags" : "--skip-tags",
    message: `leaves no task of the playbook${tags.skip.length > 0 && tags.only.length > 0 ? ", together with --skip-tags" : ""}.${hint}`,
  });
}

const FINISHED = ["changed", "unchanged"];

/** The hosts of a run record that did not end as wanted, or were never started. */
async function unfinishedHosts(file: string, inventory: Inventory, cwd: string): Promise<Set<string>> {
  const { readStatuses } = await import("../record/read-record.ts");
  const statuses = await readStatuses(file, cwd);
  const hosts = statuses.filter(({ status }) => !FINISHED.includes(status)).map(({ host }) => host);
  const strange = hosts.find((host) => !inventory.hosts.has(host));
  if (strange !== undefined)
    throw new InputError({
      place: { file },
      key: "--retry-failed",
      message: `names the host ${JSON.stringify(strange)}, which the inventory does not have`,
    });
  return new Set(hosts);
}

/** Hosts of the inventory with the same one are one machine: the same SSH server, by the same way. */
export function machineOf({ connection: { address, port, sshOptions } }: HostJob): string {
  return JSON.stringify([address, port ?? sshOptions.port, sshOptions.proxyJump]);
}

/** Several hosts of an inventory may be one machine: each is then a unit of its own there. */
function setNeighbours(jobs: readonly HostJob[]): void {
  const byMachine = Map.groupBy(jobs, machineOf);
  for (const job of jobs) {
    const units = (byMachine.get(machineOf(job)) ?? []).map(({ unit }) => unit);
    job.neighbours = units
      .filter((unit) => unit !== "" && unit !== job.unit)
      .map((unit) => (unit.endsWith(".service") ? unit : `${unit}.service`));
  }
}

/** A typo in --rotate would replace nothing, and say nothing. What waits for a host's facts cannot be told yet. */
function checkRotate(rotate: ReadonlySet<string>, jobs: readonly HostJob[]): void {
  if (rotate.size === 0) return;
  const all = jobs.map(({ tasks }) => tasks());
  if (all.length === 0 || all.some(({ needsFacts }) => needsFacts)) return;
  const generated = new Set<string>();
  for (const task of all.flatMap(({ tasks }) => tasks)) {
    for (const [name, source] of task.definition.secrets?.(task.params) ?? [])
      if ("generate" in source) generated.add(name);
    const { tls } = paramsOf([task]);
    if (tls === undefined) continue;
    if ("generate" in tls.ca) generated.add("ca");
    for (const name of tls.clients) generated.add(rotationOf(name));
  }
  const strange = [...rotate].find((name) => !generated.has(name));
  if (strange === undefined) return;
  throw new InputError({
    key: "--rotate",
    message: `redkeep generates nothing called "${strange}" for these tasks.${didYouMean(strange, generated)} It generates ${[...generated].join(", ") || "nothing"}`,
  });
}

/** A run whose record cannot be written would have to fail after it has changed hosts. */
async function checkRecordPath(file: string | undefined, cwd: string): Promise<void> {
  if (file === undefined || file === "-") return;
  const bad = (message: string) => new InputError({ place: { file }, key: "--json", message });
  const found = await stat(resolve(cwd, file)).catch((error: NodeJS.ErrnoException) => {
    // What stands in the way here would still do so once the hosts are changed.
    if (error.code !== "ENOENT") throw bad(`cannot be written to: ${error.code}`);
    return undefined;
  });
  if (found?.isDirectory()) throw bad("should be a file, found a folder");
  // A pipe or /dev/stdout is written to; a file is replaced, which its folder must allow.
  if (found !== undefined && !found.isFile()) return;
  const folder = dirname(file);
  try {
    await access(resolve(cwd, folder), constants.W_OK);
  } catch {
    throw bad(`the folder ${folder} is not there, or may not be written to`);
  }
}

function playbookFile(given: string | undefined, cwd: string): string {
  if (given !== undefined) return given;
  const own = join("playbooks", "harden.yml");
  return existsSync(join(cwd, own)) ? own : join(packageDirectory, own);
}

/** Hosts in the order in which the plays name them, each with its plays. */
function selectPlays(
  inventory: Inventory,
  playbook: Playbook,
  limit: readonly string[] | undefined,
): Map<string, Play[]> {
  const limited = limit === undefined ? undefined : new Set(limit);
  const selected = new Map<string, Play[]>();
  const unmatched: Problem[] = [];
  let matched = false;
  for (const play of playbook.plays) {
    const match = matchHosts(inventory, play.hosts, play.place);
    if (match.hosts.length > 0 && match.unmatched.length > 0) throw new InputError(match.unmatched);
    if (match.hosts.length === 0) unmatched.push(...match.unmatched);
    else matched = true;
    for (const host of ordered(match.hosts, play.order)) {
      if (limited?.has(host) === false) continue;
      selected.set(host, [...(selected.get(host) ?? []), play]);
    }
  }
  if (!matched) {
    throw new InputError(
      unmatched.length > 0
        ? unmatched
        : {
            place: { file: playbook.file },
            key: "hosts",
            message: "no play matches a host of the inventory",
          },
    );
  }
  if (selected.size === 0)
    throw new InputError({ key: "--limit", message: "leaves no host of the playbook's plays" });
  return selected;
}

function ordered(hosts: readonly string[], order: Play["order"]): string[] {
  const list = [...hosts];
  if (order === "sorted" || order === "reverse_sorted") list.sort((a, b) => (a < b ? -1 : 1));
  if (order.startsWith("reverse")) list.reverse();
  if (order === "shuffle") {
    for (let i = list.length - 1; i > 0; i--) {
      const j = Math.floor(Math.random() * (i + 1));
      [list[i], list[j]] = [list[j] ?? "", list[i] ?? ""];
    }
  }
  return list;
}

function mergeTasks(host: string, parts: readonly HostTasks[], { place }: Play): HostTasks {
  const tasks = parts.flatMap((part) => part.tasks);
  const names = tasks.map(({ task }) => task);
  const twice = names.find((name, index) => names.indexOf(name) < index);
  if (twice !== undefined) {
    throw new InputError({
      place,
      key: twice,
      message: `applies twice to ${host}, from two plays: a host takes each task once`,
    });
  }
  let offset = 0;
  const skipped = parts.flatMap((part) => {
    const moved = part.skipped.map((entry) => ({ ...entry, index: entry.index + offset }));
    offset += part.tasks.length + part.skipped.length;
    return moved;
  });
  const login = parts.find((part) => part.login !== undefined)?.login;
  return {
    tasks,
    skipped,
    needsFacts: parts.some(({ needsFacts }) => needsFacts),
    ...(login === undefined ? {} : { login }),
  };
}

function connectionDefaults(options: RunOptions, play: Play) {
  return {
    user: options.user,
    privateKey: options.privateKey,
    password: options.password,
    become: options.become,
    becomePassword: options.becomePassword,
    timeoutSeconds: options.timeoutSeconds,
    knownHosts: options.knownHosts,
    play: {
      place: play.place,
      port: play.port,
      remoteUser: play.remoteUser,
      become: play.become,
      becomeMethod: play.becomeMethod,
      becomeUser: play.becomeUser,
      connection: play.connection,
    },
  };
}

/** A password of the operator's that redkeep shows to several servers: each of them could open the others with it. */
function sharedLogins(secrets: readonly HostSecrets[]): string[] {
  const servers = Map.groupBy(
    secrets.filter(({ login }) => login?.kind === "operator"),
    ({ login }) => JSON.stringify([login?.user, login?.password.reveal()]),
  );
  return [...servers.values()].flatMap((those) => {
    const count = new Set(those.map(({ server }) => server)).size;
    const user = those[0]?.login?.user;
    return count < 2
      ? []
      : [
          `${count} servers have one password for user ${user}, as which redkeep logs in: one that was taken over is shown it, and it opens the others. Let redkeep make them ({ generate: true }), or bring one for each, such as { file: "secrets/<%= inventory_hostname %>" }`,
        ];
  });
}

function unitName({ value, place }: Partial<Variable> = {}): string {
  if (value === undefined || value === null || value === "") return "";
  if (typeof value === "string" && /^[A-Za-z0-9][A-Za-z0-9@:._\\-]{0,200}$/.test(value)) return value;
  throw new InputError({
    place,
    key: OWN_VARIABLES.unit,
    message: `should be a systemd unit such as redis-server.service, found ${JSON.stringify(value)}`,
  });
}

function unknownTags(
  playbook: Playbook,
  { tags, skipTags }: RunOptions,
  command: RunRecord["command"],
): string[] {
  const known = new Set([
    ...(command === "verify" ? auditTags() : []),
    ...playbook.plays.flatMap(({ tasks }) => tasks.flatMap((task) => task.tags)),
    "all",
    "tagged",
    "untagged",
    "always",
    "never",
  ]);
  return [...tags, ...skipTags]
    .filter((tag) => !known.has(tag))
    .map((tag) => `no task has the tag "${tag}".${didYouMean(tag, known)}`);
}
