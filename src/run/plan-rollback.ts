import { digestIn } from "../facts/kept-runs.ts";
import type { FactName, HostFacts } from "../facts/probe.ts";
import type { LastRun } from "../history/last-run.ts";
import { ownerMode } from "../lib/attributes.ts";
import { isShown, planGiveBack } from "../plan/give-back.ts";
import {
  type Destination,
  type KeptState,
  lastRun,
  runInWords,
  standingRuns,
  stateBefore,
} from "../plan/kept-state.ts";
import { restartEstimate, restartRefusals, saveRefusals } from "../plan/restart.ts";
import { type RulesOfOthers, rulesSince, UFW_RULES } from "../plan/rules-of-others.ts";
import type { Impact } from "../record/record.ts";
import type { Server } from "../redis/server.ts";
import { signature } from "../transaction/relied-on.ts";
import { ask, fail, failWith, type HostSession, refuse } from "./observe.ts";

/** What a rollback wants to know of every host, whatever the playbook's tasks ask. */
export const ROLLBACK_FACTS: readonly FactName[] = ["firewall", "certificates", "kept"];

/** What the user asked a rollback for. */
export interface RollbackAims {
  to: Destination;
  accepted: ReadonlySet<string>;
  lastRun: LastRun;
}

/** Settings that the transaction changes on the running server first, so that a restart loads what is there. */
const THROUGH_SERVER = new Set(["save", "appendonly"]);

/** An eject ends what redkeep knows of earlier runs: the first that is left is named, not called redkeep's first. */
function nameOf(to: Destination, state?: KeptState): string {
  if (to === "last") return "Put back what the last run changed";
  return state === undefined
    ? "Put back the original state"
    : `Put back the original: the state from before the run of ${runInWords(state.runs[0])}, the first whose changes stand here`;
}

/**
 * Chooses what is undone, reads the backups that the host keeps of it, and makes the plan of the way back: the session's
 * record says what each thing is and becomes, and who will notice. Asks the host a second time where there is something to undo.
 */
export async function lookBack(session: HostSession, aims: RollbackAims): Promise<void> {
  const { record, observation } = session;
  if (observation === undefined) return;
  // The guards of an apply's tasks do not count: what goes back was allowed to stand before.
  record.error = null;
  record.impact = [];
  record.restart = { needed: false, unavailableMs: 0 };
  const state = chosenState(session, aims);
  if (state === undefined) return;
  try {
    session.observation = undefined;
    const fresh = await ask(session, false, false, {
      facts: ROLLBACK_FACTS,
      paths: [
        ...state.files.map(({ path }) => path),
        ...state.modes.map(({ path }) => path).filter((path) => !observation.facts.files.paths.has(path)),
        ...state.created,
      ].filter((path) => /^\/[^\p{Cc}]*$/u.test(path)),
      backups: [
        ...new Set([
          ...state.files
            .filter(({ path, state: then }) => then !== "absent" && isShown(path, observation.server))
            .map(({ backup }) => backup),
          // Who wrote which of ufw's rules is told by what each run found and left.
          ...Object.values(UFW_RULES)
            .flatMap((path) => state.steps.get(path) ?? [])
            .flatMap(({ found, left }) => [found, left]),
        ]),
      ],
    });
    record.roundTrips = session.connection?.channels ?? record.roundTrips;
    if (fresh === undefined) return;
    session.observation = fresh;
    planRollback(session, aims);
  } catch (error) {
    failWith(session, error);
  }
}

/** The plan by what the session has observed: pure but for the session's record. */
export function planRollback(session: HostSession, aims: RollbackAims): void {
  const { record, observation } = session;
  const state = chosenState(session, aims);
  if (observation === undefined || state === undefined) return;
  const { facts, server } = observation;
  const { to, accepted } = aims;
  const signatureOf = (path: string) => signature(facts, path);
  // Another run of those undone may have set a file's mode alone: of several, the content says whether somebody edited it.
  const seen = (sign: string) => (to === "last" ? sign : (digestIn(sign) ?? sign));
  const edited = state.files.filter(
    ({ path, leftAs }) => seen(signatureOf(path)) !== seen(leftAs) && !path.startsWith("/etc/ufw/"),
  );
  const plan = planGiveBack({ facts, server, state, destination: to, signatureOf });
  record.tasks = [
    {
      task: "rollback",
      name: nameOf(to, state),
      status: plan.changes.length === 0 ? "ok" : "would-change",
      reason: plan.changes.length === 0 ? "as it was then already" : "keys and data files stay as they are",
      changes: plan.changes,
    },
  ];
  record.status = plan.changes.length === 0 ? "unchanged" : "would-change";
  record.impact = [...(to === "original" ? editedSince(edited.map(({ path }) => path)) : []), ...plan.impact];
  record.restart = { needed: plan.restart, unavailableMs: plan.restart ? restartEstimate(server) : 0 };
  const first = state.runs[0];
  const last = state.runs.at(-1) ?? first;
  record.undoes = (to === "last" ? [last] : [...state.runs]).map((run) => ({
    transaction: run.id,
    run: runInWords(run),
  }));
  if (record.status === "unchanged") return;
  const changedRules = state.files.flatMap(({ path, leftAs }) =>
    signatureOf(path) === leftAs ? [] : (rulesSince(facts, state, path) ?? []),
  );
  const refusals = [
    ...(to === "last"
      ? [
          ...edited.map(({ path }) => ({
            guard: null,
            found: `changed since the run that is to be undone: ${path}`,
            remedy: "take that change out again, or go on by apply: it keeps what others changed",
          })),
          ...modesSince(facts, server, last.id).map((path) => ({
            guard: null,
            found: `the owner or mode of ${path} was changed since the run that is to be undone, which left ${facts.transaction.last?.modes.get(path)}`,
            remedy: "set it back to that, or go on by apply",
          })),
          ...changedRules.map((rules) => ({
            guard: null,
            found: `somebody has changed ${rules.path} since the run that is to be undone: ${rulesInWords(rules)}`,
            remedy: `${undoByHand(rules)}, roll back, then do the change again; or go on by apply: it keeps what others changed`,
          })),
        ]
      : plan.others.map((rules) => ({
          guard: "rules-of-others",
          found: `${rules.path} would go back whole, and somebody has changed its rules, as far as the kept runs tell: ${rulesInWords(rules)}`,
          remedy: `${undoByHand(rules)}, roll back, then do the change again; or accept that it is lost`,
        }))),
    ...(to === "original" && !facts.kept.isComplete
      ? [
          {
            guard: "oldest-backup",
            found: `the state from before the first run was not kept, as earlier versions of redkeep kept five runs: the oldest that is there is from before the run of ${runInWords(first)}`,
            remedy: "accept to go back to that one, which may have redkeep's own settings in it",
          },
        ]
      : []),
    // redis.conf as it is stands in for the old one, but where that is years old: what was changed live since shows in both.
    ...(plan.restart
      ? [
          ...(to === "last"
            ? restartRefusals(facts, server, server.config, new Set())
            : restartRefusals(facts, server, plan.config, THROUGH_SERVER)),
          ...saveRefusals(facts, server),
        ]
      : []),
  ].filter(({ guard }) => guard === null || !accepted.has(guard));
  if (refusals.length > 0)
    refuse(
      session,
      refusals.map((refusal) => ({ ...refusal, task: "rollback" })),
    );
}

/** Paths beside the configuration whose owner or mode are not as the run left them: the host compares them too. */
function modesSince({ transaction, files }: HostFacts, server: Server, id: string): string[] {
  if (transaction.last?.id !== id) return [];
  const folder = server.configPath.replace(/\/[^/]*$/, "");
  return [...transaction.last.modes].flatMap(([path, left]) => {
    const isKept = path === folder || path.startsWith(`${folder}/`);
    const found = files.paths.get(path);
    return isKept && (found === undefined ? "absent" : ownerMode(found)) !== left ? [path] : [];
  });
}

/** `allow 9100/tcp was added; allow 22/tcp was taken away` */
function rulesInWords({ added, gone }: RulesOfOthers): string {
  const words = (rules: readonly string[], what: string) =>
    rules.length === 0 ? [] : [`${rules.join(", ")} ${rules.length === 1 ? "was" : "were"} ${what}`];
  const all = [...words(added, "added"), ...words(gone, "taken away")];
  return all.length === 0 ? "the same rules stand there in another order" : all.join("; ");
}

function undoByHand({ added, gone }: RulesOfOthers): string {
  const commands = [...added.map((rule) => `ufw delete ${rule}`), ...gone.map((rule) => `ufw ${rule}`)];
  return commands.length === 0
    ? "put the rules back into the order of then"
    : `undo that on the host (${commands.join("; ")})`;
}

function editedSince(paths: readonly string[]): Impact[] {
  return paths.length === 0
    ? []
    : [
        {
          kind: "edit-lost",
          detail: `somebody has changed ${paths.join(", ")} since redkeep's last run: that goes too.`,
        },
      ];
}

/** Undefined where nothing is undone: then the record says why. */
function chosenState(session: HostSession, { to, lastRun: known }: RollbackAims): KeptState | undefined {
  const { record, observation, job } = session;
  const kept = observation?.facts.kept;
  const leave = (reason: string): undefined => {
    record.tasks = [{ task: "rollback", name: nameOf(to), status: "ok", reason, changes: [] }];
    record.status = "unchanged";
  };
  const last = kept && observation && lastRun(kept, observation.server.unit);
  if (kept === undefined || observation === undefined || last === undefined)
    return leave("this host keeps no run of redkeep's: none has changed it yet, or none since redkeep eject");
  if (to === "original") {
    const state = stateBefore(standingRuns(kept, observation.server.unit));
    return (
      state ??
      leave(
        "no change of a run that this host keeps stands any more; redkeep's own files are still here (/var/lib/redkeep, redkeep-recover.service): redkeep eject takes them",
      )
    );
  }
  if (last.undoes !== undefined) return leave(`the last run here was a rollback already (${last.holder})`);
  const newest = kept.runs.at(-1);
  if (newest !== undefined && newest !== last) {
    fail(session, "refused", {
      where: "last run",
      found: `another run has ended on this machine since, for ${newest.env.get("UNIT") ?? "another unit"}: of ${runInWords(newest)}`,
      remedy: "take that one back first, or go back by rollback --to original",
    });
    return undefined;
  }
  if (known === "named") return stateBefore([last]);
  const limit = `name the host to undo that one all the same: --limit ${job.host}`;
  if (known === undefined) {
    fail(session, "refused", {
      where: "last run",
      found: `this controller has no record of a run that changed a host; the last one here is of ${runInWords(last)} (${last.id})`,
      remedy: limit,
    });
    return undefined;
  }
  const expected = known.hosts.get(job.host);
  const startedAt = / since (\S+)/.exec(last.holder)?.[1] ?? "";
  if (expected === undefined ? startedAt < known.startedAt : expected !== last.id) {
    fail(session, "refused", {
      where: "last run",
      found: `the last run here is another than the last one of this controller: of ${runInWords(last)} (${last.id})`,
      remedy: limit,
    });
    return undefined;
  }
  return stateBefore([last]);
}
