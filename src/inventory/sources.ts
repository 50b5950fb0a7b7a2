import { constants } from "node:fs";
import { access, open, readdir, stat } from "node:fs/promises";
import { dirname, extname, join, resolve } from "node:path";
import { InputError } from "../lib/errors.ts";
import { unreadable } from "../lib/text-file.ts";
import { compareBytes } from "./order.ts";

/** What one `-i` names. Paths are as the user wrote them, for messages. */
export type Source =
  | { kind: "list"; given: string; hosts: string[] }
  /** `directory` is where its group_vars and host_vars are. */
  | { kind: "files"; given: string; directory: string; files: string[] };

const IGNORED_ENDINGS = /(?:~|\.(?:pyc|pyo|swp|bak|rpm|md|txt|rst|orig|ini|cfg|retry))$/;
const IGNORED_NAMES = new Set(["group_vars", "host_vars", "vars_plugins"]);
const MAX_DEPTH = 20;

/**
 * Resolves one `-i`: a file, a directory (its files in byte order, also those of its sub-directories) or a list of hosts
 * such as `a,b,`.
 *
 * @throws InputError when it does not exist, or is not YAML.
 */
export async function resolveSource(given: string, cwd: string): Promise<Source> {
  if (given === "")
    throw new InputError({ message: "-i: expected a file, a directory or a list of hosts, found nothing" });
  const kind = await kindOf(resolve(cwd, given));
  if (kind === "directory") {
    return { kind: "files", given, directory: given, files: await filesBelow(given, cwd, 0) };
  }
  if (kind === "file") {
    await refuseOtherFormats(given, cwd);
    return { kind: "files", given, directory: dirname(given), files: [given] };
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
    if (["ENOENT", "ENOTDIR", "ENAMETOOLONG"].includes((error as NodeJS.ErrnoException).code ?? ""))
      return undefined;
    throw unreadable(error, path);
  }
}

async function filesBelow(directory: string, cwd: string, depth: number): Promise<string[]> {
  if (depth > MAX_DEPTH) {
    throw new InputError({
      place: { file: directory },
      message: `lies more than ${MAX_DEPTH} directories deep`,
    });
  }
  const files: string[] = [];
  for (const name of await namesIn(directory, cwd)) {
    if (name.startsWith(".") || IGNORED_NAMES.has(name) || IGNORED_ENDINGS.test(name)) continue;
    const path = join(directory, name);
    if ((await kindOf(resolve(cwd, path))) === "directory") {
      files.push(...(await filesBelow(path, cwd, depth + 1)));
    } else {
      await refuseOtherFormats(path, cwd);
      files.push(path);
    }
  }
  return files;
}

/** The names in a directory in byte order. */
export async function namesIn(directory: string, cwd: string): Promise<string[]> {
  try {
    return (await readdir(resolve(cwd, directory))).sort(compareBytes);
  } catch (error) {
    throw unreadable(error, directory);
  }
}

async function refuseOtherFormats(file: string, cwd: string): Promise<void> {
  if (await isScript(resolve(cwd, file), file)) {
    throw new InputError({
      place: { file },
      message:
        "is a script, which redkeep does not run: save what ansible-inventory --list --yaml --export prints, and give that",
    });
  }
  if (!["", ".yml", ".yaml", ".json"].includes(extname(file))) {
    throw new InputError({
      place: { file },
      message:
        "expected a YAML inventory (.yml, .yaml, .json or no extension); an INI inventory is turned into one by " +
        `ansible-inventory -i ${file} --list --yaml --export`,
    });
  }
}

async function isScript(path: string, file: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
  } catch {
    return false;
  }
  try {
    await using handle = await open(path);
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(2), 0, 2, 0);
    return bytesRead === 2 && buffer.toString("latin1") === "#!";
  } catch (error) {
    throw unreadable(error, file);
  }
}
