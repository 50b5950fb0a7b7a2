import type { FactName, HostFacts } from "../facts/probe.ts";
import { standingRuns } from "../plan/kept-state.ts";
import type { Looked } from "../record/outcome.ts";
import type { ChangeRecord } from "../record/record.ts";
import type { Server } from "../redis/server.ts";
import { type Host, type PlannedHost, refusedFor } from "./host.ts";

export const EJECT_FACTS: readonly FactName[] = ["traces", "kept"];
const ROOT = "/var/lib/redkeep";
const RECOVERY = "/etc/systemd/system/redkeep-recover.service";

/** What would go, and what stays because Redis uses it. */
export function planEject(host: PlannedHost<Looked>, accepted: ReadonlySet<string>): Host<Looked> {
  const { facts, server } = host.observation;
  const changes = goings(facts, server.unit);
  const isOff = changes.length === 0;
  const planned: Host<Looked> = {
    ...host,
    work: {
      tasks: [
        {
          task: "eject",
          name: "Take redkeep's own traces off",
          status: isOff ? "ok" : "would-change",
          reason: isOff ? "there are none of redkeep's own traces" : stays(facts, server),
          changes,
        },
      ],
      impact: isOff ? [] : noWayBack(facts, server),
      restart: { needed: false, unavailableMs: 0 },
    },
    outcome: { status: isOff ? "unchanged" : "would-change", error: null },
  };
  const { unsettled } = facts.kept;
  if (isOff || unsettled.length === 0 || accepted.has("unsettled-run")) return planned;
  return refusedFor(planned, [
    {
      task: "eject",
      guard: "unsettled-run",
      found: `a run ended here in a state that somebody has to look at, and its backups would go: ${unsettled.join(", ")}`,
      remedy: `look at ${ROOT}/txn/${unsettled[0]} on the host, then accept`,
    },
  ]);
}

function noWayBack(facts: HostFacts, { unit }: Server) {
  const standing = unitsWithChanges(facts, unit);
  if (standing.length === 0) return [];
  const others = standing.filter((one) => one !== unit);
  return [
    {
      kind: "no-way-back",
      detail: `after this no rollback is possible, neither of the last run nor to the original: the backups are deleted${others.length === 0 ? "" : `, those for ${others.join(", ")} too`}. A later apply counts the state that it finds as the original.`,
    },
  ];
}

/** Units with changes of kept runs that a rollback could still undo. */
function unitsWithChanges({ kept }: HostFacts, unit: string): string[] {
  const units = new Set(kept.runs.map(({ env }) => env.get("UNIT") ?? unit));
  return [...units].filter((one) => standingRuns(kept, one).length > 0);
}

/** What eject takes away. */
export function goings(facts: HostFacts, unit: string): ChangeRecord[] {
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

/** What eject removes. Data that was set aside is left for you to check, and files under /run vanish at the next boot. */
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
  const left = others.length === 0 ? "" : `; not removed, check them yourself: ${others.join(", ")}`;
  if (kept.runs.length > 0 && unitsWithChanges(facts, unit).length === 0)
    return `Redis and ufw stay as they are: every change of the recorded runs is already undone${left}`;
  return `the hardening stays, because Redis and ufw use it: ${used.join(", ")}, the rules of ufw${left}`;
}
