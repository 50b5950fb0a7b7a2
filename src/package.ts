import { readFileSync } from "node:fs";
import { join } from "node:path";

/** Where the program itself lies: `src` in the repository, `dist` where it is installed. */
export const programDirectory = import.meta.dirname;

/** The package's own folder, with its templates and playbooks. */
export const packageDirectory = join(programDirectory, "..");

export function packageVersion(): string {
  const { version }: { version: string } = JSON.parse(
    readFileSync(join(packageDirectory, "package.json"), "utf8"),
  );
  return version;
}
