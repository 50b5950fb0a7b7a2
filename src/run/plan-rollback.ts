import { digestIn } from "../facts/kept-runs.ts";
import type { FactName, HostFacts } from "../facts/probe.ts";
import type { LastRun } from "../history/last-run.ts";
import { ownerMode } from "../lib/attributes.ts";
import { isShown, planGiveBack, type WayBack } from "../plan/give-back.ts";
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
import { type Looked, type Stopped, stopped } from "../record/outcome.ts";
import type { Impact } from "../record/record.ts";
import type { Server } from "../redis/server.ts";
import type { Refusal } from "../resources/kind.ts";
import { signature } from "../transaction/relied-on.ts";
import { ask } from "./ask.ts";
import { outcomeOf } from "./failure.ts";
import {
  type Host,
  NO_WORK,
  type Observation,
  type PendingHost,
  type PlannedHost,
  refusedFor,
  type Work,
  wouldChange,
} from "./host.ts";
/** The facts that a rollback needs from every host, whatever the playbook's tasks need. */
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
 * Chooses what is undone, reads the backups that the host keeps of it, and makes the plan of the way back: what each thing is
 * and becomes, and who will notice. Asks the host a second time where there is something to undo.
 */
export async function lookBack(host: PlannedHost<Looked>, aims: RollbackAims): Promise<Host<Looked>> {
  const { observation } = host;
  const { facts, server } = observation;
  const choice = chosenState(host.job.host, observation, aims);
  if (!("state" in choice)) return notUndone(host, aims, choice);
  const { state } = choice;
  try {
    const answer = await ask(host, {
      facts: ROLLBACK_FACTS,
      paths: [
        ...state.files.map(({ path }) => path),
        ...state.modes.map(({ path }) => path).filter((path) => !facts.files.paths.has(path)),
        ...state.created,
      ].filter((path) => /^\/[^\p{Cc}]*$/u.test(path)),
      backups: [
        ...new Set([
          ...state.files
            .filter(({ path, state: then }) => then !== "absent" && isShown(path, server))
            .map(({ backup }) => backup),
          // Who wrote which of ufw's rules is told by what each run found and left.
          ...Object.values(UFW_RULES)
            .flatMap((path) => state.steps.get(path) ?? [])
            .flatMap(({ found, left }) => [found, left]),
        ]),
      ],
    });
    if ("outcome" in answer) return unanswered(host, answer.outcome);
    return planRollback(host, answer.observation, aims);
  } catch (error) {
    return unanswered(host, outcomeOf(error));
  }
}

/** The host did not answer when it was asked for what it keeps. */
function unanswered(host: PlannedHost<Looked>, outcome: Looked): Host<Looked> {
  return { ...host, observation: undefined, plan: undefined, work: unplanned(host), outcome };
}

/** Where we cannot say what goes back, the record still lists the playbook's tasks, with no changes. */
function unplanned({ work }: Host): Work {
  return { ...NO_WORK, tasks: work.tasks };
}

/** Whether the host is one on which something is put back. */
export function goesBack(host: Host): host is PendingHost<WayBack> {
  return wouldChange(host) && "giveBack" in host.plan;
}

/** Nothing is put back there, for this reason. */
function notUndone(host: Host<Looked>, { to }: RollbackAims, choice: NoChoice): Host<Looked> {
  if ("outcome" in choice) return { ...host, work: unplanned(host), outcome: choice.outcome };
  const task = {
    task: "rollback",
    name: nameOf(to),
    status: "ok" as const,
    reason: choice.reason,
    changes: [],
  };
  return { ...host, work: { ...NO_WORK, tasks: [task] }, outcome: { status: "unchanged", error: null } };
}

/**
 * Plans the way back from what was observed; pure. The guards of an apply's tasks do not apply: what comes back was there
 * before.
 */
export function planRollback(host: Host<Looked>, observation: Observation, aims: RollbackAims): Host<Looked> {
  const choice = chosenState(host.job.host, observation, aims);
  if (!("state" in choice)) return notUndone({ ...host, observation }, aims, choice);
  const { state } = choice;
  const { facts, server } = observation;
  const { to, accepted } = aims;
  const signatureOf = (path: string) => signature(facts, path);
  // One of the undone runs may have set only a file's mode. With several runs, the content decides whether somebody edited it.
  const seen = (sign: string) => (to === "last" ? sign : (digestIn(sign) ?? sign));
  const edited = state.files
    .filter(({ path, leftAs }) => seen(signatureOf(path)) !== seen(leftAs) && !path.startsWith("/etc/ufw/"))
    .map(({ path }) => path);
  const giveBack = planGiveBack({ facts, server, state, destination: to, signatureOf });
  const undone = state.runs.at(-1) ?? state.runs[0];
  const way: WayBack = { state, undone, giveBack };
  const isThere = giveBack.changes.length === 0;
  const planned: Host<Looked> = {
    ...host,
    observation,
    plan: way,
    work: {
      tasks: [
        {
          task: "rollback",
          name: nameOf(to, state),
          status: isThere ? "ok" : "would-change",
          reason: isThere ? "as it was then already" : "keys and data files stay as they are",
          changes: giveBack.changes,
        },
      ],
      impact: [...(to === "original" ? editedSince(edited) : []), ...giveBack.impact],
      restart: { needed: giveBack.restart, unavailableMs: giveBack.restart ? restartEstimate(server) : 0 },
      undoes: (to === "last" ? [undone] : [...state.runs]).map((run) => ({
        transaction: run.id,
        run: runInWords(run),
      })),
    },
    outcome: { status: isThere ? "unchanged" : "would-change", error: null },
  };
  if (isThere) return planned;
  const refusals = refusalsOf({ facts, server, to, edited, ...way }).filter(
    ({ guard }) => guard === null || !accepted.has(guard),
  );
  if (refusals.length === 0) return planned;
  return refusedFor(
    planned,
    refusals.map((refusal) => ({ ...refusal, task: "rollback" })),
  );
}

/** The reasons to refuse the rollback, including those that you accepted. */
function refusalsOf({
  facts,
  server,
  to,
  edited,
  state,
  undone,
  giveBack,
}: WayBack & {
  facts: HostFacts;
  server: Server;
  to: Destination;
  /** Paths. */
  edited: readonly string[];
}): Refusal[] {
  const [first] = state.runs;
  const changedRules = state.files.flatMap(({ path, leftAs }) =>
    signature(facts, path) === leftAs ? [] : (rulesSince(facts, state, path) ?? []),
  );
  return [
    ...(to === "last"
      ? [
          ...edited.map((path) => ({
            guard: null,
            found: `changed since the run that is to be undone: ${path}`,
            remedy: "undo that change, or use apply instead: it keeps what others changed",
          })),
          ...modesSince(facts, server, undone.id).map((path) => ({
            guard: null,
            found: `the owner or mode of ${path} was changed since the run that is to be undone, which left ${facts.transaction.last?.modes.get(path)}`,
            remedy: "set it back to that value, or use apply instead",
          })),
          ...changedRules.map((rules) => ({
            guard: null,
            found: `somebody has changed ${rules.path} since the run that is to be undone: ${rulesInWords(rules)}`,
            remedy: `${undoByHand(rules)}, roll back, then do the change again; or use apply instead: it keeps what others changed`,
          })),
        ]
      : giveBack.others.map((rules) => ({
          guard: "rules-of-others",
          found: `${rules.path} would be restored whole, but somebody has changed its rules, according to the recorded runs: ${rulesInWords(rules)}`,
          remedy: `${undoByHand(rules)}, roll back, then do the change again; or accept that it is lost`,
        }))),
    ...(to === "original" && !facts.kept.isComplete
      ? [
          {
            guard: "oldest-backup",
            found: `the state from before the first run was not kept, as earlier versions of redkeep kept five runs: the oldest that is there is from before the run of ${runInWords(first)}`,
            remedy: "accept to go back to that state, which may already hold redkeep's settings",
          },
        ]
      : []),
    // redis.conf as it is stands in for the old one, but where that is years old: what was changed live since shows in both.
    ...(giveBack.restart
      ? [
          ...(to === "last"
            ? restartRefusals(facts, server, server.config, new Set())
            : restartRefusals(facts, server, giveBack.config, THROUGH_SERVER)),
          ...saveRefusals(facts, server),
        ]
      : []),
  ];
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

/** Why nothing is undone: it is so already, or it is refused. */
type NoChoice = { readonly reason: string } | { readonly outcome: Stopped };

function chosenState(
  host: string,
  { facts: { kept }, server }: Pick<Observation, "facts" | "server">,
  { to, lastRun: known }: RollbackAims,
): { readonly state: KeptState } | NoChoice {
  const last = lastRun(kept, server.unit);
  if (last === undefined)
    return {
      reason:
        "this host has no record of a redkeep run: none has changed it yet, or none since redkeep eject",
    };
  if (to === "original") {
    const state = stateBefore(standingRuns(kept, server.unit));
    if (state !== undefined) return { state };
    return {
      reason:
        "every change of the recorded runs is already undone; redkeep's own files are still here (/var/lib/redkeep, redkeep-recover.service): redkeep eject removes them",
    };
  }
  if (last.undoes !== undefined)
    return { reason: `the last run here was a rollback already (${last.holder})` };
  const refusal = (found: string, remedy: string) => ({
    outcome: stopped("refused", { where: "last run", found, remedy }),
  });
  const newest = kept.runs.at(-1);
  if (newest !== undefined && newest !== last)
    return refusal(
      `another run has ended on this machine since, for ${newest.env.get("UNIT") ?? "another unit"}: of ${runInWords(newest)}`,
      "roll that run back first, or use rollback --to original",
    );
  if (known !== "named") {
    const limit = `name the host to undo that one all the same: --limit ${host}`;
    const run = `${runInWords(last)} (${last.id})`;
    if (known === undefined)
      return refusal(
        `this controller has no record of a run that changed a host; the last one here is of ${run}`,
        limit,
      );
    const expected = known.hosts.get(host);
    const startedAt = / since (\S+)/.exec(last.holder)?.[1] ?? "";
    if (expected === undefined ? startedAt < known.startedAt : expected !== last.id)
      return refusal(`the last run here is another than the last one of this controller: of ${run}`, limit);
  }
  const state = stateBefore([last]);
  if (state === undefined) throw new Error("a run that was kept has a state before it");
  return { state };
}
