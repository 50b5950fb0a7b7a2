import { readdir, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { codeOf, InputError } from "../lib/errors.ts";
import { unreadable } from "../lib/text-file.ts";
import { compareBytes } from "./order.ts";

/** What one `-i` names. Paths are as the user wrote them, for messages. */
export type Source =
  | { kind: "list"; given: string; hosts: string[] }
  /**
   * `directory` is where its group_vars and host_vars are. `skipped` has the files that look like inventories, but whose endings
   * Ansible skips in a directory.
   */
  | { kind: "files"; given: string; directory: string; files: string[]; skipped: string[] };

const IGNORED_ENDINGS = /(?:~|\.(?:pyc|pyo|swp|bak|rpm|md|txt|rst|orig|ini|cfg|retry))$/;
const IGNORED_NAMES = new Set(["group_vars", "host_vars", "vars_plugins"]);
const MAX_DEPTH = 20;

/**
 * Resolves one `-i`: a file, a directory (its files in byte order, also those of its sub-directories) or a list of hosts
 * such as `a,b,`.
 *
 * A link to nothing in a directory becomes one of `warnings`.
 *
 * @throws InputError when it does not exist.
 */
export async function resolveSource(given: string, cwd: string, warnings: string[]): Promise<Source> {
  if (given === "")
    throw new InputError({ message: "-i: expected a file, a directory or a list of hosts, found nothing" });
  const kind = await kindOf(resolve(cwd, given));
  if (kind === "directory") {
    const found: Found = { files: [], skipped: [], warnings };
    await filesBelow(given, cwd, found);
    return { kind: "files", given, directory: given, files: found.files, skipped: found.skipped };
  }
  if (kind === "file") {
    return { kind: "files", given, directory: dirname(given), files: [given], skipped: [] };
  }
  if (given.includes(",")) return hostList(given, cwd);
  throw new InputError({
    place: { file: given },
    message: `does not exist; for a list of hosts put a comma at its end: -i ${given},`,
  });
}

async function hostList(given: string, cwd: string): Promise<Source> {
  const hosts = given
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");
  for (const item of hosts) {
    const namesFile = /\.(?:ya?ml|json|ini)$/.test(item) || (await kindOf(resolve(cwd, item))) === "file";
    if (namesFile) {
      throw new InputError({
        place: { file: `-i ${given}` },
        message: `"${item}" is a file, but a comma makes this a list of host names: give -i once for each file`,
      });
    }
  }
  return { kind: "list", given, hosts };
}

/** What kind of file `path` is; undefined where it does not exist. */
export async function kindOf(path: string): Promise<"file" | "directory" | undefined> {
  try {
    return (await stat(path)).isDirectory() ? "directory" : "file";
  } catch (error) {
    if (["ENOENT", "ENOTDIR", "ENAMETOOLONG"].includes(codeOf(error) ?? "")) return undefined;
    throw unreadable(error, path);
  }
}

interface Found {
  files: string[];
  skipped: string[];
  warnings: string[];
}

async function filesBelow(directory: string, cwd: string, found: Found, depth = 0): Promise<void> {
  if (depth > MAX_DEPTH) {
    throw new InputError({
      place: { file: directory },
      message: `lies more than ${MAX_DEPTH} directories deep`,
    });
  }
  for (const name of await namesIn(directory, cwd)) {
    const path = join(directory, name);
    if (/\.(?:ini|cfg)$/.test(name)) found.skipped.push(path);
    if (name.startsWith(".") || IGNORED_NAMES.has(name) || IGNORED_ENDINGS.test(name)) continue;
    const kind = await kindOf(resolve(cwd, path));
    if (kind === "directory") await filesBelow(path, cwd, found, depth + 1);
    else if (kind === "file") found.files.push(path);
    else found.warnings.push(linkToNothing(path));
  }
}

/** The warning for a name in a directory that leads nowhere. */
export function linkToNothing(path: string): string {
  return `${path} is not read: it is a link to something that does not exist`;
}

/** The names in a directory in byte order. */
export async function namesIn(directory: string, cwd: string): Promise<string[]> {
  try {
    return (await readdir(resolve(cwd, directory))).sort(compareBytes);
  } catch (error) {
    throw unreadable(error, directory);
  }
}
