import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { auditTags } from "../audit/audit.ts";
import { didYouMean, InputError } from "../lib/errors.ts";
import { isSelected, type TagSelection } from "../lib/tags.ts";
import type { Playbook } from "../playbook/playbook.ts";
import type { RunRecord } from "../record/record.ts";
import { paramsOf } from "../tasks/task.ts";
import type { HostJob } from "./job.ts";
import type { RunOptions } from "./options.ts";
import { rotationOf } from "./wanted-clients.ts";

/** A typo in --tags must not pass for a clean host. */
export function checkTags({ plays }: Playbook, tags: TagSelection, command: RunRecord["command"]): void {
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

export function unknownTags(
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

/** A typo in --rotate would replace nothing, and say nothing. What waits for a host's facts cannot be told yet. */
export function checkRotate(rotate: ReadonlySet<string>, jobs: readonly HostJob[]): void {
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
export async function checkRecordPath(file: string | undefined, cwd: string): Promise<void> {
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
