/** Drives Debian's Chromium over its own command line. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export interface Visit {
  /** The page as it stands after loading. */
  dom: string;
  /** What the page's console had to say: refused styles and scripts among it. */
  console: string[];
}

export class Browser implements Disposable {
  readonly dir = mkdtempSync(join(tmpdir(), "redkeep-browser-"));
  #profiles = 0;

  /** Writes a page into the browser's folder, and gives its path. */
  write(name: string, text: string): string {
    writeFileSync(join(this.dir, name), text);
    return join(this.dir, name);
  }

  async open(page: string, ...flags: string[]): Promise<Visit> {
    const { stdout, stderr } = await this.#run(
      "--enable-logging=stderr",
      "--dump-dom",
      ...flags,
      `file://${page}`,
    );
    return { dom: stdout, console: stderr.split("\n").filter((line) => line.includes(":CONSOLE")) };
  }

  /** A picture or a PDF of a page, as a file in the browser's folder. */
  async save(
    page: string,
    name: string,
    flag: "--screenshot" | "--print-to-pdf",
    ...flags: string[]
  ): Promise<string> {
    const file = join(this.dir, name);
    await this.#run(`${flag}=${file}`, ...flags, `file://${page}`);
    return file;
  }

  async #run(...args: string[]): Promise<{ stdout: string; stderr: string }> {
    const profile = join(this.dir, `profile-${++this.#profiles}`);
    try {
      return await promisify(execFile)("chromium", [...FLAGS, `--user-data-dir=${profile}`, ...args], {
        timeout: 120_000,
        maxBuffer: 64 * 1024 * 1024,
      });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT")
        throw new Error('Chromium is missing: run "sh lab/browser.sh" as root first.');
      throw error;
    }
  }

  [Symbol.dispose](): void {
    rmSync(this.dir, { recursive: true, force: true });
  }
}
