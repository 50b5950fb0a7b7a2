import { readFileSync } from "node:fs";
import { join } from "node:path";

/** The package's own folder: above `src` in the repository, above `dist` where it is installed. */
export const packageDirectory = join(import.meta.dirname, "..");

export function packageVersion(): string {
  const { version }: { version: string } = JSON.parse(
    readFileSync(join(packageDirectory, "package.json"), "utf8"),
  );
  return version;
}
