import { join } from "node:path";
import { HostError } from "../connection/connection.ts";
import type { FactName, HostFacts } from "../facts/probe.ts";
import { changeHosts } from "../fleet/change-hosts.ts";
import { standingRuns } from "../plan/kept-state.ts";
import type { ChangeRecord, RunRecord } from "../record/record.ts";
import type { Server } from "../redis/server.ts";
import type { Progress } from "../report/progress.ts";
import { ask, fail, failWith, type HostSession, openConnection, refuse } from "../run/observe.ts";
import type { Environment, RunOptions } from "../run/options.ts";
import type { Run } from "../run/prepare.ts";
import { transactionProgram } from "../shell/program.ts";
import { compileEject, parseEjected } from "../transaction/compile.ts";
import { newTransaction } from "../transaction/controller-side.ts";

const FACTS: readonly FactName[] = ["traces", "kept"];
const ROOT = "/var/lib/redkeep";
const RECOVERY = "/etc/systemd/system/redkeep-recover.service";

/** Milliseconds that taking it off may take: it only removes files. */
const TIMEOUT = 120_000;

/**
 * Takes redkeep's own traces off the hosts: its folder with the backups, its recovery unit, temporary files and the folders that
 * it made, where they are empty. What Redis uses stays, and with it the hardening.
 */
export async function eject(options: RunOptions, environment: Environment): Promise<number> {
  return await changeHosts("eject", { ...options, become: true }, environment, {
    question: "Take redkeep off",
    before: async () => {},
    plan: (session) => planEject(session, options.accept),
    facts: FACTS,
    work: (_run, session, progress) => ejectHost(session, environment, progress),
    closing: whatStaysHere,
  });
}

/** What would go, and what stays because Redis uses it. */
export function planEject(session: HostSession, accepted: ReadonlySet<string>): void {
  const { record, observation } = session;
  if (observation === undefined) return;
  const { facts, server } = observation;
  const changes = goings(facts, server.unit);
  record.error = null;
  record.impact = [];
  record.restart = { needed: false, unavailableMs: 0 };
  record.status = changes.length === 0 ? "unchanged" : "would-change";
  record.tasks = [
    {
      task: "eject",
      name: "Take redkeep's own traces off",
      status: changes.length === 0 ? "ok" : "would-change",
      reason: changes.length === 0 ? "there are none of redkeep's own traces" : stays(facts, server),
      changes,
    },
  ];
  if (changes.length === 0) return;
  const { unsettled } = facts.kept;
  const standing = unitsWithChanges(facts, server.unit);
  const units = standing.filter((unit) => unit !== server.unit);
  if (standing.length > 0)
    record.impact.push({
      kind: "no-way-back",
      detail: `no rollback is possible any more, neither of the last run nor to the original: the backups go${units.length === 0 ? "" : `, those for ${units.join(", ")} too`}. A later apply takes what stands then for the original.`,
    });
  if (unsettled.length > 0 && !accepted.has("unsettled-run"))
    refuse(session, [
      {
        task: "eject",
        guard: "unsettled-run",
        found: `a run ended here in a state that somebody has to look at, and its backups would go: ${unsettled.join(", ")}`,
        remedy: `look at ${ROOT}/txn/${unsettled[0]} on the host, then accept`,
      },
    ]);
}

/** Units with changes of kept runs that a rollback could still undo. */
function unitsWithChanges({ kept }: HostFacts, unit: string): string[] {
  const units = new Set(kept.runs.map(({ env }) => env.get("UNIT") ?? unit));
  return [...units].filter((one) => standingRuns(kept, one).length > 0);
}

function goings(facts: HostFacts, unit: string): ChangeRecord[] {
  const { traces, transaction, kept } = facts;
  const gone = (path: string, before: string): ChangeRecord => ({
    address: `file:${path}`,
    action: "delete",
    before,
    after: null,
    restart: false,
  });
  const runs = kept.runs.length;
  const hasOriginal = kept.isComplete && unitsWithChanges(facts, unit).length > 0;
  const original = hasOriginal ? ", the state from before the first run among them" : "";
  return [
    ...(traces?.transactions === undefined
      ? []
      : [gone(ROOT, `the backups of ${runs} run${runs === 1 ? "" : "s"}${original}`)]),
    ...(transaction.recoverUnit === undefined
      ? []
      : [gone(RECOVERY, "puts an unconfirmed run back at boot: there is none")]),
    ...(traces?.leftovers ?? [])
      .filter(isTemporary)
      .map((path) => gone(path, "a temporary file of redkeep's")),
  ];
}

/** What eject removes: data that was set aside is looked at by somebody, and what is under /run ends with the next boot. */
function isTemporary(path: string): boolean {
  return /^\/(?!run\/)[^ ]*\/\.redkeep\.[^/]*$/.test(path) && !/\.(new|old)$/.test(path);
}

function stays(facts: HostFacts, { configPath, unit }: Server): string {
  const { configFiles, files, traces, kept } = facts;
  const ours = [...files.paths.keys()].filter(
    (path) => /\/redkeep-(ca|server)\.(crt|key)$/.test(path) && files.paths.get(path)?.kind === "file",
  );
  const used = [
    configPath,
    ...configFiles.aclFiles.keys(),
    ...(configFiles.dropIn === undefined ? [] : [`/etc/systemd/system/${unit}.d/redkeep.conf`]),
    ...ours,
  ];
  const others = (traces?.leftovers ?? []).filter((path) => !isTemporary(path));
  const left = others.length === 0 ? "" : `; not taken away, look at them yourself: ${others.join(", ")}`;
  if (kept.runs.length > 0 && unitsWithChanges(facts, unit).length === 0)
    return `Redis and ufw stay as they are: no change of a run that this host keeps stands any more${left}`;
  return `the hardening stays, because Redis and ufw use it: ${used.join(", ")}, the rules of ufw${left}`;
}

async function ejectHost(session: HostSession, environment: Environment, progress: Progress): Promise<void> {
  const { job, record, observation } = session;
  if (observation === undefined) return;
  const startedAt = performance.now() - record.durationMs;
  const { facts, server } = observation;
  try {
    const { id, nonce } = newTransaction();
    if (session.connection?.isOpen !== true)
      session.connection = await openConnection(session, environment.interrupted);
    progress.update(job.host, "taking redkeep off");
    const script = compileEject({ id, nonce, facts, server, program: transactionProgram() });
    const { stdout, stderr } = await session.connection.run(script, { timeoutMs: TIMEOUT });
    record.roundTrips++;
    const said = parseEjected(stdout, nonce);
    if (said === undefined)
      throw new HostError(
        "failed",
        session.found.mask(stderr.trim()) || "the host did not say how it ended",
        "run it again",
      );
    if (said.status !== 0) {
      const isLocked = said.text.startsWith("locked");
      fail(session, isLocked ? "refused" : "failed", {
        where: isLocked ? "lock" : "eject",
        found: isLocked
          ? `another run is at work here: ${said.text.slice("locked".length).trim() || "unknown"}`
          : session.found.mask(said.text) || "not all of it could be removed",
        state: isLocked
          ? "nothing was changed on this host"
          : "Redis was not touched; a part of redkeep's traces may be left",
        remedy: "wait until it has ended, then run again",
      });
      return;
    }
    progress.update(job.host, "looking again");
    session.observation = undefined;
    const fresh = await ask(session, false, false, { facts: FACTS });
    record.roundTrips++;
    if (fresh === undefined) return;
    const invocation = (from: HostFacts) => from.service.properties.get("InvocationID");
    const left = goings(fresh.facts, server.unit).map(({ address }) => address.slice("file:".length));
    if (left.length > 0 || invocation(fresh.facts) !== invocation(facts)) {
      fail(session, "failed", {
        where: "look again",
        found: left.length > 0 ? `still there: ${left.join(", ")}` : `${server.unit} was restarted meanwhile`,
        state: "Redis was not touched by this run",
        remedy: left.length > 0 ? "run it again" : "look at who restarted it, then run redkeep verify",
      });
      return;
    }
    record.status = "changed";
  } catch (error) {
    failWith(session, error);
    if (record.error !== null)
      record.error.state = "Redis was not touched; a part of redkeep's traces may be left";
  } finally {
    record.durationMs = Math.round(performance.now() - startedAt);
    session.connection?.close();
    for (const task of record.tasks)
      if (task.status === "would-change") task.status = record.status === "changed" ? "changed" : "failed";
  }
}

/** The controller's side: what is still needed of it, and for what. */
function whatStaysHere({ state }: Run, { summary }: RunRecord): string {
  if (summary.changed === 0) return "";
  return [
    "",
    `On this machine ${state.directory} stays as it is:`,
    `  ${join(state.directory, "secrets.yml")}  the passwords that redkeep made: the hosts go on with them`,
    `  ${join(state.directory, "pki")}  the CA and the clients' certificates: no certificate is renewed any more`,
    `  ${join(state.directory, "runs")}  the records of the runs`,
    "Keep what your clients and hosts still use; the rest may go, and so may the playbook and the inventory.",
    "",
  ].join("\n");
}
