import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, symlinkSync } from "node:fs";
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
  for (const file of sourceFiles())
    cpSync(join(repository, file), join(copy.path, file), { recursive: true });
  build(copy.path);
  const options = ["--ignore-scripts", "--json", "--pack-destination", folder];
  const [{ filename, version, files: packed }] = JSON.parse(runHere("npm", ["pack", ...options], copy.path));
  return {
    file: join(folder, filename),
    version,
    contents: packed.map(({ path }: { path: string }) => path),
  };
}

/** Lays out the package in a new folder, with links to what is not built. It starts as one that npm installed. */
export function linkInto(folder: string): void {
  for (const file of sourceFiles()) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    symlinkSync(join(repository, file), join(folder, file));
  }
  build(folder);
}

/** What the package takes from the repository as it stands there. */
function sourceFiles(): string[] {
  const { files }: { files: string[] } = JSON.parse(readFileSync(join(repository, "package.json"), "utf8"));
  return ["package.json", "README.md", ...files.filter((name) => name !== "dist")];
}

function build(folder: string): void {
  const config = join(repository, "rolldown.config.ts");
  runHere("rolldown", ["-c", config, "--dir", join(folder, "dist"), "--logLevel", "warn"], repository);
}

export function runHere(program: string, args: readonly string[], cwd: string): string {
  return execFileSync(program, args, { cwd, env: { ...process.env, PATH: searchPath() }, encoding: "utf8" });
}

/** The Node that runs this test is the first that the package finds, whichever npm's scripts have. */
export function searchPath(): string {
  return [dirname(process.execPath), join(repository, "node_modules/.bin"), process.env.PATH].join(":");
}
