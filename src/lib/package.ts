import { readFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";

/** Where the program itself lies: `src` in the repository, `dist` where it is installed. */
export const programDirectory = import.meta.filename.endsWith(".ts")
  ? dirname(import.meta.dirname)
  : import.meta.dirname;

/** The package's own folder, with its templates and playbooks. */
export const packageDirectory = join(programDirectory, "..");

/**
 * The words of a shell that start this program again from there. In a clone npx finds the pinned Node; outside of it
 * nothing but the paths do.
 */
export function ownCommand(
  { execPath, env }: Pick<NodeJS.Process, "execPath" | "env">,
  cwd: string,
  directory: string = programDirectory,
): string[] {
  if (!directory.endsWith(`${sep}src`)) return env.npm_command === "exec" ? ["npx", "redkeep"] : ["redkeep"];
  const program = join(directory, "cli.ts");
  const isInClone = !relative(join(directory, ".."), cwd).startsWith("..");
  return isInClone ? ["npx", "node", relative(cwd, program)] : [execPath, program];
}

export function packageVersion(): string {
  const { version }: { version: string } = JSON.parse(
    readFileSync(join(packageDirectory, "package.json"), "utf8"),
  );
  return version;
}
