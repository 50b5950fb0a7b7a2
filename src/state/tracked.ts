import { execFile } from "node:child_process";
import { lstat, realpath } from "node:fs/promises";
import { dirname, join, relative } from "node:path";

/**
 * What git must not do while it is asked: the repository is somebody else's writing, and so could be a bare one that lies below the
 * folder and names a program.
 */
const CAREFUL = ["-c", "safe.bareRepository=explicit", "-c", "core.fsmonitor=false", "--literal-pathspecs"];
/** Whoever writes to the repository must not choose how long the answer is: one that was cut would tell nothing. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

/** Which of these files git has, by their paths in `directory`; undefined where it cannot tell: no git, no repository, another's. */
export async function trackedByGit(
  directory: string,
  names: readonly string[],
): Promise<string[] | undefined> {
  // Of a folder that is not there yet, git may still have files.
  const folder = await realpath(directory).catch(() => directory);
  const top = await repositoryAbove(folder);
  const prefix = relative(top, folder);
  // Of a folder git is asked for all that is in it: thousands of names would be too many for one command.
  const asked = new Set(names.map((name) => join(prefix, name.split("/", 1)[0] ?? name)));
  const args = [...CAREFUL, "-C", top, "ls-files", "-z", "--", ...asked];
  const answer = await new Promise<string | undefined>((resolve) => {
    execFile("git", args, { timeout: 10_000, maxBuffer: MAX_ANSWER_BYTES }, (error, stdout) =>
      resolve(error === null ? stdout : undefined),
    );
  });
  if (answer === undefined) return undefined;
  const tracked = new Set(answer.split("\0"));
  // Of what lies behind a link, git has the link.
  const hasPart = (name: string) =>
    name.split("/").some((_, index, parts) => tracked.has(join(prefix, ...parts.slice(0, index + 1))));
  return names.filter(hasPart).toSorted();
}

/**
 * The nearest folder that has a `.git`, which no repository can bring; else `folder` itself. Between the two git would stop at files
 * that make a folder look like a bare repository, and those a repository can bring.
 */
async function repositoryAbove(folder: string): Promise<string> {
  for (let at = folder; ; at = dirname(at)) {
    const isThere = await lstat(join(at, ".git")).then(
      () => true,
      () => false,
    );
    if (isThere) return at;
    if (at === dirname(at)) return folder;
  }
}
