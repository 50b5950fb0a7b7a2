import { attributesIn, type KeptRun, type KeptRunsFact, type Signature } from "../facts/kept-runs.ts";
import type { DefaultPolicy } from "../firewall/evaluate.ts";
import type { Attributes } from "../lib/attributes.ts";
/** Where `--to` leads: the state before the last run, or the one from before redkeep first touched the host. */
export type Destination = "last" | "original";

/** A file as a kept state has it. */
export interface KeptFileState {
  path: string;
  /** `ID/NUMBER` of the backup. */
  backup: string;
  state: Signature;
  /** As redkeep left it last. */
  leftAs: Signature;
}

/** Names of the texts of a file before and after one run. What an old run wrote may be gone. */
export interface KeptStep {
  found: string;
  left: string;
}

/** A state of a host that redkeep can bring back: what each path was before the first of these runs that touched it. */
export interface KeptState {
  /** The runs that are undone, the oldest first. */
  runs: readonly [KeptRun, ...KeptRun[]];
  files: readonly KeptFileState[];
  modes: readonly { path: string; attributes: Attributes }[];
  /** Folders that the runs made: they go where they are empty. */
  created: readonly string[];
  /** One of the runs restarted Redis. */
  restarted: boolean;
  /** What each of these runs did to a path, the oldest first. */
  steps: ReadonlyMap<string, readonly KeptStep[]>;
  /** How the runs changed ufw; undefined where they did not. */
  firewall: { wasEnabled: boolean } | undefined;
  /** What ufw did before with what no rule names, where a run changed that on an active firewall. */
  policy: DefaultPolicy | undefined;
}

/** The last run for this unit that was confirmed here. */
export function lastRun({ runs }: KeptRunsFact, unit: string): KeptRun | undefined {
  return runs.findLast((run) => isOf(run, unit));
}

/** Several servers of one machine keep their runs side by side. */
function isOf({ env }: KeptRun, unit: string): boolean {
  return env.get("UNIT") === undefined || env.get("UNIT") === unit;
}

/** The unit's runs whose changes still stand, the oldest first: a run that was taken back counts as one that never was. */
export function standingRuns({ runs }: KeptRunsFact, unit: string): KeptRun[] {
  let standing: KeptRun[] = [];
  for (const run of runs) {
    if (!isOf(run, unit)) continue;
    if (run.toOriginal) standing = [];
    else if (run.undoes !== undefined) standing = standing.filter(({ id }) => id !== run.undoes);
    else standing.push(run);
  }
  return standing;
}

/** The state from before these runs. Undefined for none. */
export function stateBefore(runs: readonly KeptRun[]): KeptState | undefined {
  const [first, ...more] = runs;
  if (first === undefined) return undefined;
  const files = new Map<string, KeptFileState>();
  const modes = new Map<string, Attributes>();
  const steps = new Map<string, KeptStep[]>();
  let firewall: KeptState["firewall"];
  let policy: DefaultPolicy | undefined;
  for (const { id, ...run } of runs) {
    for (const { number, path, before, after } of run.files) {
      const step = { found: `${id}/${number}`, left: `${id}/new/${number}` };
      steps.set(path, [...(steps.get(path) ?? []), step]);
      const known = files.get(path);
      if (known === undefined)
        files.set(path, {
          path,
          backup: `${id}/${number}`,
          state: withModes(before, modes.get(path)),
          leftAs: after,
        });
      else known.leftAs = after;
      modes.delete(path);
    }
    for (const { path, attributes } of run.modes)
      if (!files.has(path) && !modes.has(path)) modes.set(path, attributes);
    if ((run.env.get("FIREWALL") ?? "") !== "")
      firewall ??= {
        wasEnabled: run.env.get("FIREWALL") !== "enable" || run.env.get("OLD_ENABLED") === "yes",
      };
    const old = run.env.get("OLD_POLICY");
    if (policy === undefined && (run.env.get("POLICY") ?? "") !== "" && isPolicy(old)) policy = old;
  }
  return {
    runs: [first, ...more],
    files: [...files.values()],
    modes: [...modes].map(([path, attributes]) => ({ path, attributes })),
    steps,
    created: [...new Set(runs.flatMap(({ created }) => created))],
    restarted: runs.some(({ restarted }) => restarted),
    firewall,
    policy,
  };
}

/** A file whose owner or mode an earlier run changed, before another changed its content. */
function withModes(signature: Signature, attributes: Attributes | undefined): Signature {
  if (attributes === undefined || attributesIn(signature) === undefined) return signature;
  const digest = signature.split(" ").slice(2).join(" ");
  return `${attributes.owner}:${attributes.group} ${attributes.mode.toString(8)} ${digest}`;
}

function isPolicy(word: string | undefined): word is DefaultPolicy {
  return word === "allow" || word === "deny" || word === "reject";
}

/** `2026-11-29 21:04 UTC by root@laptop`, as far as the holder line says it. */
export function runInWords({ holder, id }: Pick<KeptRun, "holder" | "id">): string {
  const [, by, at] = /^(.*) since (\d{4}-\d\d-\d\dT\d\d:\d\d)/.exec(holder) ?? [];
  return by === undefined || at === undefined ? holder || id : `${at.replace("T", " ")} UTC by ${by}`;
}
