import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const repository = join(import.meta.dirname, "../..");

/** A change to redkeep's own text: `from` is there once. */
export interface Edit {
  file: string;
  from: string;
  to: string;
}

/** A redkeep in a folder of its own. */
export interface Product extends Disposable {
  dir: string;
}

/** Copies redkeep, changed. Throws where an edit does not apply: then its feature has moved, and nothing was taken out. */
export function copyProduct(edits: readonly Edit[]): Product {
  const dir = mkdtempSync(join(tmpdir(), "redkeep-product-"));
  const remove = (): void => rmSync(dir, { recursive: true, force: true });
  try {
    for (const name of ["src", "templates", "playbooks", "package.json"]) {
      cpSync(join(repository, name), join(dir, name), { recursive: true });
    }
    symlinkSync(join(repository, "node_modules"), join(dir, "node_modules"));
    for (const { file, from, to } of edits) {
      const pieces = readFileSync(join(dir, file), "utf8").split(from);
      if (pieces.length !== 2) throw new Error(`${file} has ${pieces.length - 1} times: ${from}`);
      writeFileSync(join(dir, file), pieces.join(to));
    }
  } catch (error) {
    remove();
    throw error;
  }
  return { dir, [Symbol.dispose]: remove };
}
