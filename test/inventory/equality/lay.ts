import { chmodSync, mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Case } from "./case.ts";

/** Writes an inventory below `root`. Ansible reads the variables of the current folder, too: the inventory stands in one below. */
export function lay(
  { files, sources, executable = [], plain = [], links = {} }: Case,
  root: string,
): { cwd: string; sources: string[] } {
  const cwd = mkdtempSync(join(root, "case-"));
  mkdirSync(join(cwd, "i"));
  for (const [name, content] of Object.entries(files)) {
    const path = join(cwd, "i", name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
    const isProgram = content.toString().startsWith("#!") && !plain.includes(name);
    if (isProgram || executable.includes(name)) chmodSync(path, 0o755);
  }
  for (const [name, target] of Object.entries(links)) {
    mkdirSync(dirname(join(cwd, "i", name)), { recursive: true });
    symlinkSync(target, join(cwd, "i", name));
  }
  const given = sources ?? Object.keys(files).slice(0, 1);
  return { cwd, sources: given.map((source) => (source.includes(",") ? source : `i/${source}`)) };
}
