import { connectionVariables, type PlayConnection } from "../inventory/connection-variables.ts";
import { hostVariables, type Inventory } from "../inventory/inventory.ts";
import { OWN_VARIABLES, refuseUnknownVariables } from "../inventory/own-variables.ts";
import { probeVariables } from "../inventory/probe-variables.ts";
import { Rendering } from "../inventory/rendering.ts";
import type { Variable } from "../inventory/variable.ts";
import { InputError, type Problem } from "../lib/errors.ts";
import type { Secret } from "../lib/secret.ts";
import type { TagSelection } from "../lib/tags.ts";
import { applicationNetworks } from "../playbook/application-networks.ts";
import { type FactsForTemplates, type HostTasks, hostTasks } from "../playbook/host-tasks.ts";
import type { Play } from "../playbook/playbook.ts";
import type { RunRecord } from "../record/record.ts";
import type { HostTask } from "../tasks/task.ts";
import { unlocking } from "../vault/locked.ts";
import { openerOf, type Vault } from "../vault/vault.ts";
import { isInShard } from "./choose-hosts.ts";
import { connectionDefaults } from "./connection-defaults.ts";
import { type HostJob, machineOf } from "./job.ts";
import { checkKeyFiles } from "./key-files.ts";
import type { Environment, RunOptions } from "./options.ts";
import type { HostSecrets, Secrets } from "./secrets.ts";

/** What each host's job is made of. */
export interface JobInput {
  readonly command: RunRecord["command"];
  readonly inventory: Inventory;
  readonly tags: TagSelection;
  readonly secrets: Secrets;
  readonly options: RunOptions;
  readonly environment: Environment;
  /** Shared by the hosts: what was resolved once for their connections. */
  readonly cache: Map<string, Promise<Secret>>;
}

/** The problems of all hosts, so that one run reports them all. */
export class Problems {
  readonly #found = new Map<string, Problem>();
  readonly #vault: Vault;

  constructor(vault: Vault) {
    this.#vault = vault;
  }

  /**
   * `!vault` values that the work uses are opened, and it is done again: see `unlocking`.
   * @returns undefined where the work throws an InputError about this host, which is kept
   */
  async of<T>(host: string, work: () => T | Promise<T>): Promise<T | undefined> {
    try {
      return await unlocking(this.#vault, work);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      // A mistake in the playbook shows on every host: report it once.
      for (const problem of error.problems)
        this.#found.set(
          JSON.stringify([problem.place, problem.key, problem.message.replaceAll(host, "")]),
          problem,
        );
      return undefined;
    }
  }

  /** @throws InputError with every problem found. */
  throwIfAny(): void {
    if (this.#found.size > 0) throw new InputError([...this.#found.values()]);
  }
}

/**
 * The jobs of the hosts that are this run's, in order, what warns of the passwords that they are given, and whether an apply
 * would have to make some.
 */
export async function hostJobs(
  input: JobInput,
  selected: ReadonlyMap<string, readonly Play[]>,
  problems: Problems,
): Promise<{ jobs: HostJob[]; warnings: string[]; lackSecrets: boolean }> {
  const { inventory, options } = input;
  const chosen: [string, readonly Play[]][] = [];
  for (const [host, plays] of selected) {
    const isOurs = await problems.of(host, () => isInShard(inventory, host, plays, options.shard));
    if (isOurs === true) chosen.push([host, plays]);
  }
  const jobs: HostJob[] = [];
  const logins: HostSecrets[] = [];
  for (const [host, plays] of chosen) {
    const { job, secrets } = await hostJob(input, host, plays, problems);
    if (job !== undefined) jobs.push(job);
    if (secrets !== undefined) logins.push(secrets);
  }
  const lackSecrets = logins.some(
    ({ missing: { passwords, serverKeys, ca } }) => passwords.length > 0 || serverKeys.length > 0 || ca,
  );
  return { jobs: withNeighbours(jobs), warnings: sharedLogins(logins), lackSecrets };
}

async function hostJob(
  { command, inventory, tags, secrets, options, environment, cache }: JobInput,
  host: string,
  plays: readonly Play[],
  problems: Problems,
): Promise<{ job?: HostJob; secrets?: HostSecrets | undefined }> {
  const [first] = plays;
  if (first === undefined) return {};
  const { cwd, env } = environment;
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
  const collect = <T>(work: () => T | Promise<T>) => problems.of(host, work);
  const variables = hostVariables(inventory, host, { playDefaults: first.defaults, playVars: first.vars });
  const connection = await collect(() =>
    connectionVariables(
      host,
      variables,
      { ...connectionDefaults(options, environment), play: playConnection(first) },
      { cwd, env, cache, inventory, openVault: openerOf(options.vault) },
    ),
  );
  if (connection !== undefined) await collect(() => checkKeyFiles(connection, options, cwd));
  await collect(() => refuseUnknownVariables(variables));
  const unit = await collect(() =>
    unitName(new Rendering(host, variables, inventory).variable(OWN_VARIABLES.unit)),
  );
  const known = await collect(() => tasks());
  const secretsOf = (selected: readonly HostTask[]) => secrets.of(host, selected, known?.login);
  const hostSecrets = await collect(() => secretsOf(known?.tasks ?? []));
  const probes =
    command === "verify" ? await collect(() => probeVariables(host, variables, inventory)) : undefined;
  if (connection === undefined || unit === undefined) return { secrets: hostSecrets };
  const { file, line } = inventory.hosts.get(host)?.place ?? {};
  const place = file === undefined || line === undefined ? {} : { place: { file, line } };
  const outside = probes === undefined ? {} : { probes };
  return {
    job: { host, ...place, ...outside, plays, connection, unit, tasks, secrets: secretsOf },
    secrets: hostSecrets,
  };
}

/** Several hosts of an inventory may be one machine: each is then a unit of its own there. */
function withNeighbours(jobs: readonly HostJob[]): HostJob[] {
  const byMachine = Map.groupBy(jobs, machineOf);
  return jobs.map((job) => {
    const units = (byMachine.get(machineOf(job)) ?? []).map(({ unit }) => unit);
    const neighbours = units
      .filter((unit) => unit !== "" && unit !== job.unit)
      .map((unit) => (unit.endsWith(".service") ? unit : `${unit}.service`));
    return { ...job, neighbours };
  });
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

function playConnection(play: Play): PlayConnection {
  return {
    place: play.place,
    port: play.port,
    remoteUser: play.remoteUser,
    become: play.become,
    becomeMethod: play.becomeMethod,
    becomeUser: play.becomeUser,
    connection: play.connection,
  };
}

/** A password from the playbook that redkeep sends to several servers: each of them could log in to the others with it. */
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
          `${count} servers share the password of user ${user}, which redkeep logs in as: a compromised server sees it and can log in to the others. Let redkeep generate one for each ({ generate: true }), or give each its own, such as { file: "secrets/<%= inventory_hostname %>" }`,
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
