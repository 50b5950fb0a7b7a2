import type { Attributes } from "../lib/attributes.ts";
import { shellProgram } from "../shell/program.ts";
import { parseAssignments } from "../shell/quote.ts";
import type { Fact, SeenTexts } from "./fact.ts";
/** `absent`, or owner, group, mode and sha256 of a plain file: `root:redis 640 HEX`. */
export type Signature = string;

/** One file that a run wrote or took away. */
export interface KeptFile {
  /** Its name in the run's folder: `old/NUMBER` is the backup. */
  number: string;
  path: string;
  /** As the run found it, and as it left it. */
  before: Signature;
  after: Signature;
}

/** A run of redkeep that was confirmed here, as far as the host keeps it. */
export interface KeptRun {
  id: string;
  /** `user@controller since 2026-11-29T21:04:05.000Z` */
  holder: string;
  /** The run that it took back; undefined for an apply. */
  undoes: string | undefined;
  /** It went back to the state from before the first run. */
  toOriginal: boolean;
  /** It restarted Redis, so undoing it does too. */
  restarted: boolean;
  files: readonly KeptFile[];
  /** Owner and mode before the run, of what stayed as it was otherwise. */
  modes: readonly { path: string; attributes: Attributes }[];
  /** Folders that it made. */
  created: readonly string[];
  /** Its names and numbers: `FIREWALL`, `OLDUSER`, … */
  env: ReadonlyMap<string, string>;
}

export interface KeptRunsFact {
  /** The oldest first. */
  runs: readonly KeptRun[];
  /** Nothing that redkeep kept here is missing, so the oldest state is the original. */
  isComplete: boolean;
  /** Transactions that ended in a state that a person has to check. */
  unsettled: readonly string[];
  /** Texts that were asked for, by `ID/NUMBER`: of backups, and by `ID/new/NUMBER` of what runs wrote. */
  backups: ReadonlyMap<string, string>;
}

/** What the host keeps of redkeep's runs, for a way back; the texts of the backups that `backups` names. */
export const keptRunsFact: Fact<KeptRunsFact> = {
  // All of it is the shell's own work but the list: root's alone may read and write there, so nothing of it moves meanwhile.
  script: ({ backups }) =>
    shellProgram("probe/kept.sh", { BACKUPS: backups.flatMap((id) => [`backup ${id}`, backupPath(id)]) }),
  parse: ({ seen: sections }) => {
    const runs: (Omit<KeptRun, "files" | "modes" | "created"> & {
      files: KeptFile[];
      modes: KeptRun["modes"][number][];
      created: string[];
    })[] = [];
    const unsettled: string[] = [];
    let isComplete = false;
    for (const line of sections.lines("kept")) {
      const [word = "", ...rest] = line.split(" ");
      const run = runs.at(-1);
      if (word === "complete") isComplete = true;
      else if (word === "unsettled") unsettled.push(rest.join(" "));
      else if (word === "run") {
        const [id = ""] = rest;
        runs.push({
          id,
          holder: "",
          undoes: undefined,
          toOriginal: false,
          restarted: false,
          files: [],
          modes: [],
          created: [],
          env: parseAssignments(envOf(sections, id)),
        });
      } else if (run !== undefined) readLine(run, word, rest);
    }
    return { runs, isComplete, unsettled, backups: new Map(sections.startingWith("backup")) };
  },
};

function envOf(sections: SeenTexts, id: string): string {
  return sections.text(`kept-env ${id}`) ?? "";
}

function readLine(
  run: {
    -readonly [K in keyof KeptRun]: KeptRun[K] extends readonly (infer T)[] ? T[] : KeptRun[K];
  },
  word: string,
  rest: readonly string[],
): void {
  const [first = "", second = "", ...more] = rest;
  if (word === "holder") run.holder = rest.join(" ");
  else if (word === "undoes") run.undoes = first;
  else if (word === "to-original") run.toOriginal = true;
  else if (word === "restarted") run.restarted = true;
  else if (word === "old") run.files.push({ number: first, path: second, before: more.join(" "), after: "" });
  else if (word === "new") {
    const file = run.files.find(({ number }) => number === first);
    if (file !== undefined) file.after = more.join(" ");
  } else if (word === "mode") {
    const attributes = attributesIn([second, ...more].join(" "));
    if (attributes !== undefined) run.modes.push({ path: first, attributes });
  } else if (word === "created") run.created.push(rest.join(" "));
}

/** `root:redis 640`, with or without a digest behind it; undefined where nothing was there. */
export function attributesIn(signature: Signature): Attributes | undefined {
  const [, owner, group, mode] = /^([^: ]+):([^ ]+) ([0-7]{1,5})(?: |$)/.exec(signature) ?? [];
  return owner === undefined || group === undefined || mode === undefined
    ? undefined
    : { owner, group, mode: Number.parseInt(mode, 8) };
}

/** The sha256 in a signature; undefined where nothing was there. */
export function digestIn(signature: Signature): string | undefined {
  return /^[^ ]+ [0-7]+ ([0-9a-f]{64})$/.exec(signature)?.[1];
}

/** Where the backup `ID/NUMBER` lies, or `ID/new/NUMBER`: what the run wrote in its place. */
export function backupPath(id: string): string {
  const [, run, isNew, number] = /^([A-Za-z0-9_-]+)\/(new\/)?(\d+)$/.exec(id) ?? [];
  if (run === undefined || number === undefined) throw new Error(`no name of a backup: ${id}`);
  return `/var/lib/redkeep/txn/${run}/${isNew ?? "old/"}${number}`;
}
