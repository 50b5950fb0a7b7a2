import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { onTestFinished } from "vitest";
import type { Inventory } from "../../src/inventory/inventory.ts";
import { loadInventory } from "../../src/inventory/load-inventory.ts";
import { InputError } from "../../src/lib/errors.ts";

export type Files = Record<string, string | Uint8Array>;

/** Writes `files` into a directory that is removed after the test. Scripts become executable. */
export async function directoryWith(files: Files): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "redkeep-inventory-"));
  onTestFinished(() => rm(directory, { recursive: true }));
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(directory, name)), { recursive: true });
    await writeFile(join(directory, name), content);
    if (typeof content === "string" && content.startsWith("#!")) await chmod(join(directory, name), 0o755);
  }
  return directory;
}

export interface Situation {
  files?: Files;
  /** hosts.yml unless given. */
  sources?: string[];
  playbookDir?: string;
  extraVars?: string[];
}

/** The inventory of `hosts` as hosts.yml, or of a whole situation. */
export async function inventoryOf(hosts: string | Situation): Promise<Inventory> {
  const {
    files = {},
    sources = ["hosts.yml"],
    ...rest
  } = typeof hosts === "string" ? { files: { "hosts.yml": hosts } } : hosts;
  return loadInventory({ sources, cwd: await directoryWith(files), ...rest });
}

/** What the user reads when `work` is refused; "accepted" when it is not. */
export async function refusal(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    if (error instanceof InputError) return error.message;
    throw error;
  }
  return "accepted";
}
