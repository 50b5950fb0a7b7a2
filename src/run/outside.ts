import { randomBytes } from "node:crypto";
import { lookup } from "node:dns/promises";
import { performance } from "node:perf_hooks";
import { isAudited } from "../audit/audit.ts";
import { HostError } from "../connection/connection.ts";
import type { ConnectionVariables } from "../connection/settings.ts";
import { connect } from "../connection/ssh.ts";
import { isLoopback, sameAddress, splitZone } from "../lib/network.ts";
import { pool } from "../lib/pool.ts";
import { excerpt, Secret } from "../lib/secret.ts";
import { OUTSIDE_CONTROLS, outsideChecks, type View } from "../outside/checks.ts";
import { type ClientCertificate, lookFromController } from "../outside/controller.ts";
import { addressOf, isAmong, type Known, type Stance, stanceOf, targetOf } from "../outside/expectation.ts";
import type { Target } from "../outside/target.ts";
import { parseVantageAnswer, VantageError } from "../outside/vantage-answer.ts";
import { maxOutputBytes, timeLimits, vantageScript } from "../outside/vantage-script.ts";
import { sameCertificate } from "../pki/certificate.ts";
import { tlsPaths } from "../pki/server-files.ts";
import type { CheckRecord, VantageRecord } from "../record/record.ts";
import { boundAddresses } from "../redis/server.ts";
import type { State } from "../state/state.ts";
import { paramsOf, type TaskParams } from "../tasks/task.ts";
import { toRecord } from "../verify/check-record.ts";
import type { Host, Observation } from "./host.ts";
import type { HostJob } from "./job.ts";
import type { Run } from "./run.ts";

/** One host that is to be looked at from one place. */
interface Look {
  readonly job: HostJob;
  readonly observation: Observation;
  readonly target: Target;
  readonly stance: Stance;
  readonly isAllowed: boolean;
  readonly vantage: string | undefined;
}

/** What was seen of it there. */
interface Seen extends Look {
  readonly sight: View["sight"];
}

/** What the hosts of a run look like from the places which their variables name, and from the controller. */
export class Outside {
  readonly #run: Run;
  /** Tags may leave all of it out. */
  readonly #isWanted: boolean;
  readonly #fromHere: Seen[] = [];

  constructor(run: Run) {
    this.#run = run;
    this.#isWanted = OUTSIDE_CONTROLS.some((control) => isAudited(control, run.tags));
  }

  /**
   * Looks at one host from the controller, while others are still being asked: ports that are closed as they should be
   * take the time of a connection that nobody answers.
   */
  async lookFromHere(host: Host): Promise<void> {
    const { observation, job, link } = host;
    if (observation === undefined || !this.#isLookedAt(host)) return;
    const look = await lookOfController(host, observation);
    if (look === undefined) return;
    const place = this.#fromHere.push({ ...look, sight: withoutLook(look) }) - 1;
    if (this.#interrupted || !hasAddress(look)) return;
    const client = await clientCertificate(this.#run.state, paramsOf(observation.tasks.tasks));
    // Another address may lie a longer way off than the one that SSH has gone to.
    const connectMs = job.probes?.controller === "auto" ? link.connectMs : undefined;
    this.#fromHere[place] = { ...look, sight: await lookFromController(look, client, connectMs) };
  }

  /**
   * Asks each vantage host once for all the hosts that are to be looked at from there, and judges what was seen from
   * everywhere.
   * @returns the checks by host, and what this cost on each vantage host.
   */
  async lookFromVantages(
    hosts: readonly Host[],
  ): Promise<{ checks: ReadonlyMap<HostJob, readonly CheckRecord[]>; vantages: VantageRecord[] }> {
    const looks = hosts.flatMap((host) =>
      host.observation === undefined || !this.#isLookedAt(host) ? [] : looksAt(host.job, host.observation),
    );
    const byVantage = Map.groupBy(looks.filter(hasAddress), ({ vantage }) => vantage ?? "");
    const records = new Map<string, VantageRecord>();
    const sights = new Map<Look, View["sight"]>();
    await pool([...byVantage], this.#run.options.forks, async ([name, part]) => {
      const connection = this.#run.vantages.get(name);
      if (connection === undefined || this.#interrupted) return;
      const answer = await askVantage(name, connection, part, this.#run.environment.interrupted);
      records.set(name, answer.record);
      for (const [index, look] of part.entries()) sights.set(look, answer.sights[index] ?? NOT_ASKED);
    });
    const seen = looks.map((look) => ({ ...look, sight: sights.get(look) ?? withoutLook(look) }));
    const byHost = Map.groupBy([...seen, ...this.#fromHere], ({ job }) => job);
    return {
      checks: new Map([...byHost].map(([job, part]) => [job, this.#checksOf(part)])),
      vantages: [...byVantage.keys()].flatMap((name) => records.get(name) ?? []),
    };
  }

  #checksOf(part: readonly Seen[]): CheckRecord[] {
    const isProved = part.some((look) => isProvedBy(look));
    return part
      .flatMap((look) => outsideChecks(viewOf(look, isProved, Date.now() / 1000)))
      .filter(({ control }) => isAudited(control, this.#run.tags))
      .map(toRecord);
  }

  get #interrupted(): boolean {
    return this.#run.environment.interrupted.aborted;
  }

  #isLookedAt({ findings }: Host): boolean {
    return this.#isWanted && findings.checks.length > 0;
  }
}

const NOT_ASKED = { lost: "it was not asked" };
const NO_ADDRESS = { lost: "no address is known by which others reach this host: set redkeep_probe_address" };

function hasAddress({ target }: Look): boolean {
  return target.address !== "";
}

/** What is seen of a host at which nobody looks. */
function withoutLook(look: Look): View["sight"] {
  return hasAddress(look) ? NOT_ASKED : NO_ADDRESS;
}

function looksAt(job: HostJob, observation: Observation): Look[] {
  const { probes, host, connection } = job;
  if (probes === undefined) return [];
  const known = knownOf(host, observation);
  const address = addressOf(known.tasks, { address: probes.address, sshAddress: connection.address });
  const target = targetOf(known, address ?? "");
  const from = (stance: "allowed" | "denied") =>
    probes[stance].map((vantage) => newLook(job, observation, target, stance, vantage));
  return [...from("allowed"), ...from("denied")];
}

function newLook(
  job: HostJob,
  observation: Observation,
  target: Target,
  stance: Stance,
  vantage?: string,
): Look {
  return { job, observation, target, stance, isAllowed: stance === "allowed", vantage };
}

/**
 * Where nothing is said of the controller, it looks where SSH has gone, if that is an address of the host's own and no jump
 * host lies between: only then is it known which machine is looked at, and from which address.
 */
async function lookOfController({ job, link }: Host, observation: Observation): Promise<Look | undefined> {
  const { connection, probes } = job;
  if (probes === undefined || probes.controller === "off") return undefined;
  const known = knownOf(job.host, observation);
  const { tasks } = known;
  if (probes.controller !== "auto") {
    const sshAddress = connection.address;
    const address = addressOf(tasks, { address: probes.address, sshAddress });
    return newLook(job, observation, targetOf(known, address ?? ""), probes.controller);
  }
  const { sshPeer } = observation.facts.host;
  // Where Redis listens for the host alone, nobody promised them anything.
  const isHeard = !boundAddresses(observation.server).every(isLoopback);
  const networks = isHeard ? observation.tasks.networks : undefined;
  if (sshPeer === undefined || !link.wasDirect) return undefined;
  const peer = splitZone(sshPeer.address).address;
  const { address, zone } = splitZone(sshPeer.localAddress);
  // A link-local address means something else on each end.
  if (zone !== undefined || isLoopback(address)) return undefined;
  // A name that nobody can look up now leads nowhere: it proves no direct way.
  const reached = await lookup(connection.address, { all: true }).catch(() => []);
  if (!reached.some((one) => sameAddress(one.address, address))) return undefined;
  return newLook(job, observation, targetOf(known, address), stanceOf(tasks, { peer, address, networks }));
}

function knownOf(host: string, observation: Observation): Known {
  return { host, server: observation.server, tasks: paramsOf(observation.tasks.tasks) };
}

/** One connection, one script. Whatever goes wrong is the reason why nothing was seen from there. */
async function askVantage(
  host: string,
  variables: ConnectionVariables,
  looks: readonly Look[],
  signal: AbortSignal,
): Promise<{ record: VantageRecord; sights: readonly View["sight"][] }> {
  const startedAt = performance.now();
  let connections = 1;
  let roundTrips = 0;
  let error: string | null = null;
  let sights: readonly View["sight"][];
  try {
    const connection = await connect(variables, { signal });
    ({ connections } = connection);
    try {
      const nonce = randomBytes(12).toString("hex");
      const { stdout } = await connection.run(vantageScript(looks, nonce), {
        timeoutMs: timeLimits(looks.length).ends * 1000,
        maxOutputBytes: maxOutputBytes(looks.length),
        signal,
      });
      sights = parseVantageAnswer(stdout.toString("utf8"), looks, nonce);
    } finally {
      roundTrips = connection.channels;
      connection.close();
    }
  } catch (cause) {
    const lost = reasonOf(cause);
    error = lost;
    sights = looks.map(() => ({ lost }));
  }
  const durationMs = Math.round(performance.now() - startedAt);
  return { record: { host, targets: looks.length, connections, roundTrips, durationMs, error }, sights };
}

function reasonOf(error: unknown): string {
  if (error instanceof Error && error.name === "AbortError") return NOT_ASKED.lost;
  if (!(error instanceof HostError || error instanceof VantageError)) throw error;
  return excerpt(error.message.split("\n")[0] ?? "", 200);
}

/** The first of the client certificates that redkeep has issued for these tasks and that is still there. */
async function clientCertificate(
  state: State,
  { tls }: Partial<TaskParams>,
): Promise<ClientCertificate | undefined> {
  for (const name of tls?.clients ?? []) {
    const [cert, key] = await Promise.all(
      ["crt", "key"].map((part) => state.read(`pki/clients/${name}.${part}`)),
    );
    if (cert !== undefined && key !== undefined) return { cert, key: new Secret(key) };
  }
  return undefined;
}

/** Whether the address is known to be this host's: it says so itself, or its certificate was served there. */
function isProvedBy({ target, sight, observation }: Seen): boolean {
  if (isAmong(target.address, observation.facts.host.addresses)) return true;
  const own = ownCertificate(observation, target);
  return "chain" in sight && own !== undefined && sameCertificate(sight.chain, own);
}

function ownCertificate({ facts, server }: Observation, { tlsPort }: Target): string | undefined {
  const onDisk = facts.certificates.pem.get(tlsPaths(server.configPath).certificate);
  return onDisk ?? facts.proofs.served.get(String(tlsPort));
}

/** @param epoch by the clock of the controller: clients go by their own, not by the host's. */
function viewOf(
  { observation, target, stance, vantage, sight }: Seen,
  isProved: boolean,
  epoch: number,
): View {
  const { facts, server, secrets } = observation;
  return {
    target,
    stance,
    vantage,
    sight,
    isProved,
    own: ownCertificate(observation, target),
    ca: secrets.caCertificate ?? facts.certificates.pem.get(tlsPaths(server.configPath).ca),
    epoch,
  };
}
