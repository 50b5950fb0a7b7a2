import { randomBytes } from "node:crypto";
import { AUDIT_FACTS, auditChecks } from "../audit/audit.ts";
import { BecomePasswords } from "../connection/become-passwords.ts";
import { type Connection, HostError } from "../connection/connection.ts";
import { connect } from "../connection/ssh.ts";
import {
  essenceOf,
  type FactName,
  type HostFacts,
  ProbeError,
  parseProbe,
  probeScript,
  withMaskedWords,
} from "../facts/probe.ts";
import type { ProbeInput } from "../facts/probe-input.ts";
import type { ServerLogin } from "../facts/server-login.ts";
import { lastingCopy } from "../lib/copy.ts";
import { InputError } from "../lib/errors.ts";
import { excerpt, FoundSecrets } from "../lib/secret.ts";
import type { TagSelection } from "../lib/tags.ts";
import { type TemplateData, TemplateError } from "../lib/template.ts";
import { endCondition } from "../pki/certificate.ts";
import { tlsPaths } from "../pki/server-files.ts";
import { buildPlan, taskContext } from "../plan/build-plan.ts";
import { type Claims, claimsOf } from "../plan/claims.ts";
import type { Refusal } from "../plan/desired.ts";
import { impactOf } from "../plan/impact.ts";
import { type HostPlan, hasChanges } from "../plan/plan.ts";
import { restartEstimate } from "../plan/restart.ts";
import type { FactsForTemplates, HostTasks } from "../playbook/host-tasks.ts";
import type { CheckRecord, HostErrorRecord, HostRecord, ServerRecord } from "../record/record.ts";
import { hashPassword } from "../redis/acl-user.ts";
import { foundSecrets } from "../redis/found-secrets.ts";
import { MATRIX } from "../redis/matrix.ts";
import { parseAclFile } from "../redis/parse-acl.ts";
import { isServer, type Server, serverOf } from "../redis/server.ts";
import { type HostTask, paramsOf } from "../tasks/task.ts";
import { accessOf } from "../verify/access.ts";
import { allowedRecords } from "../verify/allowance.ts";
import type { Check } from "../verify/controls.ts";
import { withoutRights } from "../verify/rights.ts";
import { witnessOf } from "../verify/witness.ts";
import { type WantedClients, wantedClients } from "./client-certificates.ts";
import type { HostJob } from "./prepare.ts";
import type { HostSecrets } from "./secrets.ts";
/** What a host has told: its facts, and what follows from them. */
export interface Observation {
  facts: HostFacts;
  server: Server;
  tasks: HostTasks;
  secrets: HostSecrets;
  /** Units of other servers on the same machine that are hosts of the run themselves. */
  neighbours?: readonly string[];
  /** Who redkeep is logged in as; undefined where it is nobody whose password the controller has. */
  login: ServerLogin | undefined;
}

/** A host during a run. Its record is complete at every moment. */
export interface HostSession {
  job: HostJob;
  /** Shared by the hosts of a run. */
  becomePasswords: BecomePasswords;
  record: HostRecord;
  connection: Connection | undefined;
  /** The connection stood, and no jump host lay between. */
  wasDirect: boolean;
  /** Milliseconds that TCP took to connect, on the last connection without a jump host. */
  connectMs: number | undefined;
  observation: Observation | undefined;
  /** What its tls task wants of the controller's own certificates. */
  clients: WantedClients | undefined;
  /** What the host's files keep in clear text: masked in its words, and nowhere else. */
  found: FoundSecrets;
  /** What runs there, for the heads of texts. */
  system: { product: string; os: string } | undefined;
  plan: HostPlan | undefined;
  /** What its server has for itself once the plan is carried out. */
  claims: Claims | undefined;
  /** The id of the transaction that this run had the host begin. */
  transaction: string | undefined;
  /** The host was left in a state that only somebody who looks at it can judge: no other is begun. */
  needsHuman: boolean;
  /** `performance.now()` when the host's own work began. */
  startedAt: number;
}

/** What a command wants to know of a host beside what its tasks ask. */
export interface MoreToAsk {
  facts?: readonly FactName[];
  paths?: readonly string[];
  backups?: readonly string[];
}

/** Milliseconds that a probe may take: it only reads. */
const PROBE_TIMEOUT = 60_000;

/** Only these can be missing on a host with systemd and Redis, and their packages differ from their names. */
const NEEDED_TOOLS: Readonly<Record<string, string>> = {
  systemctl: "systemd",
  "systemd-run": "systemd",
  flock: "util-linux",
  setpriv: "util-linux",
  tar: "tar",
  ss: "iproute2",
  stat: "coreutils",
  timeout: "coreutils",
  base64: "coreutils",
  sha256sum: "coreutils",
  sed: "sed",
  grep: "grep",
};

export function newSession(job: HostJob, becomePasswords = new BecomePasswords()): HostSession {
  return {
    job,
    becomePasswords,
    record: {
      host: job.host,
      status: "not-started",
      connections: 0,
      roundTrips: 0,
      durationMs: 0,
      tasks: [],
      impact: [],
      restart: { needed: false, unavailableMs: 0 },
      checks: [],
      error: null,
      ...(job.place === undefined ? {} : { place: job.place }),
    },
    connection: undefined,
    wasDirect: false,
    connectMs: undefined,
    observation: undefined,
    clients: undefined,
    found: new FoundSecrets(),
    system: undefined,
    plan: undefined,
    claims: undefined,
    transaction: undefined,
    needsHuman: false,
    startedAt: performance.now(),
  };
}

/** Logs in, asks the one question, and works out the plan. Whatever goes wrong ends in the record, never in a throw. */
export async function observe(
  session: HostSession,
  context: {
    prove: boolean;
    accepted: ReadonlySet<string>;
    render: (name: string, data: TemplateData) => string;
    signal: AbortSignal;
    /** For verify: looks at everything that the tags leave in, as far as the login's rights reach. */
    audit: TagSelection | undefined;
    /** Beside what the tasks ask. */
    facts?: readonly FactName[];
  },
): Promise<void> {
  const { record } = session;
  session.startedAt = performance.now();
  try {
    session.connection = await openConnection(session, context.signal);
    const observation = await ask(session, context.prove, context.audit !== undefined, {
      facts: context.facts ?? [],
    });
    if (observation === undefined) return;
    session.observation = observation;
    session.clients = wantedClients(observation.tasks, observation.secrets, observation);
    session.system = systemOf(observation);
    setAllowed(record, observation);
    record.server = serverRecord(observation);
    const refusal =
      refusalBeforePlanning(observation.server, context.accepted) ??
      pendingTransaction(observation.facts) ??
      (context.audit === undefined ? loosePrograms(observation.facts) : undefined);
    if (refusal !== undefined) {
      fail(session, "refused", refusal);
      return;
    }
    // What root alone can read would be planned anew.
    if (isRoot(observation.facts)) {
      session.plan = planFor(observation, context, () => "••••");
      session.claims = lastingCopy(claimsOf(observation.server, session.plan.after.config));
      applyPlanToRecord(session, session.plan, observation.server);
    }
    if (context.prove) {
      record.checks = (
        context.audit === undefined
          ? checksFor(observation, context.render)
          : auditedChecks(observation, context.render, context.audit)
      ).map(toRecord);
      setAccess(record, observation);
      setCertificates(record, observation);
    }
  } catch (error) {
    failWith(session, error);
  } finally {
    record.durationMs = Math.round(performance.now() - session.startedAt);
    record.roundTrips = session.connection?.channels ?? record.roundTrips;
  }
}

/** What the playbook's tasks for this host leave unmet. */
function setAllowed(record: HostRecord, { tasks }: Observation): void {
  const allowances = tasks.tasks.flatMap(({ definition, params }) => definition.allowances(params));
  if (allowances.length > 0) record.allowed = allowedRecords(allowances);
}

/** What users can do, as the facts have it. */
export function setAccess(record: HostRecord, observation: Observation): void {
  const access = accessOf(observation);
  if (access === undefined) delete record.access;
  else record.access = access;
}

/** When the server's certificate and its CA's end, by the files on the host. */
export function setCertificates(record: HostRecord, { facts, server, tasks }: Observation): void {
  const params = paramsOf(tasks.tasks).tls;
  if (params === undefined) return;
  const paths = tlsPaths(server.configPath);
  record.certificates = (["certificate", "ca"] as const).map((part) => {
    const name = part === "ca" ? "ca" : "server";
    const pem = facts.certificates.pem.get(paths[part]);
    const end = pem === undefined ? undefined : endCondition(pem, facts.host.epoch, params.renew_before_days);
    // Who may not enter the folder cannot say that the file is not there.
    const isLacking = pem === undefined && isRoot(facts) && !facts.files.paths.has(paths[part]);
    return end === undefined
      ? { name, ends: null, state: "unknown", found: isLacking ? "is not there" : "cannot be read" }
      : { name, ends: end.ends.toISOString(), state: end.state, found: "" };
  });
}

export async function openConnection(session: HostSession, signal: AbortSignal): Promise<Connection> {
  session.record.connections++;
  const { becomePasswords } = session;
  const connection = await connect(session.job.connection, { signal, becomePasswords });
  session.wasDirect = connection.isDirect;
  session.connectMs = connection.connectMs;
  return connection;
}

/**
 * Runs the probe on the session's connection. Undefined where the record says why there is nothing to plan.
 * @param isAudit asks for what the audit looks at too, and goes on without being root.
 */
export async function ask(
  session: HostSession,
  prove: boolean,
  isAudit = false,
  more: MoreToAsk = {},
): Promise<Observation | undefined> {
  const { job, connection } = session;
  if (connection === undefined) throw new Error("not connected");
  const early = job.tasks();
  const earlySecrets = await job.secrets(early.tasks);
  const wanted = new Set([...factNames(early), ...(isAudit ? AUDIT_FACTS : []), ...(more.facts ?? [])]);
  const { shared, earlier } = earlySecrets;
  // A password that this run makes anew is not there yet: the one of now lets in.
  let login = earlySecrets.login ?? earlier[0];
  const input = probeInput(job.unit, early.tasks, login, prove);
  const paths = [...new Set([...input.paths, ...(more.paths ?? [])])];
  const asked = { ...input, paths, backups: more.backups ?? [] };
  let facts = await probe(session, connection, wanted, asked);
  const old = facts.redis.user === undefined ? earlier.find((one) => hasPassword(facts, one)) : undefined;
  if (old !== undefined && old !== login) {
    login = old;
    facts = await probe(session, connection, wanted, { ...asked, login });
  }
  if (shared?.isReplaced === false && facts.redis.user === undefined && hasPassword(facts, shared.login)) {
    // A look shows it to nobody, nor does a run that leaves it there; a host that was just changed has another.
    if (!isAudit && !early.tasks.some(({ task }) => task === "acl")) {
      fail(session, "refused", {
        where: "login",
        found: `user ${shared.login.user} has the password of all servers here, from an earlier version of redkeep`,
        remedy: "run apply with the acl task first: it gives each server a password of its own",
      });
      return undefined;
    }
    if (!isAudit && session.observation === undefined) {
      login = shared.login;
      facts = await probe(session, connection, wanted, { ...asked, login });
    }
  }
  if (!isRoot(facts) && !isAudit) {
    fail(session, "failed", {
      where: "login",
      found: `redkeep is uid ${facts.host.uid} on the host, and needs root`,
      remedy: "set become: true, or log in as root",
    });
    return undefined;
  }
  const missing = Object.keys(NEEDED_TOOLS).filter((tool) => !facts.host.tools.has(tool));
  if (missing.length > 0) {
    const packages = [...new Set(missing.map((tool) => NEEDED_TOOLS[tool]))].join(", ");
    fail(session, "refused", {
      where: "tools",
      found: `the host lacks ${missing.join(", ")}`,
      remedy: `install ${packages}: redkeep installs nothing unasked`,
    });
    return undefined;
  }
  const server = serverOf(facts);
  if (!isServer(server)) {
    fail(session, "refused", { where: "server", found: server.problem, remedy: server.remedy });
    return undefined;
  }
  if (facts.service.client === "") {
    fail(session, "refused", {
      where: "tools",
      found: "the host has neither redis-cli nor valkey-cli",
      remedy: "install redis-tools or valkey-tools",
    });
    return undefined;
  }
  facts = withMissingPassword(facts, login, earlySecrets);
  const tasks = early.needsFacts ? job.tasks(factsForTemplates(facts, server)) : early;
  const { neighbours = [] } = job;
  // A client is there: of the two reasons that the probe names for not asking Redis, this one is left.
  if (isStopped(facts) && facts.redis.user === undefined)
    facts = { ...facts, redis: { ...facts.redis, loginError: "the service does not run" } };
  return {
    facts,
    server,
    tasks,
    neighbours,
    secrets: early.needsFacts ? await job.secrets(tasks.tasks) : earlySecrets,
    login: facts.redis.user === login?.user ? login : undefined,
  };
}

async function probe(
  { found }: HostSession,
  connection: Connection,
  wanted: Set<FactName>,
  input: ProbeInput,
): Promise<HostFacts> {
  const nonce = randomBytes(12).toString("hex");
  const result = await connection.run(probeScript(wanted, input, nonce), { timeoutMs: PROBE_TIMEOUT });
  if (result.status === "unknown") throw new HostError("lost", "the link went away while the host was asked");
  try {
    const facts = parseProbe(result.stdout, input, nonce);
    // What the operator's own files keep in clear text must not leave through a message either.
    found.add(foundSecrets(facts.configFiles));
    found.add(
      foundSecrets({ ...facts.configFiles, main: undefined, includes: [], aclFiles: facts.kept.backups }),
    );
    return withMaskedWords(facts, (text) => found.mask(text));
  } catch (error) {
    if (!(error instanceof ProbeError)) throw error;
    throw new HostError(
      "failed",
      `${error.message} (exit status ${result.status})${result.stderr === "" ? "" : `: ${excerpt(found.mask(result.stderr), 300)}`}`,
    );
  }
}

/** Where the server refuses whoever has no password, and ours is only missing here, that is the reason and not the host. */
function withMissingPassword(
  facts: HostFacts,
  login: ServerLogin | undefined,
  { missing, state }: HostSecrets,
): HostFacts {
  const { user, loginError } = facts.redis;
  const [name] = missing.serverKeys;
  if (login !== undefined || user !== undefined || loginError === undefined || name === undefined)
    return facts;
  const reason = `${loginError}: ${state.name} has no password of ${name}; copy secrets.yml from where apply has run`;
  return { ...facts, redis: { ...facts.redis, loginError: reason } };
}

/** Whether the user's line in an ACL file of the host has this password: the file is root's word, not the server's. */
export function hasPassword({ configFiles }: HostFacts, { user, password }: ServerLogin): boolean {
  const hash = hashPassword(password);
  return [...configFiles.aclFiles].some(([path, content]) =>
    parseAclFile(content, path).users.some(
      (line) => line.user.name === user && line.user.passwords.has(hash),
    ),
  );
}

/** A transaction runs the server's program and its client. What others than root can write, root does not run. */
function loosePrograms({ service }: HostFacts): (Partial<HostErrorRecord> & { where: string }) | undefined {
  const [program] = service.loosePrograms;
  return program === undefined
    ? undefined
    : {
        where: "programs",
        found: `others than root can write ${service.loosePrograms.join(", ")}, or put another program there`,
        remedy: `give the program and the folders above it to root and close them to others' writing: chown root ${program}; chmod go-w ${program}`,
      };
}

/** Without rights a process may not be seen; systemd tells all the same whether there is one. */
function isStopped({ service }: HostFacts): boolean {
  return service.process === undefined && Number(service.properties.get("MainPID") ?? 0) === 0;
}

function serverRecord({ facts, server }: Observation): ServerRecord {
  const { os } = facts.host;
  return {
    product: server.version.product === "valkey" ? "Valkey" : "Redis",
    version: server.version.version,
    system: os.prettyName || `${os.name} ${os.version}`.trim(),
    role: server.role ?? null,
    ...(isStopped(facts) ? { isStopped: true as const } : {}),
  };
}

export function planFor(
  { facts, server, tasks, secrets }: Observation,
  {
    accepted,
    render,
  }: { accepted: ReadonlySet<string>; render: (name: string, data: TemplateData) => string },
  drawName: (command: string) => string,
): HostPlan {
  const plan = buildPlan({
    facts,
    server,
    tasks: tasks.tasks,
    skipped: tasks.skipped,
    controller: secrets,
    accepted,
    render,
    drawName,
  });
  plan.impact = impactOf(plan, facts, server);
  return plan;
}

function isRoot({ host }: HostFacts): boolean {
  return host.uid === 0;
}

/** The checks of verify: those of the tasks, and the controls that no task owns. */
export function auditedChecks(
  observation: Observation,
  render: (name: string, data: TemplateData) => string,
  selection: TagSelection,
): Check[] {
  const { facts, server, tasks, neighbours = [] } = observation;
  const params = paramsOf(tasks.tasks);
  const recoverUnit = render("redkeep-recover.service.ejs", { unit: server.unit });
  const checks = [
    ...checksFor(observation, render),
    ...auditChecks(
      { facts, server, tasks: params, neighbours, networks: tasks.networks, recoverUnit },
      selection,
    ),
  ];
  return isRoot(facts) ? checks : withoutRights(checks, facts);
}

export function checksFor(
  { facts, server, tasks, secrets }: Observation,
  render: (name: string, data: TemplateData) => string,
): (Check & { task: string })[] {
  return tasks.tasks.flatMap((task) => {
    const context = taskContext(
      { facts, server, tasks: tasks.tasks, controller: secrets, render },
      task,
      server.config,
    );
    return task.definition.checks(context).map((check) => ({ ...check, task: task.task }));
  });
}

export function toRecord({
  control,
  title,
  severity,
  outcome,
  expected,
  observed,
  source,
  witness,
  blockedBy,
  skipped,
  allowed,
  setting,
}: Check): CheckRecord {
  return {
    control,
    title,
    severity,
    outcome,
    expected,
    observed,
    source,
    ...(witnessOf({ source, ...(witness && { witness }) }) === "server"
      ? { witness: "server" as const }
      : {}),
    ...(blockedBy === undefined ? {} : { blockedBy }),
    ...(skipped === undefined ? {} : { skipped }),
    ...(allowed === undefined ? {} : { allowed }),
    ...(setting === undefined ? {} : { setting }),
  };
}

function applyPlanToRecord(session: HostSession, plan: HostPlan, server: Server): void {
  const { record } = session;
  record.tasks = plan.tasks;
  record.impact = plan.impact;
  record.restart = {
    needed: plan.actions.restart,
    unavailableMs: plan.actions.restart ? restartEstimate(server) : 0,
  };
  if (plan.refusals.length > 0) refuse(session, plan.refusals);
  else record.status = hasChanges(plan) ? "would-change" : "unchanged";
}

/** The host is not touched, for these reasons; the tasks of the record that they name are blocked. */
export function refuse(session: HostSession, refusals: readonly (Refusal & { task: string })[]): void {
  const [first] = refusals;
  for (const { task } of refusals) {
    const blocked = session.record.tasks.find((entry) => entry.task === task);
    if (blocked !== undefined) blocked.status = "blocked";
  }
  fail(session, "refused", {
    where: first?.guard ?? first?.task ?? "guard",
    found: refusals.map(({ found }) => found).join("\n"),
    remedy: [...new Set(refusals.map(({ remedy }) => remedy))].join("\n"),
    guards: [...new Set(refusals.flatMap(({ guard }) => guard ?? []))],
  });
}

function refusalBeforePlanning(
  { version }: Server,
  accepted: ReadonlySet<string>,
): (Partial<HostErrorRecord> & { where: string }) | undefined {
  if (version.support === "unsupported") {
    return {
      where: "version",
      found: `${version.name} has no ACLs: redkeep needs Redis 6.0 or newer, or Valkey`,
      remedy: "upgrade Redis on this host",
    };
  }
  if (version.support === "unmeasured" && !accepted.has("unmeasured-version")) {
    return {
      where: "unmeasured-version",
      found: `${version.name} was never tried with redkeep (tried: Redis 6.0, 7.0, 8.0, Valkey 8.1)`,
      remedy: "try it on a copy of this host first, then accept",
      guards: ["unmeasured-version"],
    };
  }
  return undefined;
}

function pendingTransaction({
  transaction,
}: HostFacts): (Partial<HostErrorRecord> & { where: string }) | undefined {
  if (transaction.pending === undefined) return undefined;
  const { state, holder } = transaction.pending;
  return {
    where: "lock",
    found: `another run is at work here: ${holder || "unknown"} (${state})`,
    remedy: "wait until it has ended, then run again; an unconfirmed one puts itself back within minutes",
  };
}

export function fail(
  session: HostSession,
  status: "refused" | "failed" | "unreachable" | "unknown" | "rolled-back" | "not-started",
  error: Partial<HostErrorRecord> & { where: string },
): void {
  session.record.status = status;
  session.record.error = {
    found: "",
    state: "nothing was changed on this host",
    remedy: "",
    guards: [],
    ...error,
  };
}

/** Any error as a host's outcome; a bug stays visible as one. */
export function failWith(session: HostSession, error: unknown): void {
  if (error instanceof HostError) {
    const status =
      error.kind === "unreachable" ? "unreachable" : error.kind === "lost" ? "unknown" : "failed";
    const where = { unreachable: "connect", failed: "command", lost: "link" }[error.kind];
    fail(session, status, { where, found: error.message, remedy: error.remedy });
  } else if (error instanceof InputError || error instanceof TemplateError) {
    fail(session, "failed", {
      where: "playbook",
      found: error.message,
      remedy: "correct the playbook, its templates or the inventory",
    });
  } else if (error instanceof Error && error.name === "AbortError") {
    session.record.status = "not-started";
  } else {
    fail(session, "failed", {
      where: "redkeep",
      found: error instanceof Error ? (error.stack ?? error.message) : String(error),
      remedy: "this is a bug in redkeep: please report it",
    });
  }
}

export function factNames({ tasks }: HostTasks): Set<FactName> {
  return new Set(tasks.flatMap(({ definition }) => definition.facts));
}

/** The one question to a host, as its tasks need it. */
export function probeInput(
  unit: string,
  tasks: readonly HostTask[],
  login: ServerLogin | undefined,
  prove: boolean,
): ProbeInput {
  const asked = tasks.map(({ definition, params }) => definition.probe?.(params) ?? {});
  return {
    unit,
    ...(login === undefined ? {} : { login }),
    paths: [...new Set(asked.flatMap(({ paths }) => paths ?? []))],
    commands: [...new Set(asked.flatMap(({ commands }) => commands ?? []))],
    dryRuns: prove ? asked.flatMap(({ dryRuns }) => dryRuns ?? []) : [],
    matrix: prove ? MATRIX.map(({ words }) => words) : [],
    keySamples: Math.max(0, ...asked.map(({ keySamples }) => keySamples ?? 0)),
    tlsPorts: [...new Set(asked.flatMap(({ tlsPorts }) => tlsPorts ?? []))],
    prove,
    backups: [],
  };
}

/** The facts that a playbook may name, as plain values. */
function factsForTemplates({ host }: HostFacts, server: Server): FactsForTemplates {
  return {
    hostname: host.hostname,
    os: host.os.name,
    os_version: host.os.version,
    memory_bytes: host.memoryBytes,
    addresses: host.addresses.map(({ address }) => address),
    product: server.version.product,
    version: server.version.version,
    unit: server.unit,
    role: server.role ?? "unknown",
    used_memory: server.usedMemory ?? 0,
    keys: server.keys ?? 0,
  };
}

/** For headings: `Redis 7.0.15` and `Debian 12`. */
export function hostFactsForTexts(
  sessions: readonly HostSession[],
): Map<string, { product: string; os: string }> {
  return new Map(
    sessions.flatMap(({ job, system }) => (system === undefined ? [] : [[job.host, system] as const])),
  );
}

function systemOf({ facts, server }: Observation): { product: string; os: string } {
  const { os } = facts.host;
  return { product: server.version.name, os: `${os.name.split(" ")[0] ?? ""} ${os.version}` };
}

/**
 * Lets go of everything about a host but its record, once nothing more is to be done with it.
 */
export function forget(session: HostSession): void {
  session.record = lastingCopy(session.record);
  session.system = lastingCopy(session.system);
  session.observation = undefined;
  session.found = new FoundSecrets();
  session.plan = undefined;
  session.connection = undefined;
}

/** As `forget`, but keeps what hosts are compared by, and what is looked at from other hosts. */
export function keepEssence(session: HostSession): void {
  const { observation } = session;
  forget(session);
  if (observation === undefined) return;
  const { version, commands, config, running, ...rest } = observation.server;
  session.observation = {
    ...observation,
    facts: essenceOf(observation.facts),
    server: {
      ...lastingCopy(rest),
      version,
      commands,
      config: config.withoutComments(),
      running: compared(running),
    },
  };
}

/** The running settings that other hosts are compared by, or look for. */
function compared(running: Server["running"]): Server["running"] {
  const names = ["port", "tls-port", "acl-pubsub-default"];
  return running && lastingCopy(new Map([...running].filter(([name]) => names.includes(name))));
}
