import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { InputError } from "../lib/errors.ts";

/** @throws InputError where one of the paths is in the directory already */
export function refuseToOverwrite(paths: readonly string[], directory: string, cwd: string): void {
  const there = paths.filter((path) => existsSync(join(directory, path)));
  if (there.length === 0) return;
  throw new InputError(
    there.map((path) => ({
      place: { file: relative(cwd, join(directory, path)) },
      message: "is there already: redkeep adopt overwrites nothing. Name another folder by --out",
    })),
  );
}

/** Writes texts by path, none over a file that is there. */
export async function writeAll(files: ReadonlyMap<string, string>, directory: string): Promise<void> {
  for (const [path, text] of files) {
    const target = join(directory, path);
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, text, { flag: "wx" });
  }
}
