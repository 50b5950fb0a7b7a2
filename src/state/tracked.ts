import { execFile } from "node:child_process";

/**
 * What git must not do while it is asked: the repository is somebody else's writing, and so could be a bare one that lies below the
 * folder and names a program.
 */
const CAREFUL = ["-c", "safe.bareRepository=explicit", "-c", "core.fsmonitor=false", "--literal-pathspecs"];

/** Which of these files git has, by their paths in `directory`; undefined where it cannot tell: no git, no repository, another's. */
export async function trackedByGit(
  directory: string,
  names: readonly string[],
): Promise<string[] | undefined> {
  const args = [...CAREFUL, "-C", directory, "ls-files", "-z", "--", ...names];
  return await new Promise((resolve) => {
    execFile("git", args, { timeout: 10_000 }, (error, stdout) =>
      resolve(error === null ? stdout.split("\0").filter((name) => name !== "") : undefined),
    );
  });
}
