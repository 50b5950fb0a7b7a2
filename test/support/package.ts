import { execFileSync } from "node:child_process";
import { cpSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { temporaryDirectory } from "../connection/support/server.ts";
import { repository } from "./pages.ts";

export interface Packed {
  /** The tarball's path. */
  file: string;
  version: string;
  /** What is in it. */
  contents: string[];
}

/** Packs redkeep as `npm pack` does, into `folder`. npm's own build would write into the repository, so the files are copied. */
export function packInto(folder: string): Packed {
  using copy = temporaryDirectory();
  const { files } = JSON.parse(readFileSync(join(repository, "package.json"), "utf8"));
  for (const file of ["package.json", "README.md", ...files.filter((name: string) => name !== "dist")])
    cpSync(join(repository, file), join(copy.path, file), { recursive: true });
  const config = join(repository, "rolldown.config.ts");
  runHere("rolldown", ["-c", config, "--dir", join(copy.path, "dist"), "--logLevel", "warn"], repository);
  const options = ["--ignore-scripts", "--json", "--pack-destination", folder];
  const [{ filename, version, files: packed }] = JSON.parse(runHere("npm", ["pack", ...options], copy.path));
  return {
    file: join(folder, filename),
    version,
    contents: packed.map(({ path }: { path: string }) => path),
  };
}

export function runHere(program: string, args: readonly string[], cwd: string): string {
  return execFileSync(program, args, { cwd, env: { ...process.env, PATH: searchPath() }, encoding: "utf8" });
}

/** The Node that runs this test is the first that the package finds, whichever npm's scripts have. */
export function searchPath(): string {
  return [dirname(process.execPath), join(repository, "node_modules/.bin"), process.env.PATH].join(":");
}
